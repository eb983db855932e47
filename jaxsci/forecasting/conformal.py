r"""Any forecaster, with its quantiles moved as far as its own past errors say.

    s_{i,t,h,q} = (y_{i,t+h} − ŷ_{i,t,h,q}) / w_{i,t,h},     w = the forecast's distance between outer quantiles
    ŷ'_{q} = ŷ_q + c_{h,q} w,     c = the ⌈(n + 1) q⌉-th smallest score for q ≥ ½, the ⌊(n + 1) q⌋-th for q < ½

The scores are those of forecasts for the last dates of the training data, by the same forecaster fitted before
them; it is then fitted to all. For exchangeable scores a target lies at or below its upper quantile with
probability q at least, and less than q + 1/(n + 1). Scores of successive dates are not exchangeable, so over
time that holds as far as the errors stay as they were. Forecasts whose quantiles meet, as of a series that
never changed, have no width to measure errors by: they count for nothing and stay as they are.

One thing is learned of those last dates before they are forecast, unlike in `cross_validate`: the means, scales
and categories of covariates are those of all training data, in both fits. Of the targets nothing is.

Reference: Romano, Patterson, Candès, Conformalized quantile regression, NeurIPS 2019, arXiv:1905.03222, whose
scores are of intervals; ours are of each quantile, and relative to the width.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsci._checks import whole

from .forecaster import Forecaster
from .loading import load
from .panel import Panel
from .wrapper import INNER, Wrapper


class Conformal(Wrapper):
    """A forecaster whose quantiles are calibrated, horizon by horizon.

    Args:
        forecaster: the one that is calibrated, with at least two quantiles. It stays as it is; the attribute
            `forecaster` is a copy from `fit` on, fitted to the same frame.
        windows: number of dates whose forecasts give the scores.

    Raises:
        TypeError: no forecaster.
        ValueError: one quantile only.
    """

    def __init__(self, forecaster: Forecaster, *, windows: int = 20):
        super().__init__(forecaster)
        if len(self.quantiles) < 2:
            raise ValueError(
                f"Conformal expected at least 2 quantiles, whose distance measures errors, got "
                f"{self.quantiles}; forecast more."
            )
        self.windows = whole("Conformal", "windows", windows)
        self._moves: np.ndarray | None = None

    def at(self, quantiles: Sequence[float]) -> "Conformal":
        """Refuse: what moves a quantile was counted at its own level."""
        raise ValueError(
            f"Conformal.at expected the levels that it was calibrated at, {self.quantiles}, got {quantiles}; "
            "calibrate forecaster.at(quantiles) anew."
        )

    def _fit(self, panel: Panel) -> None:
        columns = np.arange(self.windows) + panel.length - self.windows - self.horizon
        if columns[0] < 0:
            raise ValueError(
                f"Conformal expected a series of more than {self.windows + self.horizon - 1} dates for "
                f"{self.windows} windows, got {panel.length} at most; ask for fewer windows."
            )
        grid = self._fitted(panel.until(int(columns[0]))).forecast(panel, columns)
        targets, known = grid.targets
        width = _width(grid.values)
        # One such score, divided by nothing, would widen the quantiles of all other series.
        counted = known & (width[..., 0] > 0)
        scores = (targets[..., None] - grid.values) / np.where(width > 0, width, 1.0)
        moves = [self._move(scores[:, :, h][counted[:, :, h]], h + 1) for h in range(self.horizon)]
        # In the precision that they are saved in.
        self._moves = np.stack(moves).astype(np.float32).astype(np.float64)
        self.forecaster = self._fitted(panel)

    def _move(self, scores: np.ndarray, horizon: int) -> np.ndarray:
        """C of one horizon, from scores ``(targets, quantiles)``."""
        n, scores = len(scores), np.sort(scores, axis=0)
        # Round-off of (n + 1) q must not pass a whole number.
        ranks = [
            math.ceil((n + 1) * q - 1e-9) if q >= 0.5 else math.floor((n + 1) * q + 1e-9)
            for q in self.quantiles
        ]
        if min(ranks) < 1 or max(ranks) > n:
            raise ValueError(
                f"Conformal expected enough targets to count its outer quantiles {self.quantiles[0]:g} and "
                f"{self.quantiles[-1]:g}, got {n} at horizon {horizon}; ask for more windows, or for another "
                "forecaster if its quantiles meet, which leaves no width to measure errors by."
            )
        return scores[np.asarray(ranks) - 1, np.arange(len(ranks))]

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        values = self.forecaster.forecast(panel, columns).values
        # Each quantile is moved by itself; sorting keeps them from crossing, and the outer two cover no less.
        return np.sort(values + self._moves * _width(values), axis=-1)

    def _options(self) -> dict[str, Any]:
        return {"windows": self.windows}

    @classmethod
    def _built(cls, path: Path, options: dict[str, Any]) -> Forecaster:
        return cls(load(path / INNER), **options)

    def _arrays(self):
        assert self._moves is not None
        return jnp.asarray(self._moves, jnp.float32), {}

    def _like(self, sizes):
        return jnp.zeros((self.horizon, len(self.quantiles)), jnp.float32)

    def _restore(self, arrays):
        self._moves = np.asarray(arrays, np.float64)


def _width(values: np.ndarray) -> np.ndarray:
    """Distance of the outer quantiles, ``(series, dates, horizon, 1)``; 0 where they meet, to round-off."""
    width = values[..., -1:] - values[..., :1]
    return np.where(width > 1e-6 * np.abs(values).max(-1, keepdims=True), width, 0.0)
