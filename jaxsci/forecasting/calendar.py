"""Equally spaced dates: which number a date has, and what the calendar says of it.

Forecasting needs dates as whole numbers, to count horizons and seasons. A `Calendar` is a first date and a
spacing; it covers months and quarters, whose lengths differ, as well as hours, and plain counters.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsci._checks import whole

from .dates import check_counters, check_kind, reads_by_wall, with_zone, without_zone, zone_of

Dates = np.ndarray

# Harmonics of a cycle: two let a day or a week have two peaks of different height.
_HARMONICS = 2


@dataclass(frozen=True)
class DateFacts:
    """What a calendar is learned from; those of two parts of a frame, with series of their own, add up.

    Attributes:
        every: all dates, each once, in order.
        longest: the dates of the longest series, up to three, the longest first.
        series: how many there are.
    """

    every: pd.Series
    longest: tuple[pd.Series, ...]
    series: int

    @classmethod
    def of(cls, dates: pd.Series, groups: pd.Series) -> "DateFacts":
        """Look at the columns ``ds`` and ``unique_id``.

        Raises:
            ValueError: dates of another kind.
        """
        check_kind(dates)
        lengths = groups.value_counts()
        longest = tuple(_ordered(dates.loc[groups == name]) for name in lengths.index[:_LONGEST])
        return cls(_ordered(dates), longest, lengths.size)

    def without_zone(self, wall: bool) -> "DateFacts":
        """The same by the wall clock or by universal time."""
        longest = tuple(without_zone(dates, wall) for dates in self.longest)
        return DateFacts(without_zone(self.every, wall), longest, self.series)

    def __add__(self, other: "DateFacts") -> "DateFacts":
        if zone_of(self.every) != zone_of(other.every):
            raise ValueError(
                f"Calendar expected dates of one time zone, got {zone_of(self.every)} and "
                f"{zone_of(other.every)}; bring them to one with tz_convert or tz_localize."
            )
        longest = sorted((*self.longest, *other.longest), key=len, reverse=True)[:_LONGEST]
        every = _ordered(pd.concat([self.every, other.every]))
        return DateFacts(every, tuple(longest), self.series + other.series)


@dataclass(frozen=True)
class Calendar:
    """Dates ``start + k spacing``, k = 0, 1, 2, ...

    Attributes:
        start: the first date, a `pandas.Timestamp` without a time zone, or a whole number.
        spacing: a pandas frequency such as "h", "D", "W-SUN", "MS", or a whole number.
        zone: time zone of the dates that come in and go out, if they have one.
        wall: whether inside they are those of its wall clock, as days are, or of universal time, as hours are.
    """

    start: Any
    spacing: str | int
    zone: str | None = None
    wall: bool = True

    @classmethod
    def of(cls, facts: DateFacts, spacing: str | int | None) -> "Calendar":
        """The calendar that all dates of a frame lie on.

        Args:
            facts: on the dates; where the spacing is not given, it is that of all dates, or of one of the
                longest series, and that of counters the largest that fits all.
            spacing: see the class; None to infer it.

        Raises:
            ValueError: a spacing of another kind, one that is finer than all dates, or that cannot be inferred.
        """
        zone = zone_of(facts.every)
        wall = zone is None or reads_by_wall(facts.every)
        facts = facts.without_zone(wall)
        first = facts.every.iloc[0]
        if pd.api.types.is_integer_dtype(facts.every.dtype):
            if spacing is None:
                check_counters(facts.every.to_numpy())
                gaps = np.diff(facts.every.to_numpy())
                spacing = int(np.gcd.reduce(gaps)) if gaps.size else 1
            if isinstance(spacing, str) or spacing < 1:
                raise ValueError(
                    f"Calendar expected a whole number as the spacing of whole dates, got {spacing!r}; leave "
                    "freq out to infer it."
                )
            return cls(int(first), int(spacing))
        named = spacing is not None
        if spacing is None:
            spacing = _inferred(facts)
        if isinstance(spacing, int):
            raise ValueError(
                f"Calendar expected a pandas frequency for dates, got {spacing}; use 'D' or 'h', for instance."
            )
        calendar = cls(pd.Timestamp(first), spacing, zone, wall)
        # A finer one would make hours of days.
        apart = int(np.gcd.reduce(np.diff(calendar._numbers(facts.every)))) if named else 1
        if apart > 1 and facts.every.size > _FEW:
            raise ValueError(
                f"Calendar expected the spacing of the dates, got {spacing!r}, of which all "
                f"{facts.every.size} are {apart} or multiples of that apart; leave freq out, or name the "
                "spacing that they have."
            )
        return calendar

    def has_spacing(self, spacing: str | int | None) -> bool:
        """Whether its spacing is the given one; None stands for any."""
        if spacing is None or isinstance(spacing, int) or isinstance(self.spacing, int):
            return spacing is None or spacing == self.spacing
        offset = pd.tseries.frequencies.to_offset
        return offset(spacing) == offset(self.spacing)

    def positions(self, dates: pd.Series) -> np.ndarray:
        """The numbers k of dates.

        Raises:
            ValueError: a date that is not on the calendar.
        """
        counted = isinstance(self.spacing, int)
        check_kind(dates)
        if counted != pd.api.types.is_integer_dtype(dates.dtype):
            raise ValueError(
                "Calendar expected ds of the kind that was learned, "
                f"{'whole numbers' if counted else 'dates'}, got "
                f"{dates.dtype}; convert it."
            )
        if zone_of(dates) != self.zone:
            raise ValueError(
                f"Calendar expected dates of the time zone that was learned, {self.zone}, got "
                f"{zone_of(dates)}; bring them to it with dt.tz_convert or dt.tz_localize."
            )
        return self._numbers(without_zone(dates, self.wall))

    def _numbers(self, dates: pd.Series) -> np.ndarray:
        if isinstance(self.spacing, int):
            offset = dates.to_numpy(np.int64) - self.start
            numbers, rest = np.divmod(offset, self.spacing)
            wrong = rest != 0
        else:
            if len(dates) == 0:
                return np.zeros(0, np.int64)
            known = pd.DatetimeIndex(dates)
            # The first date may lie before `start`, in a frame that is forecast after another was learned.
            first = min(known.min(), self.start)
            line = pd.date_range(first, max(known.max(), self.start), freq=self.spacing)
            numbers = line.get_indexer(known) - line.get_indexer([self.start])[0]
            wrong = line.get_indexer(known) < 0
            if self.start not in line:
                wrong = wrong | True
        if wrong.any():
            raise ValueError(
                f"Calendar expected dates every {self.spacing} from {self.start}, got "
                f"{pd.Series(dates[wrong]).iloc[0]}; resample the series, or pass the right freq."
            )
        return np.asarray(numbers, np.int64)

    def dates(self, positions: np.ndarray) -> Dates:
        """The dates of numbers k, in an array of the same shape; k may be negative."""
        if isinstance(self.spacing, int):
            return self.start + self.spacing * np.asarray(positions, np.int64)
        positions = np.asarray(positions, np.int64)
        low = int(min(positions.min(initial=0), 0))
        offset = pd.tseries.frequencies.to_offset(self.spacing)
        first = self.start + low * offset
        line = pd.date_range(first, periods=int(positions.max(initial=0)) - low + 1, freq=offset)
        return line.to_numpy()[positions - low]

    def stamps(self, dates: Dates) -> Any:
        """Dates from `dates` as a column of a frame, in their time zone."""
        return dates if self.zone is None else with_zone(dates, self.zone, self.wall)

    def name(self, position: int | np.integer) -> str:
        """The date of a number k, as pandas prints the dates of a frame."""
        date = self.stamps(self.dates(np.array([position])))[0]
        return str(date if isinstance(self.spacing, int) else pd.Timestamp(date))

    def features(self, positions: np.ndarray, seasons: Sequence[int]) -> np.ndarray:
        """Sines and cosines of the cycles that a date is in, ``(*positions, features)``.

        Dates have the hour of the day, the day of the week and the day of the year, as far as they are longer
        than the spacing; counters have the given seasons.
        """
        dates = self.dates(positions)
        if isinstance(self.spacing, int):
            cycles = [(dates / self.spacing) / season for season in seasons if season > 1]
        else:
            index = pd.DatetimeIndex(self.stamps(dates.ravel()))
            index = index if index.tz is None else index.tz_localize(None)
            first = index[0]
            step: Any = first + pd.tseries.frequencies.to_offset(self.spacing) - first
            hour = index.hour + index.minute / 60
            cycles = []
            if step < pd.Timedelta(days=1):
                cycles.append(hour / 24)
            if step < pd.Timedelta(days=7):
                cycles.append((index.day_of_week + hour / 24) / 7)
            if step < pd.Timedelta(days=365):
                cycles.append(index.day_of_year / 365.25)
            cycles = [np.asarray(cycle).reshape(dates.shape) for cycle in cycles]
        waves = [
            wave(2 * np.pi * k * cycle)
            for cycle in cycles
            for k in range(1, _HARMONICS + 1)
            for wave in (np.sin, np.cos)
        ]
        return np.stack(waves, -1) if waves else np.zeros((*dates.shape, 0))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` makes this calendar of."""
        where = {"zone": self.zone, "wall": self.wall}
        return {"start": str(self.start), "spacing": self.spacing} | where

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Calendar":
        """The calendar that `to_json` described."""
        spacing = content["spacing"]
        start = content["start"]
        first = int(start) if isinstance(spacing, int) else pd.Timestamp(start)
        return cls(first, spacing, content["zone"], content["wall"])


