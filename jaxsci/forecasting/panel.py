"""Long frames of many series, as arrays.

A long frame has a row for each series and date, ``unique_id, ds, y``, and columns of covariates: `past` ones
are known up to the forecast date, `future` ones are known ahead, `static` ones belong to the series. A `Schema`
learns from a frame how its columns become numbers; it then turns this frame, or a later one, into a `Panel`:
one array a quantity, every series on a row, padded on the left so that all end in the last column.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data._extras import extra
from .calendar import Calendar, DateFacts, check_kind
from .columns import Column, ColumnFacts, encode, learn_columns

ID, DATE, TARGET = "unique_id", "ds", "y"


@dataclass(frozen=True)
class Panel:
    """Series in arrays; the last of T columns is the last date whose target is known, of every series.

    Attributes:
        ids: names of the series, ``(series,)``.
        ends: number of the last column's date on the calendar, ``(series,)``.
        calendar: the dates.
        horizon: how many dates ahead future covariates reach, H.
        y: targets, ``(series, T)``, zero where they are missing.
        observed: where they are not, of the same shape.
        past: covariates known up to the present, ``(series, T, past)``.
        future: covariates known ahead, ``(series, T + H, future)``, and the calendar's features after them.
        static: numbers of the series, ``(series, static)``.
        codes: categories of the series, ``(series, categories)``, 0 for one never seen.
        categories: how many categories each of the codes has, ``(categories,)``.
    """

    ids: np.ndarray
    ends: np.ndarray
    calendar: Calendar
    horizon: int
    y: np.ndarray
    observed: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    codes: np.ndarray
    categories: tuple[int, ...]

    @property
    def length(self) -> int:
        """Number T of columns."""
        return self.y.shape[1]

    def until(self, column: int) -> "Panel":
        """The same series cut after a column; what was known ahead at that date is kept."""
        kept = column + 1
        return replace(
            self,
            ends=self.ends - (self.length - kept),
            y=self.y[:, :kept],
            observed=self.observed[:, :kept],
            past=self.past[:, :kept],
            future=self.future[:, : kept + self.horizon],
        )

    def rows(self, index: np.ndarray) -> "Panel":
        """Some of the series."""
        names = ("ids", "ends", "y", "observed", "past", "future", "static", "codes")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def history(self, series: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Targets of one series from the first that is known, up to a column, and where they are known."""
        observed = self.observed[series, : column + 1]
        first = int(observed.argmax()) if observed.any() else column + 1
        return self.y[series, first : column + 1], observed[first:]

    def dates(self, columns: np.ndarray) -> np.ndarray:
        """Dates of columns, ``(series, *columns)``; columns from T on lie ahead."""
        columns = np.asarray(columns)
        shift = np.expand_dims(self.ends - (self.length - 1), tuple(range(1, columns.ndim + 1)))
        return self.calendar.dates(shift + columns)


