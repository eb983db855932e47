r"""Forecasts of events, such as rain beyond a threshold, by exact counts of hits, misses and false alarms.

    CSI = H/(H + M + F),   POD = H/(H + M),   SUCR = H/(H + F),   BIAS = (H + F)/(H + M)

A value is an event where it is at least the threshold. Counts are integers: 32-bit ones for one sample on
the device, which is checked to suffice, and 64-bit ones for a test set on the host, in any order and any
grouping; a large radar data set has 2·10¹⁰ pixels, more than 32 bits, or floats, can count. Scores are
ratios of total counts, as in the tables of Earthformer and PreDiff, not means of the scores of batches.

References: D. S. Wilks, Statistical Methods in the Atmospheric Sciences (2011), chapter 8; Z. Gao et al.,
Earthformer, NeurIPS 2022, arXiv:2207.05833; Z. Gao et al., PreDiff, NeurIPS 2023, arXiv:2307.10422, for
counts after a maximum over blocks. Their code adds 1e-4 to every denominator, so a threshold that
is never reached scores 0 there and NaN here, unless `empty` says otherwise; their BIAS lacks a logarithm
(a perfect forecast scores 2.08), and is the textbook's here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Integer

from .._arrays import numbers
from .._checks import whole
from .._numeric import AnyArray, namespace, numeric
from ._checks import checked_pair
from .processes import gathered

VIL_THRESHOLDS = (16.0, 74.0, 133.0, 160.0, 181.0, 219.0)
"""The thresholds of SEVIR's vertically integrated liquid, on its scale from 0 to 255."""

_MOST = 2**31 - 1


class ContingencyCounts(NamedTuple):
    """Counts of one sample, or of many behind further axes in front.

    Attributes:
        hits: events that were forecast.
        misses: events that were not.
        false_alarms: forecasts of events that did not come.
        invalid: values that are NaN, of which no count is one.
    """

    hits: Int[Array | np.ndarray, "... thresholds time"]
    misses: Int[Array | np.ndarray, "... thresholds time"]
    false_alarms: Int[Array | np.ndarray, "... thresholds time"]
    invalid: Int[Array | np.ndarray, "... time"]


