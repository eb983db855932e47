"""Columns of covariates as numbers: standardised, with marks where gaps are, or one of the categories seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


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
            ValueError: infinite numbers.
        """
        if not pd.api.types.is_numeric_dtype(values.dtype):
            levels = frozenset(category_name(v) for v in values.dropna().unique())
            return cls(name, levels=levels, gaps=bool(values.isna().any()))
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        if np.isinf(numbers).any():
            raise ValueError(
                f"jaxsci.forecasting expected finite or missing numbers in column {name!r}, got "
                f"{int(np.isinf(numbers).sum())} infinite ones; set them to NaN if they are unknown."
            )
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
        values = frame[column.name]
        if column.levels is not None:
            codes = column.codes(values)
            parts.append((codes[:, None] == np.arange(1, column.width + 1)).astype(np.float64))
            continue
        try:
            numbers = values.to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"jaxsci.forecasting expected numbers in column {column.name!r}, as when the model was fitted, "
                f"got {values.dtype}; convert it with pandas.to_numeric."
            ) from error
        if np.isinf(numbers).any():
            raise ValueError(
                f"jaxsci.forecasting expected finite or missing numbers in column {column.name!r}, got "
                f"{int(np.isinf(numbers).sum())} infinite ones; set them to NaN if they are unknown."
            )
        parts.append(np.nan_to_num((numbers - column.mean) / column.scale)[:, None])
        if column.gaps:
            parts.append(np.isfinite(numbers).astype(np.float64)[:, None])
    return np.concatenate(parts, axis=1)