@dataclass(frozen=True)
class Schema:
    """How the columns of a frame become the arrays of a panel.

    Attributes:
        calendar: the dates.
        horizon: dates ahead, H.
        seasons: periods of the calendar's features, for dates that are counters.
        past: encodings of the past covariates.
        future: of those known ahead.
        static: of those of the series.
    """

    calendar: Calendar
    horizon: int
    seasons: tuple[int, ...]
    past: tuple[Column, ...]
    future: tuple[Column, ...]
    static: tuple[Column, ...]

    @classmethod
    def of(
        cls,
        frame: Any,
        *,
        horizon: int,
        seasons: Sequence[int],
        past: Sequence[str],
        future: Sequence[str],
        static: Sequence[str],
        freq: str | int | None,
    ) -> "Schema":
        """Learn the spacing of the dates, the scale of numbers and the names of categories.

        Args:
            frame: as for `as_frame`; or an iterator over parts of one, each with all rows of its series, of
                which one is looked at at a time.
            horizon: dates ahead, H.
            seasons: periods of the calendar's features.
            past: columns known up to the present.
            future: columns known ahead.
            static: columns of the series.
            freq: spacing of the dates; None to infer it.

        Raises:
            ValueError: a frame that lacks columns, repeats dates, or holds what is no number where one is due.
        """
        names = (*past, *future, *static)
        check_roles("Schema", names)
        facts: dict[str, ColumnFacts] = {}
        dates: DateFacts | None = None
        known_rows = rows = 0
        for part in frame if isinstance(frame, Iterator) else (frame,):
            table: Any = as_frame(part)
            _check_frame(table, (TARGET, *names))
            # What is known ahead is not learned from the rows that are to be forecast.
            known = table[table[TARGET].notna()]
            known_rows, rows = known_rows + len(known), rows + len(table)
            of_series = _first_known(known, static, known[ID].to_numpy())
            for name in names:
                seen = ColumnFacts.of(name, (of_series if name in static else known)[name])
                facts[name] = facts[name] + seen if name in facts else seen
            here = DateFacts.of(table[DATE], table[ID])
            dates = here if dates is None else dates + here
        if known_rows == 0 or dates is None:
            raise ValueError(
                f"Schema expected at least one known target, got {rows} rows without; fill column y."
            )
        return cls(
            calendar=Calendar.of(dates, freq),
            horizon=horizon,
            seasons=tuple(seasons),
            past=tuple(facts[name].column() for name in past),
            future=tuple(facts[name].column() for name in future),
            static=tuple(facts[name].column() for name in static),
        )

    def panel(self, frame: Any, future: Any = None, *, ahead: bool = False) -> Panel:
        """The arrays of a frame.

        A series ends with its last known target; its rows after that are dates to be forecast, as those of the
        frame `future`. A series without any known target ends before its first row.

        Args:
            frame: as for `Forecaster.fit`.
            future: rows with the covariates known ahead, without y; series that the frame has not are refused.
            ahead: refuse series whose future covariates do not reach `horizon` dates beyond the end.

        Raises:
            ValueError: as `of`, or dates that are not on the calendar, or covariates that are not known ahead.
        """
        frame = as_frame(frame)
        _check_frame(frame, (TARGET, *(c.name for c in (*self.past, *self.future, *self.static))))
        frame = frame.assign(**{TARGET: frame[TARGET].to_numpy(np.float64, na_value=np.nan)})
        if future is not None:
            frame = _joined(frame, as_frame(future), [c.name for c in self.future])
        series, ids = pd.factorize(frame[ID], sort=True)
        position = self.calendar.positions(frame[DATE])
        y = frame[TARGET].to_numpy(np.float64)
        ends, length = _ends(series, position, np.isfinite(y), len(ids))
        column = position - ends[series] + length - 1
        # Rows further ahead than the horizon are of no use.
        inside = column < length + self.horizon
        series, column, y, frame = series[inside], column[inside], y[inside], frame[inside]
        past = column < length

        def spread(values, width, rows):
            array = np.zeros((len(ids), width, *values.shape[1:]), values.dtype)
            array[series[rows], column[rows]] = values[rows]
            return array

        everywhere = np.ones_like(past)
        known = spread(everywhere, length + self.horizon, everywhere)
        for column_ahead in self.future if ahead else ():
            # A missing category may be one; a missing number is not known.
            if column_ahead.levels is None:
                given = np.asarray(frame[column_ahead.name].notna(), bool)
                known = np.logical_and(known, spread(given, length + self.horizon, everywhere))
        if ahead and self.future and not known[:, length:].all():
            lacking = np.logical_not(known[:, length:])
            row, date = np.argwhere(lacking)[0]
            raise ValueError(
                f"predict expected the covariates {[c.name for c in self.future]} for {self.horizon} dates "
                f"after the last known target of each series, got {lacking[row].sum()} of them missing for "
                f"{ids[row]!r}, the first at {self.calendar.dates(np.array([ends[row] + 1 + date]))[0]}, and "
                f"{lacking.any(1).sum()} such series; add those rows, with y missing, or pass them as future=."
            )
        dates = ends[:, None] - (length - 1) + np.arange(length + self.horizon)
        cycles = self.calendar.features(dates, self.seasons)
        numbers = [c for c in self.static if c.levels is None]
        categories = [c for c in self.static if c.levels is not None]
        statics = _first_known(frame, [c.name for c in self.static], series, ids)
        return Panel(
            ids=np.asarray(ids),
            ends=ends,
            calendar=self.calendar,
            horizon=self.horizon,
            y=spread(np.nan_to_num(y), length, past),
            observed=spread(np.isfinite(y), length, past),
            past=spread(encode(frame, self.past), length, past),
            future=np.concatenate(
                [spread(encode(frame, self.future), length + self.horizon, everywhere), cycles], -1
            ),
            static=encode(statics, numbers),
            codes=_stacked([c.codes(statics[c.name]) for c in categories], len(ids)),
            categories=tuple(c.width for c in categories),
        )

    def learned_before(self, frame: Any, panel: Panel, column: int) -> "Schema":
        """The same calendar, with encodings learned only from rows up to a column of the frame's panel."""
        frame = as_frame(frame)
        last = pd.Series(panel.ends - (panel.length - 1 - column), index=panel.ids)
        before = self.calendar.positions(frame[DATE]) <= frame[ID].map(last).to_numpy()
        known = frame[before & frame[TARGET].notna().to_numpy()]
        if known.empty:
            raise ValueError(
                "cross_validate expected a known target before the first creation date, got "
                "none; ask for fewer windows."
            )
        static = [c.name for c in self.static]
        return replace(
            self,
            past=learn_columns(known, [c.name for c in self.past]),
            future=learn_columns(known, [c.name for c in self.future]),
            static=learn_columns(_first_known(known, static, known[ID].to_numpy()), static),
        )

    def to_json(self) -> dict[str, Any]:
        """What `from_json` makes this schema of."""
        roles = {
            role: [c.to_json() for c in getattr(self, role)]
            for role in ("past", "future", "static")
        }
        return {
            "calendar": self.calendar.to_json(),
            "horizon": self.horizon,
            "seasons": list(self.seasons),
            **roles,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Schema":
        """The schema that `to_json` described."""
        return cls(
            calendar=Calendar.from_json(content["calendar"]),
            horizon=content["horizon"],
            seasons=tuple(content["seasons"]),
            **{
                role: tuple(Column.from_json(c) for c in content[role])
                for role in ("past", "future", "static")
            },
        )


def check_roles(who: str, names: Sequence[str]) -> None:
    """Refuse covariates, of all roles together, that have two roles."""
    if len(set(names)) < len(names) or {ID, DATE, TARGET} & set(names):
        raise ValueError(
            f"{who} expected each covariate once in past, future or static, got {tuple(names)}; a column has "
            "one role, and unique_id, ds and y have theirs."
        )


def as_frame(frame: Any) -> pd.DataFrame:
    """A pandas frame from one, from a polars frame, or from the path of a parquet file.

    Days in ``ds`` that are objects, as parquet and polars give them to pandas, become timestamps.

    Raises:
        TypeError: for anything else.
    """
    table = _table(frame)
    ds = table.get(DATE)
    if isinstance(ds, pd.Series) and pd.api.types.infer_dtype(ds, skipna=True) == "date":
        return table.assign(**{DATE: pd.to_datetime(ds)})
    return table


def _table(frame: Any) -> pd.DataFrame:
    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, str | Path):
        arrow = extra(
            "jaxsci.forecasting", "pyarrow", "pyarrow", "pass a pandas frame", name="forecast"
        )
        try:
            return pd.read_parquet(frame)
        except arrow.ArrowInvalid as error:
            raise ValueError(
                f"jaxsci.forecasting expected a parquet file or a folder of such at {frame}, got something "
                f"else ({str(error).splitlines()[0]}); open a store with SeriesStore, and read other files "
                "with pandas."
            ) from error
    if hasattr(frame, "to_dict") and type(frame).__module__.startswith("polars"):
        return pd.DataFrame(frame.to_dict(as_series=False))
    raise TypeError(
        f"jaxsci.forecasting expected a pandas or polars frame, or the path of a parquet file, got "
        f"{type(frame).__name__}; make a frame with columns unique_id, ds, y."
    )


