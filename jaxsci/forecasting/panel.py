"""Many series as arrays: one a quantity, every series on a row, padded on the left so that all end together."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from .calendar import Calendar


@dataclass(frozen=True)
class Panel:
    """Series in arrays; the last of T columns is the last date whose target is known, of every series.

    Attributes:
        ids: names of the series.
        ends: number of the last column's date on the calendar.
        calendar: the dates.
        horizon: how many dates ahead future covariates reach, H.
        y: targets at T columns, zero where they are missing.
        observed: where they are not.
        past: covariates known up to the present.
        future: covariates known ahead, for H dates more, and the calendar's features after them.
        static: numbers of the series.
        codes: categories of the series, 0 for one never seen.
        categories: how many categories each of the codes has.
    """

    ids: Shaped[np.ndarray, " series"]
    ends: Int[np.ndarray, " series"]
    calendar: Calendar
    horizon: int
    y: Float[np.ndarray, "series time"]
    observed: Bool[np.ndarray, "series time"]
    past: Float[np.ndarray, "series time past"]
    future: Float[np.ndarray, "series time_and_horizon future"]
    static: Float[np.ndarray, "series static"]
    codes: Int[np.ndarray, "series categories"]
    categories: tuple[int, ...]

    @property
    def length(self) -> int:
        """Number T of columns."""
        return self.y.shape[1]

    @property
    def first(self) -> Int[np.ndarray, " series"]:
        """Column of the first known target of each series, T where there is none."""
        return np.where(self.observed.any(1), self.observed.argmax(1), self.length)

    @property
    def sizes(self) -> dict[str, Any]:
        """Channels of the covariates, and how many of each of the categories."""
        roles = {name: getattr(self, name).shape[-1] for name in ("past", "future", "static")}
        return roles | {"categories": list(self.categories)}

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

    def ending(self, dates: Int[np.ndarray, " series"]) -> "Panel":
        """The same series until dates of their own, given by number, which may lie up to H dates ahead."""
        drop, length = (self.ends - dates)[:, None], self.length + self.horizon

        def moved(array: np.ndarray, count: int) -> np.ndarray:
            column = np.arange(count) - self.horizon - drop
            inside = (column >= 0) & (column < array.shape[1])
            taken = array[np.arange(len(array))[:, None], np.clip(column, 0, array.shape[1] - 1)]
            return np.where(inside.reshape(*inside.shape, *[1] * (array.ndim - 2)), taken, 0)

        return replace(
            self,
            ends=np.asarray(dates, self.ends.dtype),
            y=moved(self.y, length),
            observed=moved(self.observed, length).astype(bool),
            past=moved(self.past, length),
            future=moved(self.future, length + self.horizon),
        )

    def begun(self) -> "Panel":
        """The same series without columns before the first known target of all."""
        start = min(int(self.first.min(initial=self.length)), self.length - 1)
        names = ("y", "observed", "past", "future")
        return replace(self, **{name: getattr(self, name)[:, start:] for name in names})

    def rows(self, index: Int[np.ndarray, " some"]) -> "Panel":
        """Some of the series."""
        count = len(self.ids)
        if ((index < -count) | (index >= count)).any():
            raise IndexError(
                f"Panel.rows expected numbers of its {count} series, got up to {index.max()}; count from zero."
            )
        names = ("ids", "ends", "y", "observed", "past", "future", "static", "codes")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def history(
        self, series: int, column: int
    ) -> tuple[Float[np.ndarray, " dates"], Bool[np.ndarray, " dates"]]:
        """Targets of one series from the first that is known, up to a column, and where they are known."""
        observed = self.observed[series, : column + 1]
        first = int(observed.argmax()) if observed.any() else column + 1
        return self.y[series, first : column + 1], observed[first:]

    def dates(self, columns: Int[np.ndarray, "*columns"]) -> Shaped[np.ndarray, "series *columns"]:
        """Dates of columns; those from T on lie ahead."""
        columns = np.asarray(columns)
        shift = np.expand_dims(self.ends - (self.length - 1), tuple(range(1, columns.ndim + 1)))
        return self.calendar.dates(shift + columns)

    def date_name(self, series: int | np.integer, column: int | np.integer) -> str:
        """The date of a column of one series, for messages."""
        return self.calendar.name(self.ends[series] - (self.length - 1) + column)


def check_counts(who: str, panel: Panel) -> None:
    """Refuse targets that are no counts.

    Raises:
        ValueError: the first of them.
    """
    wrong = panel.observed & ((panel.y < 0) | (panel.y != np.round(panel.y)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{who} expected whole targets of zero or more for head='negative-binomial', got "
            f"{panel.y[row, column]:g} in series {panel.ids[row]!r} at {panel.date_name(row, column)} and "
            f"{wrong.sum()} such values; choose another head."
        )
