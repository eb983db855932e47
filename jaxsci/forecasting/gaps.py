"""Gaps between the dates of a frame that are no missing rows: another spacing, or a date gone astray."""

from typing import Any

import numpy as np
import pandas as pd

from .calendar import Calendar, spacing_of
from .frame import DATE, ID

# Dates of a series from which on equal gaps are a spacing and not chance.
_REGULAR = 4
# Empty dates in a row, and how many times the rows of a series, from which on one of the two ends is a mistake.
_EMPTY, _TIMES = 1000, 10


def check_gaps(frame: Any, series: np.ndarray, position: np.ndarray, calendar: Calendar) -> None:
    """Refuse a frame of series of two spacings, and one with a date far from all others.

    Args:
        frame: rows.
        series: number of the series of each row.
        position: number of its date on the calendar.
        calendar: of all dates.

    Raises:
        ValueError: naming the series, or the row.
    """
    order = np.lexsort((position, series))
    gaps, same = np.diff(position[order]), np.diff(series[order]) == 0
    count = np.bincount(series)
    astray = same & (gaps > np.maximum(_EMPTY, _TIMES * count[series[order][1:]]))
    if astray.any():
        _refuse_astray(frame, series, order, int(np.argmax(astray)))
    smallest = np.full(int(series.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, series[order][1:][same], gaps[same])
    for one in np.flatnonzero((smallest > 1) & (count >= _REGULAR)):
        dates: Any = frame[DATE][series == one].sort_values(ignore_index=True)
        inside = gaps[same & (series[order][1:] == one)]
        spacing = f"{inside[0]} dates" if (inside == inside[0]).all() else None
        if spacing is None and not isinstance(calendar.spacing, int):
            spacing = spacing_of(pd.DatetimeIndex(dates))
        if spacing is not None:
            name = frame[ID][series == one].iloc[0]
            raise ValueError(
                f"jaxsci.forecasting expected series of one spacing, {calendar.spacing!r}, got dates of series "
                f"{name!r} that are regular at another one, {spacing} apart; forecast it by itself, or add the "
                "rows between, with y missing."
            )


def _refuse_astray(frame: Any, series: np.ndarray, order: np.ndarray, at: int) -> None:
    """Name the row beside the gap that follows row `at`, at the end of the series that has fewer rows."""
    rows = np.flatnonzero(series[order] == series[order[at]])
    before, after = at - rows[0] + 1, rows[-1] - at
    row, near = (frame.iloc[order[i]] for i in ((at + 1, at) if after <= before else (at, at + 1)))
    raise ValueError(
        f"jaxsci.forecasting expected dates near one another in each series, got {row[DATE]} in series "
        f"{row[ID]!r}, whose nearest is {near[DATE]}; correct it, or drop the row."
    )