def _check_frame(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in (ID, DATE, *columns) if name not in frame.columns]
    if missing:
        raise ValueError(
            f"jaxsci.forecasting expected columns {[ID, DATE, *columns]}, got a frame without "
            f"{missing}; rename columns, or declare fewer covariates."
        )
    if frame.empty:
        raise ValueError(
            "jaxsci.forecasting expected a frame with rows, got an empty one; check the selection."
        )
    for name in (ID, DATE):
        absent = int(np.sum(pd.isna(frame[name].to_numpy())))
        if absent:
            raise ValueError(
                f"jaxsci.forecasting expected {name} in every row, got {absent} missing; drop those rows."
            )
    dates: Any = frame[DATE]
    check_kind(dates)
    repeated = frame.duplicated([ID, DATE])
    if repeated.any():
        row = frame[repeated].iloc[0]
        raise ValueError(
            f"jaxsci.forecasting expected one row for each series and date, got several for series "
            f"{row[ID]!r} at {row[DATE]}; add them up, or drop the repeated ones."
        )
    if TARGET in columns:
        if not pd.api.types.is_numeric_dtype(frame[TARGET].dtype):
            raise ValueError(
                f"jaxsci.forecasting expected numbers in y, got {frame[TARGET].dtype}; convert it with "
                "pandas.to_numeric."
            )
        infinite = np.isinf(frame[TARGET].to_numpy(np.float64, na_value=np.nan))
        if infinite.any():
            row = frame[infinite].iloc[0]
            raise ValueError(
                f"jaxsci.forecasting expected finite or missing targets, got {row[TARGET]} in series "
                f"{row[ID]!r} at {row[DATE]}; set it to NaN if it is unknown."
            )


