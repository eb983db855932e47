"""Columns of covariates as numbers: standardised, with marks where gaps are, or one of the categories seen."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Beyond it, squares or ratios of numbers overflow, those of networks in single precision first.
LARGEST = 1e30


@dataclass(frozen=True)
class Column:
    """The encoding of one column.

    Attributes:
        name: of the column.
        mean: of a numeric column.
        scale: its standard deviation, 1 where it does not vary.
        levels: the categories of one that is not numeric, as strings, else None.
        gaps: whether values were missing where it was learned; whether a number is known is then one too.
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] | None = None
    gaps: bool = False

    @property
    def width(self) -> int:
        """How many numbers `encode` makes of it."""
        return 1 + self.gaps if self.levels is None else len(self.levels)

    def codes(self, values: Any) -> np.ndarray:
        """The number of each category, from 1; 0 for one never seen, or a missing one."""
        assert self.levels is not None
        number = {level: k + 1 for k, level in enumerate(self.levels)}
        return np.array([number.get(category_name(value), 0) for value in values], np.int64)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` makes this column of."""
        levels = None if self.levels is None else list(self.levels)
        numbers = {"mean": self.mean, "scale": self.scale, "gaps": self.gaps}
        return {"name": self.name, "levels": levels, **numbers}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Column":
        """The column that `to_json` described."""
        levels = content["levels"]
        levels = None if levels is None else tuple(levels)
        return cls(content["name"], content["mean"], content["scale"], levels, content["gaps"])


@dataclass(frozen=True)
class ColumnFacts:
    """What the encoding of a column is learned from; those of two parts of a column add up.

    Attributes:
        name: of the column.
        count: of known numbers.
        mean: of these.
        squares: sum of their squared differences from the mean.
        largest: absolute value.
        levels: the categories of one that is not numeric, else None.
        gaps: whether values are missing.
    """

    name: str
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    largest: float = 0.0
    levels: frozenset[str] | None = None
    gaps: bool = False

    @classmethod
    def of(cls, name: str, values: Any) -> "ColumnFacts":
        """Look at values; what is neither numbers nor truth values is categories.

        Raises:
            ValueError: numbers that are infinite or too large.
        """
        values = as_numbers_or_names(name, values)
        if not pd.api.types.is_numeric_dtype(values.dtype):
            known: Any = values.dropna().unique()
            levels = frozenset(category_name(v) for v in known)
            if len(levels) < len(known):
                names = [category_name(v) for v in known]
                twice = max(names, key=names.count)
                raise ValueError(
                    f"jaxsci.forecasting expected categories of different names in column {name!r}, got "
                    f"several that are written {twice!r}; make them one, as in astype(str)."
                )
            return cls(name, levels=levels, gaps=bool(values.isna().any()))
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        _check_size(name, numbers)
        known = numbers[np.isfinite(numbers)]
        gaps = known.size < numbers.size
        if known.size == 0:
            return cls(name, gaps=gaps)
        mean, size = float(known.mean()), known.size
        squares, largest = size * float(known.var()), float(np.abs(known).max())
        return cls(name, size, mean, squares, largest, gaps=gaps)

    @property
    def unknown(self) -> bool:
        """Whether no value is known."""
        return not (self.count if self.levels is None else self.levels)

    def __add__(self, other: "ColumnFacts") -> "ColumnFacts":
        if (self.levels is None) != (other.levels is None):
            raise ValueError(
                f"jaxsci.forecasting expected numbers or categories in column {self.name!r}, got both; convert "
                "it to one kind."
            )
        if self.levels is not None and other.levels is not None:
            levels = self.levels | other.levels
            return ColumnFacts(self.name, levels=levels, gaps=self.gaps or other.gaps)
        count = self.count + other.count
        share = other.count / max(count, 1)
        apart = other.mean - self.mean
        return ColumnFacts(
            self.name,
            count,
            self.mean + apart * share,
            self.squares + other.squares + apart**2 * self.count * share,
            max(self.largest, other.largest),
            gaps=self.gaps or other.gaps,
        )

    def column(self) -> Column:
        """The encoding."""
        if self.levels is not None:
            return Column(self.name, levels=tuple(sorted(self.levels)), gaps=self.gaps)
        if self.count == 0:
            return Column(self.name, gaps=self.gaps)
        scale = (self.squares / self.count) ** 0.5
        # A constant column has a standard deviation of round-off.
        varies = scale > 1e-9 * self.largest
        return Column(self.name, self.mean, scale if varies else 1.0, gaps=self.gaps)


def learn_columns(frame: pd.DataFrame, names: Sequence[str]) -> tuple[Column, ...]:
    """Learn the encodings of columns; those that are neither numbers nor truth values are categories.

    Raises:
        ValueError: infinite numbers.
    """
    return tuple(ColumnFacts.of(name, frame[name]).column() for name in names)


def as_numbers_or_names(name: str, values: Any) -> Any:
    """A covariate as numbers or as names, whatever type it is kept in; its meaning is not left to that.

    Numbers that are objects (as of `decimal.Decimal`) are numbers, and what pandas calls a category is a name.

    Raises:
        ValueError: text that reads as numbers, dates and durations, which could be meant either way.
    """
    dtype = values.dtype
    if pd.api.types.is_numeric_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return values
    kind = pd.api.types.infer_dtype(values.astype(object), skipna=True)
    if kind in _NUMBERS:
        return pd.Series(
            pd.to_numeric(values.astype(object), errors="coerce"), values.index, np.float64
        )
    if kind in _MOMENTS:
        raise ValueError(
            f"jaxsci.forecasting expected numbers or names in column {name!r}, got {kind}; make numbers of it, "
            f"as in (frame[{name!r}] - frame[{name!r}].min()) / pandas.Timedelta(days=1)."
        )
    if kind == "string":
        known: Any = values.dropna()
        read: Any = pd.to_numeric(known.astype(object), errors="coerce")
        if len(known) and read.notna().all():
            raise ValueError(
                f"jaxsci.forecasting expected numbers or names in column {name!r}, got text that reads as "
                f"numbers, such as {known.iloc[0]!r}; convert it with pandas.to_numeric if numbers are meant, "
                "with astype('category') if names are."
            )
    return values


_NUMBERS = ("decimal", "floating", "integer", "mixed-integer-float", "boolean")
_MOMENTS = ("datetime", "datetime64", "date", "timedelta", "timedelta64", "time", "period")


def coded(column: Column, values: Any) -> np.ndarray:
    """The numbers of a column's categories, with a warning where some were never seen."""
    codes = column.codes(values)
    _warn_of_unseen(column, values[(codes == 0) & values.notna().to_numpy()])
    return codes


def _warn_of_unseen(column: Column, values: Any) -> None:
    """Say which categories were not there when the column was learned, above all those spelt otherwise."""
    unseen = sorted({category_name(value) for value in values.unique()})
    if not unseen:
        return
    folded = {level.strip().casefold(): level for level in column.levels or ()}
    alike = {name: folded[key] for name in unseen if (key := name.strip().casefold()) in folded}
    spelt = f"; {next(iter(alike))!r} may be {next(iter(alike.values()))!r}" if alike else ""
    warnings.warn(
        f"Column {column.name!r} has categories that were not there when it was learned, which count as "
        f"unknown: {unseen[:5]}{spelt}.",
        stacklevel=2,
    )


def category_name(value: Any) -> str:
    """The name of a category; 1.0 is 1, as joins make floats of integers."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def encode(frame: pd.DataFrame, columns: Sequence[Column]) -> np.ndarray:
    """Columns as numbers, ``(rows, width)``; what is missing, or a category never seen, is zero, the mean.

    A numeric column that had gaps is followed by ones where it is known.
    """
    parts = [np.zeros((len(frame), 0))]
    for column in columns:
        values: Any = as_numbers_or_names(column.name, frame[column.name])
        if column.levels is not None:
            codes = coded(column, values)
            parts.append((codes[:, None] == np.arange(1, column.width + 1)).astype(np.float64))
            continue
        try:
            numbers = values.to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"jaxsci.forecasting expected numbers in column {column.name!r}, as when the model was fitted, "
                f"got {values.dtype}; convert it with pandas.to_numeric."
            ) from error
        _check_size(column.name, numbers)
        parts.append(np.nan_to_num((numbers - column.mean) / column.scale)[:, None])
        if column.gaps:
            parts.append(np.isfinite(numbers).astype(np.float64)[:, None])
    return np.concatenate(parts, axis=1)


def too_large(numbers: np.ndarray) -> np.ndarray:
    """Where numbers are infinite, or beyond `LARGEST`."""
    return np.abs(numbers) > LARGEST


def _check_size(name: str, numbers: np.ndarray) -> None:
    if (large := too_large(numbers)).any():
        raise ValueError(
            f"jaxsci.forecasting expected numbers of at most {LARGEST:g} in column {name!r}, got "
            f"{numbers[large][0]:g} and {int(large.sum())} such values; set them to NaN if they are unknown."
        )
