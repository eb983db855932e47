"""Forecasts that need no learning: the last season again, and the last value with the mean drift.

Their quantiles are those of a Gaussian whose variance grows with the horizon as the model says:

    seasonal naive   ŷ_{t+h} = y_{t+h−s⌈h/s⌉},     σ_h² = σ² ⌈h/s⌉
    drift            ŷ_{t+h} = y_t + h b,           σ_h² = σ² h (1 + h/(T − 1)),     b = (y_T − y_1)/(T − 1)

with σ² the mean square of the one-step errors in the past, y_t − y_{t−s} or y_t − y_{t−1} − b. Values that are
missing make no errors: a change over g dates counts for the drift as (y_t − y_{t−g} − g b)²/g.

Reference: Hyndman, Athanasopoulos, Forecasting: principles and practice, 3rd edition, 2021, sections 5.2 and
    5.5.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from .forecaster import Forecaster
from .panel import Panel
from .store import SeriesStore


@dataclass(kw_only=True, eq=False)
class LocalForecaster(Forecaster):
    """One that forecasts each series from its own history, and learns nothing else."""

    def _fit(self, panel: Panel) -> None:
        """Nothing to learn."""

    def _fit_store(self, store: SeriesStore) -> None:
        """Nothing to learn."""
        self._check_store(store)

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        shape = (len(panel.ids), len(columns), self.horizon, len(self.quantiles))
        values = np.full(shape, np.nan)
        for i in range(len(panel.ids)):
            for k, column in enumerate(columns):
                y, observed = panel.history(i, int(column))
                if observed.any():
                    values[i, k] = self._local(y, observed)
        return values

    @abc.abstractmethod
    def _local(self, y: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Quantiles ``(horizon, quantiles)`` from the history of one series, which begins observed.

        Args:
            y: targets, zero where they are missing.
            observed: where they are not.
        """


@dataclass(kw_only=True, eq=False)
class SeasonalNaive(LocalForecaster):
    """The last season again; with season=1, the last value. Missing values are those of a season before.

    Of several seasons, it is the shortest.
    """

    def _local(self, y, observed):
        season = self.seasons[0]
        return repeated(filled(y, observed, season), observed, season, self.horizon, self.quantiles)


@dataclass(kw_only=True, eq=False)
class Drift(LocalForecaster):
    """The last value, and the mean change a date."""

    def _local(self, y, observed):
        known = np.flatnonzero(observed)
        changes, dates = np.diff(y[known]), np.diff(known)
        steps = max(int(dates.sum()), 1)
        drift = changes.sum() / steps
        errors = (changes - dates * drift) ** 2 / np.maximum(dates, 1)
        spread = np.sqrt(np.mean(errors)) if len(known) > 2 else 0.0
        # From the last known value on.
        h = len(y) - 1 - known[-1] + np.arange(1, self.horizon + 1)
        mean = y[known[-1]] + h * drift
        return gaussian(mean, spread * np.sqrt(h * (1 + h / steps)), self.quantiles)


def repeated(
    y: np.ndarray, observed: np.ndarray, season: int, horizon: int, levels: Sequence[float]
) -> np.ndarray:
    """Quantiles ``(horizon, quantiles)`` of the last season again.

    Args:
        y: targets, those that are missing filled.
        observed: where they were not missing.
        season: s.
        horizon: H.
        levels: of the quantiles.
    """
    h = np.arange(1, horizon + 1)
    cycles = -(-h // season)
    index = len(y) - 1 + h - season * cycles
    # With less than a season of history, the last value for the dates that have none before.
    index = np.where(index < 0, len(y) - 1, index)
    return gaussian(y[index], _spread(y, observed, season) * np.sqrt(cycles), levels)


def filled(y: np.ndarray, observed: np.ndarray, season: int) -> np.ndarray:
    """Targets with each missing one replaced by that of a season before, or the last one known."""
    if observed.all():
        return y
    y, known = y.copy(), observed.copy()
    for t in np.flatnonzero(~observed):
        back = t - season if t >= season and known[t - season] else t - 1
        y[t], known[t] = y[back], True
    return y


def gaussian(mean: np.ndarray, spread: np.ndarray, levels) -> np.ndarray:
    """Quantiles of Gaussians, ``(horizon, quantiles)``."""
    return mean[:, None] + spread[:, None] * norm.ppf(np.asarray(levels))


def _spread(y: np.ndarray, observed: np.ndarray, season: int) -> float:
    """Root mean square of the errors of the last season, where there are any."""
    both = observed[season:] & observed[:-season]
    if not both.any():
        return float(y[observed].std())
    return float(np.sqrt(np.mean((y[season:] - y[:-season])[both] ** 2)))
