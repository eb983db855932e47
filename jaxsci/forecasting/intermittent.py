r"""Croston's method and its kin: demand that is zero at most dates.

Sizes of demands and how often they occur are smoothed apart, each by simple exponential smoothing:

    Croston    mean = z / v          z: smoothed size of a demand,  v: smoothed interval between two
    SBA        mean = (1 − α/2) z / v                               which takes off the bias of 1/v
    TSB        mean = p z            p: smoothed share of dates with demand, which falls while there is none

These are means without a distribution. The quantiles are those of the plainest one that has this mean: there is
demand with probability π = mean / z, and its size is one of the sizes seen, the weights being those that the
smoothing gave to them,

    P(Y ≤ y) = 1 − π + π Σ_k w_k 1[z_k ≤ y],     w_k = α (1 − α)^{n−k},  the first (1 − α)^{n−1}

It is never negative, and of whole demands its quantiles are whole. It takes dates to be independent and π to be
known; in short series intervals are therefore narrow.

References: Croston, Oper. Res. Q. 23 (1972) 289, doi:10.1057/jors.1972.50; Syntetos, Boylan, Int. J. Forecast.
21 (2005) 303, doi:10.1016/j.ijforecast.2004.10.001; Teunter, Syntetos, Babai, Eur. J. Oper. Res. 214 (2011)
606, doi:10.1016/j.ejor.2011.05.018.
"""

import abc
from dataclasses import dataclass

import numpy as np

from .naive import LocalForecaster


@dataclass(kw_only=True, eq=False)
class Intermittent(LocalForecaster):
    """What the methods have in common: smoothed sizes, and how often there is demand.

    A series without any demand is forecast as zero. Dates that are missing are left out.

    Attributes:
        smoothing: α, of sizes, between 0 and 1.

    Raises:
        ValueError: when it is built, for an α out of range; when it forecasts, for targets below zero.
    """

    smoothing: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        _check_share(type(self).__name__, "smoothing", self.smoothing)

    def _local(self, y, observed, borrowed):
        del borrowed
        y = y[observed]
        if (y < 0).any():
            raise ValueError(
                f"{type(self).__name__} expected targets that are never negative, got {y.min():g}; use ETS or "
                "Theta."
            )
        demand = y > 0
        if not demand.any():
            return np.zeros((self.horizon, len(self.quantiles))), None
        often, sizes = self._often(demand), y[demand]
        order = np.argsort(sizes)
        below = np.cumsum(smoothing_weights(len(sizes), self.smoothing)[order])
        share = (np.asarray(self.quantiles) - (1 - often)) / often
        # Within round-off of the total, the largest size.
        index = np.searchsorted(below, share * (1 - 1e-12))
        values = np.where(share > 0, sizes[order][np.minimum(index, len(sizes) - 1)], 0.0)
        return np.tile(values, (self.horizon, 1)), None

    @abc.abstractmethod
    def _often(self, demand: np.ndarray) -> float:
        """The probability π of demand at a date ahead, from whether there was some at each past date."""


@dataclass(kw_only=True, eq=False)
class Croston(Intermittent):
    """Croston's method: 1 over the smoothed interval from one demand to the next."""

    def _often(self, demand):
        # The first interval begins with the series.
        intervals = np.diff(np.flatnonzero(demand), prepend=-1)
        return 1 / float(smoothing_weights(len(intervals), self.smoothing) @ intervals)


@dataclass(kw_only=True, eq=False)
class SBA(Croston):
    """The approximation of Syntetos and Boylan, which takes Croston's bias off how often there is demand."""

    def _often(self, demand):
        return (1 - self.smoothing / 2) * super()._often(demand)


@dataclass(kw_only=True, eq=False)
class TSB(Intermittent):
    """The method of Teunter, Syntetos and Babai, which forgets series that ended.

    Attributes:
        probability_smoothing: of the share of dates with demand, between 0 and 1.
    """

    probability_smoothing: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        _check_share("TSB", "probability_smoothing", self.probability_smoothing)

    def _often(self, demand):
        return float(smoothing_weights(len(demand), self.probability_smoothing) @ demand)


def smoothing_weights(count: int, smoothing: float) -> np.ndarray:
    """What each of so many values weighs in simple exponential smoothing that begins with the first."""
    weights = smoothing * (1 - smoothing) ** np.arange(count - 1, -1, -1.0)
    weights[0] = (1 - smoothing) ** (count - 1)
    return weights


def _check_share(who: str, name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(
            f"{who} expected {name} between 0 and 1, got {value}; 0.1 is a common choice."
        )