def _joined(frame: pd.DataFrame, future: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The frame and the rows that follow it."""
    _check_frame(future, names)
    strangers = set(future[ID]) - set(frame[ID])
    if strangers:
        raise ValueError(
            "predict expected future rows of the frame's series, got "
            f"{sorted(map(str, strangers))[:3]} too; give a new series one row in the frame, with y missing."
        )
    ahead = future.loc[:, [ID, DATE, *names]].set_index([ID, DATE])
    rows = frame.set_index([ID, DATE])
    both = rows.index.intersection(ahead.index)
    for name in names:
        one, other = rows.loc[both, name], ahead.loc[both, name]
        apart = (one.notna() & other.notna() & (one != other)).to_numpy(bool)
        if apart.any():
            series, date = both[apart][0]
            raise ValueError(
                f"predict expected future rows that agree with the frame's, got {one[apart].iloc[0]!r} and "
                f"{other[apart].iloc[0]!r} in column {name!r} of series {series!r} at {date}; pass the dates "
                "after the last known target only, or correct one of them."
            )
    # A date in both frames gets from the other what the frame has not.
    return rows.combine_first(ahead).reset_index()


def _first_known(
    frame: pd.DataFrame, names: Sequence[str], series: np.ndarray, ids: Any = None
) -> pd.DataFrame:
    """For each series, in order, the one value of each column that is not missing.

    Args:
        frame: rows.
        names: of the columns.
        series: of each row, its name, or its number in `ids`.
        ids: names of the series, where they are numbered.
    """
    groups = frame[list(names)].groupby(series)
    for name in names:
        values = groups[name].nunique()
        if (values.to_numpy() > 1).any():
            one = values.idxmax()
            raise ValueError(
                f"Schema expected one value of the static covariate {name!r} for each series, got several for "
                f"{one if ids is None else ids[one]!r}; declare it in past= or future=."
            )
    return pd.DataFrame(groups.first())


def _stacked(codes: list[np.ndarray], rows: int) -> np.ndarray:
    return np.stack(codes, -1) if codes else np.zeros((rows, 0), np.int64)


def _ends(
    series: np.ndarray, position: np.ndarray, known: np.ndarray, count: int
) -> tuple[np.ndarray, int]:
    """The last known position of each series, and the number of columns that the longest one needs."""
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, series, position)
    ends = first - 1
    np.maximum.at(ends, series[known], position[known])
    return ends, int(max((ends - first).max() + 1, 1))
