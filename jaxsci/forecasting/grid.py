r"""Forecasts of many series, made at many dates: one object for backtests, their diagnosis and the ensemble.

    ŷ[i, t, h, q],   i a series, t the date a forecast was made, h = 1..H the horizon, q a quantile

The target of (t, h) is y[t + h], so forecasts of one target lie on an antidiagonal. Along it they are
revised as the target comes closer; their mean is the ensemble over creation dates, which revises less.

Reference: Wen, Torkkola, Narayanaswamy, Madeka, A multi-horizon quantile recurrent forecaster, 2017,
arXiv:1711.11053, section 3.3, for the grid; Eisenach, Patel, Madeka, MQTransformer, 2020, arXiv:2009.14799, for
revisions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from .._checks import number, whole
from .frame import DATE, ID, TARGET
from .panel import Panel

CUTOFF = "cutoff"


@dataclass(frozen=True)
class ForecastGrid:
    """Quantiles by series, creation date and horizon.

    Attributes:
        panel: the series.
        columns: columns of the panel at which forecasts were made, increasing.
        levels: the quantiles' levels.
        values: the quantiles; NaN where a series had not begun and nothing could be said of it.
    """

    panel: Panel
    columns: Int[np.ndarray, " dates"]
    levels: tuple[float, ...]
    values: Float[np.ndarray, "series dates horizon quantiles"]

    def __post_init__(self):
        expected = (len(self.panel.ids), len(self.columns), self.horizon, len(self.levels))
        if self.values.shape != expected:
            raise ValueError(
                f"ForecastGrid expected values of shape {expected} (series, dates, horizon, quantiles), got "
                f"{self.values.shape}; forecast every series at every date."
            )
        columns = np.asarray(self.columns)
        if columns.size and not 0 <= columns.min() <= columns.max() < self.panel.length:
            raise ValueError(
                f"ForecastGrid expected columns of the panel, from 0 to {self.panel.length - 1}, got "
                f"{columns.min()} to {columns.max()}; give those at which the forecasts were made."
            )

    def __repr__(self) -> str:
        return (
            f"ForecastGrid(series={len(self.panel.ids)}, dates={len(self.columns)}, horizon={self.horizon}, "
            f"levels={self.levels})"
        )

    @property
    def horizon(self) -> int:
        """Number H of dates ahead."""
        return self.panel.horizon

    @property
    def made(self) -> Bool[np.ndarray, "series dates"]:
        """Where forecasts were made: everywhere but where a series had not begun and all quantiles are NaN."""
        begun = np.logical_or.accumulate(self.panel.observed, 1)[:, np.asarray(self.columns)]
        return begun | ~np.isnan(self.values).all((2, 3))

    @property
    def targets(
        self,
    ) -> tuple[Float[np.ndarray, "series dates horizon"], Bool[np.ndarray, "series dates horizon"]]:
        """Targets y[t + h], and where they are known and forecast; they are zero where not."""
        ahead = self._ahead()
        inside = ahead < self.panel.length
        column = np.minimum(ahead, self.panel.length - 1)
        known = self.panel.observed[:, column] & inside & self.made[..., None]
        return np.where(known, self.panel.y[:, column], 0.0), known

    def to_frame(self, *, cutoffs: bool = False) -> pd.DataFrame:
        """A row for each series, creation date and horizon, and a column for each quantile.

        Args:
            cutoffs: with the columns ``cutoff`` (the creation date) and ``y``, only where the target is known.
        """
        shape = self.values.shape[:3]
        frame = pd.DataFrame(
            {
                ID: np.broadcast_to(self.panel.ids[:, None, None], shape).ravel(),
                DATE: self.panel.calendar.stamps(self.panel.dates(self._ahead()).ravel()),
            }
        )
        targets, known = self.targets
        if cutoffs:
            made = self.panel.dates(np.asarray(self.columns))[..., None]
            made = np.broadcast_to(made, shape).ravel()
            frame[CUTOFF] = self.panel.calendar.stamps(made)
            frame[TARGET] = targets.ravel()
        for index, level in enumerate(self.levels):
            frame[quantile_name(level)] = self.values[..., index].ravel()
        if cutoffs:
            frame = frame.loc[known.ravel()].reset_index(drop=True)
        return frame

    def ensemble(self, dates: int) -> "ForecastGrid":
        """Each forecast averaged with the earlier ones of its target, of up to `dates` creation dates in all.

        Raises:
            ValueError: creation dates that are not consecutive, or no whole number of them.
        """
        self._consecutive("ensemble")
        dates = whole("ForecastGrid.ensemble", "dates", dates)
        made = np.broadcast_to(self.made[..., None], self.values.shape[:3]).astype(float)
        values = np.nan_to_num(self.values)
        total, count = values.copy(), made.copy()
        for back in range(1, min(dates, self.horizon, len(self.columns))):
            total[:, back:, :-back] += values[:, :-back, back:]
            count[:, back:, :-back] += made[:, :-back, back:]
        # Where none was made, none is.
        return replace(self, values=total / np.where(made > 0, count, np.nan)[..., None])

    def path(self, level: float) -> Float[np.ndarray, "series targets horizon"]:
        """Successive forecasts of each target, the earliest (h = H) first.

        The targets are the dates that all H forecasts were made of: H to D of the D creation dates, one ahead.

        Raises:
            ValueError: creation dates that are not consecutive, fewer than H of them, or no such quantile.
        """
        self._consecutive("path")
        count = len(self.columns) - self.horizon + 1
        if count < 1:
            raise ValueError(
                "ForecastGrid.path expected at least as many creation dates as the horizon, "
                f"{self.horizon}, got {len(self.columns)}; forecast at more dates."
            )
        level = number("ForecastGrid.path", "level", level)
        near = np.isclose(self.levels, level, rtol=1e-6, atol=0.0)  # 1 - 0.9 is 0.1, up to rounding
        if not near.any():
            raise ValueError(
                f"ForecastGrid.path expected one of the levels {self.levels}, got {level}; choose one."
            )
        values = self.values[..., near.argmax()]
        first, back = np.arange(count)[:, None], np.arange(self.horizon)
        return values[:, first + back, self.horizon - 1 - back]

    def _ahead(self) -> np.ndarray:
        """Columns of the targets, ``(dates, horizon)``."""
        return np.asarray(self.columns)[:, None] + np.arange(1, self.horizon + 1)

    def _consecutive(self, who: str) -> None:
        if len(self.columns) > 1 and not (np.diff(self.columns) == 1).all():
            raise ValueError(
                f"ForecastGrid.{who} expected consecutive creation dates, got columns "
                f"{list(self.columns)[:4]}...; forecast with step=1."
            )


def quantile_name(level: float) -> str:
    """The column of a quantile: its level, as in "0.1"."""
    return f"{level:g}"


def check_levels(who: str, levels: Sequence[float]) -> tuple[float, ...]:
    """Levels of quantiles as increasing numbers between 0 and 1."""
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise TypeError(
            f"{who} expected quantiles as a sequence of levels, got {levels!r}; write (0.1, 0.5, 0.9), for "
            "instance."
        )
    levels = tuple(levels)
    values = tuple(float(q) for q in levels)
    if not values or not all(0 < q < 1 for q in values) or sorted(set(values)) != list(values):
        raise ValueError(
            f"{who} expected quantiles that increase between 0 and 1, got {tuple(levels)}; give "
            "their levels, as in (0.1, 0.5, 0.9)."
        )
    names = [quantile_name(value) for value in values]
    if len(set(names)) < len(names):
        raise ValueError(
            f"{who} expected quantiles whose columns have names of their own, got {levels}, of which some are "
            f"called {max(names, key=names.count)!r}; leave out what differs by less than six digits."
        )
    return values
