"""Forecasts that need no learning: the last season again, and the last value with the mean drift.

Their quantiles are those of a Gaussian whose variance grows with the horizon as the model says:

    seasonal naive   ŷ_{t+h} = y_{t+h−s⌈h/s⌉},     σ_h² = σ² ⌈h/s⌉
    drift            ŷ_{t+h} = y_t + h b,           σ_h² = σ² h (1 + h/(T − 1)),     b = (y_T − y_1)/(T − 1)

with σ² the mean square of the one-step errors in the past, y_t − y_{t−s} or y_t − y_{t−1} − b. Values that are
missing make no errors: a change over g dates counts for the drift as (y_t − y_{t−g} − g b)²/g.

Of fewer than 30 errors σ is not known well: quantiles are then those of Student's t with as many degrees of
freedom as there are errors, less one where b was fitted to them. Where there are none, σ is borrowed: the
step of all series in units of their size, times the size of this one, with as many degrees of freedom as there
are such steps; without any, it is not known.

Reference: Hyndman, Athanasopoulos, Forecasting: principles and practice, 3rd edition, 2021, sections 5.2 and
    5.5.
"""

import abc
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from .forecaster import Forecaster
from .panel import Panel
from .store import SeriesStore


class Spread(NamedTuple):
    """A standard deviation, and the degrees of freedom that it is known with."""

    size: float
    freedom: int


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
        values, notes = np.full(shape, np.nan), {}
        for k, column in enumerate(columns):
            histories = [panel.history(i, int(column)) for i in range(len(panel.ids))]
            borrowed, freedom = borrowed_spreads(histories)
            for i, (y, observed) in enumerate(histories):
                if observed.any():
                    level, scale = _units(y[observed]) if self.scaled else (0.0, 1.0)
                    seen = np.where(observed, (y - level) / scale, 0.0)
                    made, note = self._local(seen, observed, Spread(borrowed[i] / scale, freedom))
                    values[i, k] = level + scale * made
                    unknown = bool(np.isnan(values[i, k]).any())
                    note = (
                        "one value, and no other series to tell how far it moves"
                        if unknown
                        else note
                    )
                else:
                    note = "no known target"
                if (
                    note is not None and len(columns) == 1
                ):  # of many dates, the first are short in any case
                    notes.setdefault(note, []).append(panel.ids[i])
        for note, names in notes.items():
            warnings.warn(
                f"{type(self).__name__} found {note} in {len(names)} series, such as '{names[0]}'.",
                stacklevel=2,
            )
        return values

    @property
    def scaled(self) -> bool:
        """Whether the method sees a series in units of its size, where a library has tolerances of its own."""
        return False

    @abc.abstractmethod
    def _local(
        self, y: np.ndarray, observed: np.ndarray, borrowed: Spread
    ) -> tuple[np.ndarray, str | None]:
        """Quantiles ``(horizon, quantiles)`` from the history of one series, and what there is to say of them.

        Args:
            y: targets from the first that is known, zero where they are missing.
            observed: where they are not.
            borrowed: the spread of a step, from other series, for one that does not tell.
        """


@dataclass(kw_only=True, eq=False)
class SeasonalNaive(LocalForecaster):
    """The last season again; with season=1, the last value. Missing values are those of a season before.

    Of several seasons, it is the shortest.
    """

    def _local(self, y, observed, borrowed):
        season = self.seasons[0]
        y = filled(y, observed, season)
        return repeated(y, observed, season, self.horizon, self.quantiles, borrowed), None


@dataclass(kw_only=True, eq=False)
class Drift(LocalForecaster):
    """The last value, and the mean change a date."""

    def _local(self, y, observed, borrowed):
        known = np.flatnonzero(observed)
        changes, dates = np.diff(y[known]), np.diff(known)
        steps = max(int(dates.sum()), 1)
        drift = changes.sum() / steps
        errors = (changes - dates * drift) ** 2 / np.maximum(dates, 1)
        spread, free = borrowed
        if len(errors) > 1:
            free = len(errors) - 1
            spread = np.sqrt(errors.sum() / _freedom(len(errors), free))
        # From the last known value on.
        h = len(y) - 1 - known[-1] + np.arange(1, self.horizon + 1)
        mean = y[known[-1]] + h * drift
        width = spread * np.sqrt(h * (1 + h / steps))
        return gaussian(mean, width, self.quantiles, free), None


