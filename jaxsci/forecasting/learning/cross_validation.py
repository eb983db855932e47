"""Forecasts of the past: what a forecaster would have said, knowing only what came before.

Creation dates are counted from the end of each series, or are the same dates for all of them; the forecaster
learns once, before the first of them, or again before each.

Reference: L. J. Tashman, Out-of-sample tests of forecasting accuracy, Int. J. Forecast. 16 (2000) 437,
doi:10.1016/S0169-2070(00)00065-0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..frame import DATE, ID
from ..grid import CUTOFF, ForecastGrid
from ..panel import Panel
from ..schema import Schema

Forecast = Callable[[Panel, np.ndarray], ForecastGrid]


class Windows(NamedTuple):
    """The creation dates.

    Attributes:
        number: of them.
        step: dates from one to the next.
        refit: whether the forecaster learns again before each.
        same_dates: whether they are the same for all series.
    """

    number: int
    step: int
    refit: bool
    same_dates: bool

    def back(self, horizon: int) -> np.ndarray:
        """Dates from each creation date to the end of a series, or to the last end of all."""
        return horizon + self.step * np.arange(self.number)[::-1]


def forecasts_of_the_past(
    learn: Callable[[Panel], Forecast], frame: Any, schema: Schema, windows: Windows
) -> pd.DataFrame:
    """Forecasts with their creation dates and targets.

    Args:
        learn: learns from a panel, and returns what makes forecasts at columns of one.
        frame: the series.
        schema: of their columns.
        windows: the creation dates.

    Raises:
        ValueError: series too short for so many windows.
    """
    panel = schema.panel(frame)
    back = windows.back(panel.horizon)
    ends = np.full_like(panel.ends, panel.ends.max()) if windows.same_dates else panel.ends
    longest = panel.length + int((ends - panel.ends).min())
    if longest <= back[0]:
        raise ValueError(
            f"cross_validate expected a series of more than {back[0]} dates for {windows.number} windows, "
            f"got {longest} at most; ask for fewer windows."
        )

    def learned(dates: np.ndarray) -> tuple[Panel, Forecast]:
        """The series as learned before dates, of the covariates too, and who learned."""
        last = np.minimum(panel.ends, dates)
        past = panel.ending(last)
        known = schema.learned_before(frame, past, past.length - 1).panel(frame)
        return known, learn(known.ending(last).begun())

    known, forecast = learned(ends - back[0])
    if not (windows.refit or windows.same_dates):
        # Dates that are counted from the ends are columns of one panel, and one pass.
        return forecast(known, known.length - 1 - back).to_frame(cutoffs=True)
    parts = []
    for window, dates in enumerate(ends - b for b in back):
        if windows.refit and window > 0:
            known, forecast = learned(dates)
        # Series that ended before have no targets.
        rows = np.flatnonzero(known.ends > dates)
        asked = known.rows(rows).ending(dates[rows] + panel.horizon)
        columns = np.array([asked.length - 1 - panel.horizon])
        parts.append(forecast(asked, columns).to_frame(cutoffs=True))
    return pd.concat(parts).sort_values([ID, CUTOFF, DATE], ignore_index=True)
