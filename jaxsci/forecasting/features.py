r"""Features made by hand, for models that take a table: what is known at a date t of a target at t + h.

    of the date      latest values, and means, spreads and extremes over windows; level, scale, age
    of the target    values at the same phase of past seasons, y[t + h − s⌈h/s⌉ − ks]; h; covariates of t + h

Values are relative to the level m_t and the scale σ_t that were known at t, as is the target,
(y[t + h] − m_t)/σ_t: series of any size share one table. A missing value, or one before the series began, is
zero, the level. Nothing after t enters, but covariates known ahead.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .panel import Panel

_LAGS, _SEASONS = 8, 3
# One-hot columns beyond so many are kept sparse.
_DENSE = 64


@dataclass(frozen=True)
class FeatureTable:
    """The features of a panel's dates and targets.

    Attributes:
        panel: the series.
        level: m, ``(series, T)``.
        scale: σ, ``(series, T)``.
        seasons: periods, increasing; 1 for none.
        typical: scale of a typical series, that the others' are told in.
    """

    panel: Panel
    level: np.ndarray
    scale: np.ndarray
    seasons: tuple[int, ...]
    typical: float = 1.0

    def of_dates(self, series: np.ndarray, dates: np.ndarray) -> np.ndarray:
        """Features of dates t of series, both ``(n,)``, that do not depend on the target, ``(n, features)``."""
        panel = self.panel
        longest = max(_LAGS, *self.windows)
        values, known = self._past(series, dates, np.arange(longest))
        columns = [values[:, :_LAGS]]
        for window in self.windows:
            part, seen = values[:, :window], known[:, :window]
            count = np.maximum(seen.sum(1), 1)
            mean = part.sum(1) / count
            spread = np.sqrt((seen * (part - mean[:, None]) ** 2).sum(1) / count)
            zero = (seen & (panel.y[series[:, None], self._back(dates, window)] == 0)).sum(
                1
            ) / count
            any_seen = seen.any(1)
            high = np.where(any_seen, np.where(seen, part, -np.inf).max(1), 0.0)
            low = np.where(any_seen, np.where(seen, part, np.inf).min(1), 0.0)
            columns.append(np.stack([mean, spread, high, low, zero], -1))
        level, scale = self.level[series, dates], self.scale[series, dates]
        age = self._age[series, dates]
        size = np.stack(
            [np.log(scale / self.typical), np.arcsinh(level / scale), np.log1p(age)], -1
        )
        columns += [size, panel.past[series, dates], panel.static[series]]
        return np.concatenate(columns, 1)

    def of_targets(self, series: np.ndarray, dates: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Features of the targets `ahead` dates after dates of series, all ``(n,)``, ``(n, features)``."""
        columns = [ahead[:, None], self.panel.future[series, dates + ahead]]
        for season in self.seasons:
            if season == 1:
                continue
            back = season * -(-ahead // season) - ahead
            lags = back[:, None] + season * np.arange(_SEASONS)
            values, known = self._past(series, dates, lags)
            mean = values.sum(1) / np.maximum(known.sum(1), 1)
            columns += [values, mean[:, None]]
        return np.concatenate(columns, 1)

    def table(self, series: np.ndarray, dates: np.ndarray, ahead: np.ndarray):
        """All features of targets, ``(n, features)``, and categories as ones and zeros; sparse if many."""
        return self.joined(
            self.of_dates(series, dates), series, self.of_targets(series, dates, ahead)
        )

    def joined(self, of_dates: np.ndarray, series: np.ndarray, of_targets: np.ndarray):
        """The table of features that were made apart."""
        numbers = np.concatenate([of_dates, of_targets], 1).astype(np.float32)
        if not self.panel.categories:
            return numbers
        # A category that was never seen, 0, has no column.
        rows, hot = np.arange(len(series)), []
        for codes, width in zip(self.panel.codes[series].T, self.panel.categories, strict=True):
            seen = codes > 0
            ones = np.ones(int(seen.sum()), np.float32)
            hot.append(
                sparse.csr_matrix((ones, (rows[seen], codes[seen] - 1)), (len(series), width))
            )
        if sum(self.panel.categories) > _DENSE:
            return sparse.hstack([sparse.csr_matrix(numbers), *hot], format="csr")
        return np.concatenate([numbers, *(part.toarray() for part in hot)], 1)

    def targets(self, series: np.ndarray, dates: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Targets relative to the level and the scale of their forecast date, ``(n,)``."""
        y = self.panel.y[series, dates + ahead]
        return (y - self.level[series, dates]) / self.scale[series, dates]

    @property
    def windows(self) -> tuple[int, ...]:
        """Lengths of the windows: 4 dates, the horizon, and each season and four of it."""
        seasons = [s for s in self.seasons if s > 1]
        return tuple(sorted({4, self.panel.horizon, 16, *seasons, *(4 * s for s in seasons)}))

    @cached_property
    def _age(self) -> np.ndarray:
        """How many values were known, ``(series, T)``."""
        return np.cumsum(self.panel.observed, 1, dtype=np.int32)

    def _back(self, dates: np.ndarray, window: int) -> np.ndarray:
        return np.maximum(dates[:, None] - np.arange(window), 0)

    def _past(self, series, dates, lags) -> tuple[np.ndarray, np.ndarray]:
        """Values `lags` dates before t, ``(n, lags)``, relative to level and scale, and which are known."""
        column = dates[:, None] - lags
        rows = series[:, None]
        known = self.panel.observed[rows, np.maximum(column, 0)] & (column >= 0)
        y = self.panel.y[rows, np.maximum(column, 0)]
        level, scale = self.level[rows, dates[:, None]], self.scale[rows, dates[:, None]]
        return np.where(known, (y - level) / scale, 0.0), known


def draw_targets(
    panel: Panel, rows: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, dates and horizons of up to `rows` known targets, each with equal chance and at most once.

    A target u of a series that began at f is forecast from the dates t = u − h ≥ f. Only the numbers of
    them, one for each value of the panel, are kept in memory.
    """
    dates = np.clip(np.arange(panel.length) - panel.first[:, None], 0, panel.horizon)
    total = np.cumsum(np.where(panel.observed, dates, 0))
    count = int(total[-1])
    chosen = np.arange(count) if count <= rows else np.sort(rng.choice(count, rows, replace=False))
    place = np.searchsorted(total, chosen, side="right")
    ahead = total[place] - chosen
    series, target = np.divmod(place, panel.length)
    return series, target - ahead, ahead
