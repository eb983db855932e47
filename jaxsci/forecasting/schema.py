"""How the columns of long frames become arrays: learned of one frame, and used for it and for later ones.

`past` covariates are known up to the forecast date, `future` ones are known ahead, `static` ones belong to the
series. A `Schema` learns how each becomes numbers; it then turns this frame, or a later one, into a `Panel`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .calendar import Calendar, DateFacts
from .columns import Column, ColumnFacts, coded, encode, learn_columns
from .frame import DATE, ID, TARGET, as_frame, check_frame, joined
from .gaps import check_gaps
from .panel import Panel


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
            ValueError: a frame that lacks columns, repeats dates, or holds what is no number where one is due;
                a covariate of which nothing is known.
        """
        names = (*past, *future, *static)
        check_roles("Schema", names)
        facts: dict[str, ColumnFacts] = {}
        dates: DateFacts | None = None
        known_rows = rows = 0
        for part in frame if isinstance(frame, Iterator) else (frame,):
            table: Any = as_frame(part)
            check_frame(table, (TARGET, *names))
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
        unknown = [name for name in names if facts[name].unknown]
        if unknown:
            raise ValueError(
                f"Schema expected known values of the covariates {unknown} where targets are known, got none; "
                "fill them, or fit without them."
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
        check_frame(frame, (TARGET, *(c.name for c in (*self.past, *self.future, *self.static))))
        frame = frame.assign(**{TARGET: frame[TARGET].to_numpy(np.float64, na_value=np.nan)})
        if future is not None:
            frame = joined(frame, as_frame(future), [c.name for c in self.future])
        series, ids = pd.factorize(frame[ID], sort=True)
        position = self.calendar.positions(frame[DATE])
        check_gaps(frame, series, position, self.calendar)
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
            # A missing category is one where some were missing in what was learned; else it is not known.
            if column_ahead.levels is None or not column_ahead.gaps:
                given = np.asarray(frame[column_ahead.name].notna(), bool)
                known = np.logical_and(known, spread(given, length + self.horizon, everywhere))
        if ahead and self.future and not known[:, length:].all():
            lacking = np.logical_not(known[:, length:])
            row, date = np.argwhere(lacking)[0]
            raise ValueError(
                f"predict expected the covariates {[c.name for c in self.future]} for {self.horizon} dates "
                f"after the last known target of each series, got {lacking[row].sum()} of them missing for "
                f"{ids[row]!r}, the first at {self.calendar.name(ends[row] + 1 + date)}, and "
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
            codes=_stacked([coded(c, statics[c.name]) for c in categories], len(ids)),
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
