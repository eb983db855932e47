r"""Means and correlations of a test set that arrives batch by batch, on the host in double precision.

    n ← n + m,    μ ← μ + (m/n)(μ_m − μ),    C ← C + C_m + (m (n − m)/n)(μ_m − μ)(μ_m − μ)ᵀ

add a batch of m samples, or another part of the test set, to what there is: means of two parts and the products
of deviations from them, without the cancellation of a sum of squares. Nothing of a batch is kept.

Reference: Chan, Golub, LeVeque, Algorithms for computing the sample variance, The American Statistician 37,
1983, doi:10.1080/00031305.1983.10483115.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from .._arrays import numbers
from .processes import gathered


@dataclass(frozen=True, eq=False)
class RunningMean:
    """The mean of a score over a test set: add batches, add parts, then read `value`.

    Attributes:
        count: number of samples.
        value: their mean, of the shape of one sample's score; NaN where there are none.
    """

    count: int
    value: Float[np.ndarray, "*score"]

    @classmethod
    def empty(cls, *shape: int) -> "RunningMean":
        """Of no samples yet, with a score of this shape; a number by default."""
        return cls(0, np.full(shape, np.nan))

    def add(self, scores: ArrayLike) -> "RunningMean":
        """With the scores of a batch, ``(batch, *score)``.

        Raises:
            ValueError: scores of another shape, or that are not finite.
        """
        batch = _batch("RunningMean", scores, self.value.shape)
        return (
            self + replace(self, count=len(batch), value=np.asarray(batch.mean(axis=0)))
            if len(batch)
            else self
        )

    def __add__(self, other: "RunningMean") -> "RunningMean":
        """Of the samples of both."""
        _check_alike("RunningMean", self.value.shape, other.value.shape)
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        value = self.value + other.count / count * (other.value - self.value)
        return RunningMean(count, np.asarray(value))

    def over_processes(self) -> "RunningMean":
        """Of the samples of all processes of a distributed run, the same on each."""
        counts = gathered(np.array([self.count]))
        values = gathered(self.value.reshape(-1))
        parts = (
            RunningMean(int(n[0]), v.reshape(self.value.shape))
            for n, v in zip(counts, values, strict=True)
        )
        return sum(parts, RunningMean.empty(*self.value.shape))


@dataclass(frozen=True, eq=False)
class RunningCorrelation:
    """The correlation of forecasts with what came, over a test set, at every lead time.

    Attributes:
        count: number of forecasts.
        means: of forecast and target, ``(2, leads)``.
        products: of their deviations from the means: forecast, target, and one with the other,
            ``(3, leads)``.
    """

    count: int
    means: Float[np.ndarray, "2 leads"]
    products: Float[np.ndarray, "3 leads"]

    @classmethod
    def empty(cls, leads: int) -> "RunningCorrelation":
        """Of no forecasts yet, with so many lead times."""
        return cls(0, np.zeros((2, leads)), np.zeros((3, leads)))

    def add(self, prediction: ArrayLike, target: ArrayLike) -> "RunningCorrelation":
        """With a batch of forecasts and what came, ``(batch, leads)`` each.

        Raises:
            ValueError: shapes that differ or have other lead times, or values that are not finite.
        """
        leads = self.means.shape[1:]
        pair = [_batch("RunningCorrelation", x, leads) for x in (prediction, target)]
        _check_alike("RunningCorrelation", pair[0].shape, pair[1].shape)
        if not len(pair[0]):
            return self
        means = np.stack([x.mean(axis=0) for x in pair])
        p, y = (x - mean for x, mean in zip(pair, means, strict=True))
        products = np.stack([(p * p).sum(axis=0), (y * y).sum(axis=0), (p * y).sum(axis=0)])
        return self + RunningCorrelation(len(p), means, products)

    def __add__(self, other: "RunningCorrelation") -> "RunningCorrelation":
        """Of the forecasts of both."""
        _check_alike("RunningCorrelation", self.means.shape, other.means.shape)
        count = self.count + other.count
        if not count:
            return self
        p, y = difference = other.means - self.means
        apart = self.count * other.count / count * np.stack([p * p, y * y, p * y])
        return RunningCorrelation(
            count,
            self.means + other.count / count * difference,
            self.products + other.products + apart,
        )

    def over_processes(self) -> "RunningCorrelation":
        """Of the forecasts of all processes of a distributed run, the same on each."""
        counts = gathered(np.array([self.count]))
        moments = gathered(np.concatenate([self.means, self.products]))
        parts = (
            RunningCorrelation(int(n[0]), m[:2], m[2:])
            for n, m in zip(counts, moments, strict=True)
        )
        return sum(parts, RunningCorrelation.empty(self.means.shape[1]))

    @property
    def value(self) -> Float[np.ndarray, " leads"]:
        """C_k, as `correlation_skill` has it; NaN where either was the same in all forecasts."""
        forecast, target, both = self.products
        with np.errstate(invalid="ignore", divide="ignore"):
            return both / np.sqrt(forecast * target)


def _batch(who: str, values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    given = numbers(who, "a batch", values)
    if given.dtype.kind == "c":
        raise ValueError(
            f"{who} expected real numbers, got {given.dtype}; score |z| or both parts."
        )
    batch = np.asarray(given, np.float64)
    if batch.ndim != 1 + len(shape) or batch.shape[1:] != shape:
        raise ValueError(
            f"{who} expected a batch of shape (batch, {', '.join(map(str, shape))}), got {batch.shape}; put "
            "the samples first."
        )
    if not np.isfinite(batch).all():
        raise ValueError(
            f"{who} expected finite values, got {int((~np.isfinite(batch)).sum())} that are not; mend the "
            "forecast or the target, or leave the sample out."
        )
    return batch


def _check_alike(who: str, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    if one != other:
        raise ValueError(
            f"{who} expected two of one shape, got {one} and {other}; score both alike."
        )
