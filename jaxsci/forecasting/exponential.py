r"""Exponential smoothing and the theta method: a model of each series alone, fitted by statsforecast.

    ETS      y_t = (l_{t−1} + φ b_{t−1} + s_{t−m}) + ε_t, and its multiplicative kin; l, b and s move with ε_t
    theta    y_t = (1 − 1/θ) (A_t + B_t t) + (1/θ) θ-line, the latter by exponential smoothing

Which of level, trend, season and error an ETS has, and whether they add or multiply, is chosen by AICc. The
theta method takes a season out first, where there is one.

References: Hyndman, Koehler, Ord, Snyder, Forecasting with exponential smoothing, Springer 2008,
doi:10.1007/978-3-540-71918-2; Fiorucci et al., Int. J. Forecast. 32 (2016) 1151,
doi:10.1016/j.ijforecast.2016.02.005; statsforecast.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data._extras import extra
from .naive import LocalForecaster, filled, repeated

# Of fewer values, intervals of 80 % hold less than 70 %: parameters are fitted to most of what there is.
_LEAST_ETS, _LEAST_DAMPED, _LEAST_THETA = 7, 12, 15
# A forecast this many ranges of the history away from it is a fit gone wrong.
_FAR = 10.0
_LONGEST = 24


@dataclass(kw_only=True, eq=False)
class ETS(LocalForecaster):
    """Exponential smoothing whose error, trend and season are chosen by AICc (extra `forecast`).

    It needs from a tenth of a second to a few for each series. Gaps are filled with the value of a season
    before. A series of fewer than 7 dates, or one that never changed, is forecast by its last value, as
    `SeasonalNaive` does with season=1. Of several seasons, it uses the shortest.

    Raises:
        ValueError: when it is built, for a season longer than 24 dates, which statsforecast has no state for.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.seasons[0] > _LONGEST:
            raise ValueError(
                f"ETS expected a season of at most {_LONGEST} dates, got {self.seasons[0]}; use Theta, "
                "SeasonalNaive or a model that learns from all series."
            )

    @property
    def scaled(self) -> bool:  # noqa: D102
        return True

    def _local(self, y, observed, borrowed):
        season = self.seasons[0]
        y = filled(y, observed, season)
        naive = repeated(y, observed, 1, self.horizon, self.quantiles, borrowed)
        if len(y) < _LEAST_ETS or np.ptp(y) == 0:
            return naive, None
        library = _models("ETS")
        tried: list[tuple[Any, str | None]] = [
            (library.AutoETS(season_length=season, model="ZZZ"), None)
        ]
        if len(y) >= _LEAST_DAMPED:
            tried.append((library.AutoETS(season_length=1, model="AAN", damped=True), _DAMPED))
        for model, note in tried:
            with _undisturbed():
                made = model.forecast(y=y, h=self.horizon, level=_central(self.quantiles))
            values = [made[f"{'lo' if q < 0.5 else 'hi'}-{_level(q)}"] for q in self.quantiles]
            if _is_near(values := np.stack(values, -1), y):
                return values, note
        return naive, _REPEATED


@dataclass(kw_only=True, eq=False)
class Theta(LocalForecaster):
    """The dynamic optimised theta model (extra `forecast`).

    Gaps are filled with the value of a season before. A series of fewer than 15 dates, or one that never
    changed, is forecast by its last value, as `SeasonalNaive` does with season=1. Of several seasons, it uses
    the shortest.

    The forecasts are those of statsforecast, their quantiles are not quite. It simulates 200 paths, with the
    spread of residuals that it multiplied by the season, or added the season to, so that intervals of a
    seasonal series with negative values have the width of the season. Here the spread is that of the residuals
    alone. The errors are Gaussian and the model is linear, so that quantiles lie symmetrically about
    the forecast; what is taken from the simulation is the width of each central interval.
    """

    @property
    def scaled(self) -> bool:  # noqa: D102
        return True

    def _local(self, y, observed, borrowed):
        season = self.seasons[0]
        y = filled(y, observed, season)
        naive = repeated(y, observed, 1, self.horizon, self.quantiles, borrowed)
        if len(y) < _LEAST_THETA or np.ptp(y) == 0:
            return naive, None
        model = _models("Theta").DynamicOptimizedTheta(season_length=season)
        with _undisturbed():
            fitted = model.fit(y).model_
            if fitted.get("decompose", False):
                # The season of every date, from that of the dates ahead.
                pattern = np.asarray(fitted["seas_forecast"]["mean"])
                pattern = pattern[np.arange(-len(y), 0) % season]
                undo = (
                    np.divide if fitted["decomposition_type"] == "multiplicative" else np.subtract
                )
                fitted["residuals"] = undo(fitted["residuals"], pattern)
            made = model.predict(h=self.horizon, level=_central(self.quantiles))
        width = [made[f"hi-{_level(q)}"] - made[f"lo-{_level(q)}"] for q in self.quantiles]
        sides = np.sign(np.asarray(self.quantiles) - 0.5) / 2
        values = made["mean"][:, None] + sides * np.stack(width, -1)
        return (values, None) if _is_near(values, y) else (naive, _REPEATED)


def _models(who: str) -> Any:
    return extra(
        who, "statsforecast.models", "statsforecast", "use SeasonalNaive or Drift", name="forecast"
    )


def _level(q: float) -> float:
    """Per cent of the central interval that ends at a quantile."""
    return round(100 * abs(1 - 2 * q), 9)


def _central(quantiles: Sequence[float]) -> list[float]:
    return sorted({_level(q) for q in quantiles})


@contextmanager
def _undisturbed():
    """Leave NumPy's random state as it was, which statsforecast seeds; AICc may divide by zero."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


_DAMPED = "a forecast that ran away, and took a damped trend without a season in its place,"
_REPEATED = "a forecast that ran away, and took the last value in its place,"


def _is_near(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether a forecast is finite and within some ranges of the history, more for one that goes further."""
    far = _FAR * np.ptp(y) * max(1.0, len(values) / len(y))
    return bool(np.all((values >= y.min() - far) & (values <= y.max() + far)))