def repeated(
    y: np.ndarray,
    observed: np.ndarray,
    season: int,
    horizon: int,
    levels: Sequence[float],
    borrowed: Spread,
) -> np.ndarray:
    """Quantiles ``(horizon, quantiles)`` of the last season again.

    Args:
        y: targets, those that are missing filled.
        observed: where they were not missing.
        season: s.
        horizon: H.
        levels: of the quantiles.
        borrowed: spread of a step where the series has no two values.
    """
    h = np.arange(1, horizon + 1)
    cycles = -(-h // season)
    index = len(y) - 1 + h - season * cycles
    # With less than a season of history, the last value for the dates that have none before.
    index = np.where(index < 0, len(y) - 1, index)
    both = observed[season:] & observed[:-season]
    errors = (y[season:] - y[:-season])[both]
    known = y[observed]
    if errors.size:
        spread, free = np.sqrt(np.mean(errors**2)), errors.size
    elif known.size > 1:  # without a season before, values differ as any two of them do
        spread, free = np.sqrt(2) * known.std(ddof=1), known.size - 1
    else:
        spread, free = borrowed
    return gaussian(y[index], spread * np.sqrt(cycles), levels, free)


def borrowed_spreads(
    histories: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, int]:
    """For each series, the spread of a step of all, in units of size, times its own; and of how many steps.

    Args:
        histories: targets of each series, and where they are known.
    """
    sizes, shares, steps = np.full(len(histories), np.nan), [], 0
    for i, (y, observed) in enumerate(histories):
        known = y[observed]
        if known.size:
            sizes[i] = np.mean(np.abs(known))
        if known.size > 1 and sizes[i] > 0:
            shares.append(np.sqrt(np.mean(np.diff(known) ** 2)) / sizes[i])
            steps += known.size - 1
    # A series of zeros has the size of a typical one.
    typical = np.nanmedian(sizes) if np.isfinite(sizes).any() else np.nan
    sizes = np.where(sizes > 0, sizes, typical)
    return sizes * (np.sqrt(np.mean(np.square(shares))) if shares else np.nan), max(steps, 1)


def filled(y: np.ndarray, observed: np.ndarray, season: int) -> np.ndarray:
    """Targets with each missing one replaced by that of a season before, or the last one known."""
    if observed.all():
        return y
    y, known = y.copy(), observed.copy()
    for t in np.flatnonzero(~observed):
        back = t - season if t >= season and known[t - season] else t - 1
        y[t], known[t] = y[back], True
    return y


def gaussian(
    mean: np.ndarray, spread: np.ndarray, levels: Sequence[float], freedom: int
) -> np.ndarray:
    """Quantiles of Gaussians, ``(horizon, quantiles)``, or of Student's t where σ comes of few errors.

    Where the spread is not known, only the median is.
    """
    q = np.asarray(levels)
    scores = norm.ppf(q) if freedom >= _MANY else student.ppf(q, freedom)
    return mean[:, None] + np.where(scores == 0, 0.0, spread[:, None] * scores)


# Ranges of a series from zero from which on it is moved nearer.
_HIGH = 100.0
# Errors from which on σ is taken as known.
_MANY = 30


def _freedom(errors: int, free: int) -> int:
    """What the sum of squares is divided by: of few errors, without the one that the drift took."""
    return errors if errors >= _MANY else free


def _units(known: np.ndarray) -> tuple[float, float]:
    """The level and the size of a series, in which its method sees it.

    What lies far from zero beside its range is seen nearer to it, where its changes keep their digits.
    """
    size, span = float(np.mean(np.abs(known))), float(np.ptp(known))
    level = 0.0
    if size > _HIGH * span > 0:
        level = float(np.mean(known) - np.sign(known[-1]) * _HIGH * span)
        size = _HIGH * span
    return level, size or 1.0