@numeric("prediction", "target", promote=False)
def contingency_counts(
    prediction: Float[AnyArray, "time channels height width"],
    target: Float[AnyArray, "..."],
    thresholds: Sequence[float] = VIL_THRESHOLDS,
    *,
    pool: int = 1,
) -> ContingencyCounts:
    """Count the events of one sample at every threshold and time, over channels and pixels.

    Args:
        prediction: forecast in the unit of the thresholds.
        target: what came, of the same shape.
        thresholds: values from which on there is an event.
        pool: side of the blocks whose largest values are compared, which forgives small displacements.

    Raises:
        ValueError: shapes that differ, blocks that do not fit the frames, no threshold, or frames of
            more pixels than 32 bits count.
    """
    prediction, target = checked_pair("contingency_counts", prediction, target)
    pool = whole("contingency_counts", "pool", pool)
    levels = _levels(thresholds)
    if prediction.ndim != 4 or any(n % pool for n in prediction.shape[2:]):
        raise ValueError(
            f"contingency_counts expected frames of shape (time, channels, height, width) whose sides "
            f"are multiples of pool={pool}, got {prediction.shape}; crop or pad them, and use jax.vmap "
            "for batches."
        )
    pixels = int(np.prod(prediction.shape[1:]))
    if pixels > _MOST:
        raise ValueError(
            f"contingency_counts expected frames of at most {_MOST} values, got {pixels}; split them, "
            "and add the counts."
        )
    prediction, target = _largest(prediction, pool), _largest(target, pool)
    # The maximum over a block with NaN is NaN, so none is lost.
    xp = namespace(prediction)
    bad = xp.isnan(prediction) | xp.isnan(target)

    def count(flags: Any) -> Any:
        return xp.sum(flags, axis=(1, 2, 3), dtype=np.int32)

    def at(level: float) -> tuple[Any, Any, Any]:
        # Rounded as each field is: a .1 in single precision is one at the threshold .1.
        p, t = (x >= xp.asarray(level, dtype=x.dtype) for x in (prediction, target))
        return count(p & t), count(~p & t), count(p & ~t)

    hits, misses, false_alarms = map(xp.stack, zip(*map(at, levels), strict=True))
    return ContingencyCounts(hits, misses, false_alarms, count(bad))


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Counts of a test set, on the host: add batches, add tables, then read scores.

    Attributes:
        thresholds: values from which on there is an event.
        hits: events that were forecast, (thresholds, time).
        misses: events that were not.
        false_alarms: forecasts of events that did not come.
    """

    thresholds: tuple[float, ...]
    hits: Integer[np.ndarray, "thresholds time"]
    misses: Integer[np.ndarray, "thresholds time"]
    false_alarms: Integer[np.ndarray, "thresholds time"]

    @classmethod
    def empty(cls, leads: int, thresholds: Sequence[float] = VIL_THRESHOLDS) -> "ContingencyTable":
        """A table of nothing yet.

        Args:
            leads: number of times of a forecast.
            thresholds: those of the counts to come.
        """
        levels = _levels(thresholds)
        shape = (len(levels), whole("ContingencyTable", "leads", leads))
        return cls(levels, *(np.zeros(shape, np.int64) for _ in range(3)))

    def add(self, counts: ContingencyCounts) -> "ContingencyTable":
        """The table with the counts of a sample, or of a batch of them.

        Raises:
            ValueError: counts of other thresholds or times, or of values that are NaN.
        """
        invalid = int(np.asarray(counts.invalid, np.int64).sum())
        if invalid:
            raise ValueError(
                f"ContingencyTable expected counts of numbers, got {invalid} values that are NaN; mend "
                "the forecast or the target, or leave the sample out."
            )
        shape = self.hits.shape
        if np.shape(counts.hits)[-2:] != shape:
            raise ValueError(
                f"ContingencyTable expected counts of shape (..., thresholds, time) = (..., {shape[0]}, "
                f"{shape[1]}), got {np.shape(counts.hits)}; count at the thresholds of the table."
            )
        sums = [np.asarray(part, np.int64).reshape(-1, *shape).sum(axis=0) for part in counts[:3]]
        return self + ContingencyTable(self.thresholds, *sums)

    def __add__(self, other: "ContingencyTable") -> "ContingencyTable":
        """The counts of two parts of a test set together."""
        if self.thresholds != other.thresholds or self.hits.shape != other.hits.shape:
            raise ValueError(
                "ContingencyTable expected tables of the same thresholds and times, got "
                f"{self.thresholds} with {self.hits.shape[1]} times and {other.thresholds} with "
                f"{other.hits.shape[1]}; count both alike."
            )
        return ContingencyTable(
            self.thresholds,
            self.hits + other.hits,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
        )

    def over_processes(self) -> "ContingencyTable":
        """The sum of the tables of all processes of a distributed run, the same on each."""
        counts = gathered(np.stack([self.hits, self.misses, self.false_alarms]))
        return ContingencyTable(self.thresholds, *counts.sum(axis=0))

    def over_leads(self) -> "ContingencyTable":
        """The same counts without regard to the time of the forecast."""
        return replace(
            self,
            hits=self.hits.sum(axis=1, keepdims=True),
            misses=self.misses.sum(axis=1, keepdims=True),
            false_alarms=self.false_alarms.sum(axis=1, keepdims=True),
        )

    def csi(self, *, empty: float = np.nan) -> Float[np.ndarray, "thresholds time"]:
        """Critical success index; `empty` where there was neither an event nor a forecast of one."""
        return _ratio(self.hits, self.hits + self.misses + self.false_alarms, empty)

    def pod(self, *, empty: float = np.nan) -> Float[np.ndarray, "thresholds time"]:
        """Probability of detection; `empty` where there was no event."""
        return _ratio(self.hits, self.hits + self.misses, empty)

    def sucr(self, *, empty: float = np.nan) -> Float[np.ndarray, "thresholds time"]:
        """Success ratio; `empty` where no event was forecast."""
        return _ratio(self.hits, self.hits + self.false_alarms, empty)

    def bias(self, *, empty: float = np.nan) -> Float[np.ndarray, "thresholds time"]:
        """Frequency bias, forecast events over events; `empty` where there was no event."""
        return _ratio(self.hits + self.false_alarms, self.hits + self.misses, empty)

    def means(self, *, empty: float = np.nan) -> dict[str, float]:
        """CSI-M and its like: scores of all times together, averaged over the thresholds."""
        total = self.over_leads()
        return {
            "CSI": float(total.csi(empty=empty).mean()),
            "POD": float(total.pod(empty=empty).mean()),
            "SUCR": float(total.sucr(empty=empty).mean()),
            "BIAS": float(total.bias(empty=empty).mean()),
        }


def _levels(thresholds: Sequence[float]) -> tuple[float, ...]:
    levels = np.asarray(numbers("contingency_counts", "thresholds", thresholds))
    if (
        levels.ndim != 1
        or not levels.size
        or levels.dtype.kind == "c"
        or not np.isfinite(levels).all()
    ):
        raise ValueError(
            f"Contingency counts expected at least one finite threshold, got {levels.tolist()}; those of "
            "SEVIR are VIL_THRESHOLDS."
        )
    return tuple(levels.astype(float).tolist())


def _largest(frames: Any, pool: int) -> Any:
    """Maximum over blocks of pool × pool pixels."""
    *leading, height, width = frames.shape
    blocks = frames.reshape(*leading, height // pool, pool, width // pool, pool)
    return blocks.max(axis=(-3, -1))


def _ratio(part: np.ndarray, total: np.ndarray, empty: float) -> np.ndarray:
    ratio = np.full(part.shape, empty, np.float64)
    return np.divide(part, total, out=ratio, where=total > 0)