def check_spacing(who: str, freq: Any) -> str | int | None:
    """A spacing that dates can have, or None.

    Raises:
        TypeError: neither letters nor a number.
        ValueError: letters that pandas does not know, or a number below one.
    """
    if freq is None or (isinstance(freq, int | np.integer) and not isinstance(freq, bool)):
        return freq if freq is None else whole(who, "freq", freq)
    if not isinstance(freq, str):
        raise TypeError(
            f"{who} expected freq as a pandas frequency in letters or a whole number, got {freq!r}; write 'D' "
            "or 'h', for instance."
        )
    try:
        pd.tseries.frequencies.to_offset(freq)
    except ValueError as error:
        raise ValueError(
            f"{who} expected freq as a pandas frequency, got {freq!r}; write 'h', 'D', 'W', 'MS' or 'QS', for "
            "instance, or leave it out to infer it."
        ) from error
    return freq


# Series, and stretches of each, that are looked at for the spacing.
_LONGEST = 3
# Dates that may be multiples of the spacing apart by chance.
_FEW = 5
_TRIED = 300


def _ordered(dates: pd.Series) -> pd.Series:
    return dates.drop_duplicates().sort_values(ignore_index=True)


def _inferred(facts: DateFacts) -> str:
    """The spacing of the longest series that has one."""
    every, *longest = (pd.DatetimeIndex(dates) for dates in (facts.every, *facts.longest))
    if all(map(_weekly, longest)) and not _weekly(every):
        raise ValueError(
            "Calendar expected series of one spacing and phase, got weeks between dates of the longest ones "
            "and other days among all; move weekly series to one day of the week, or, if days are missing, "
            "name the spacing when the forecaster is built, as in freq='D'."
        )
    for line in (every, *longest):
        spacing = spacing_of(line)
        if spacing is not None:
            return spacing
    # Where dates are missing in each of these, a stretch without gaps tells, if all dates agree with it.
    for size in (8, 5, 3):
        for line in longest:
            for start in range(min(line.size - size + 1, _TRIED)):
                spacing = spacing_of(line[start : start + size])
                if spacing is not None and _fits(every, spacing):
                    return spacing
    if every.size >= 3 and every.day.nunique() == 1:
        raise ValueError(
            f"Calendar expected dates at the beginning or the end of months, got day {every[0].day} of each; "
            "name the months, as in frame.ds.dt.to_period('M')."
        )
    for spacing in ("SMS", "SME"):
        if every.size >= 3 and _fits(every, spacing):
            return spacing
    raise ValueError(
        "Calendar expected 3 dates in a row, of one of the longest series, whose spacing all others fit, got "
        f"none among {facts.series} series; name the spacing when the forecaster is built, as in freq='D'."
    )


def _weekly(line: pd.DatetimeIndex) -> bool:
    """Whether all dates are whole weeks apart, three of them or more."""
    weeks = (line - line[0]) / pd.Timedelta(days=7)
    return line.size >= 3 and bool((np.asarray(weeks) % 1 == 0).all())


def spacing_of(line: pd.DatetimeIndex) -> str | None:
    """The spacing of dates without gaps, if there is one."""
    if line.size < 3:
        return None
    with warnings.catch_warnings():
        # pandas warns that a later version will return an offset; either will do.
        warnings.simplefilter("ignore", DeprecationWarning)
        spacing = pd.infer_freq(line)
    return None if spacing is None else str(getattr(spacing, "freqstr", spacing))


def _fits(every: pd.DatetimeIndex, spacing: str) -> bool:
    """Whether all dates are on the calendar of this spacing that begins with the first one."""
    line = pd.date_range(every.min(), every.max(), freq=spacing)
    if line.size == 0 or line.min() != every.min():
        return False
    return bool(np.isin(every.to_numpy(), line.to_numpy()).all())
