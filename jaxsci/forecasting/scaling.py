r"""The level and the scale of a series, at every date, from what came before.

    m_t = Σ_s γ^{t−s} o_s y_s / Σ_s γ^{t−s} o_s
    σ_t = ( Σ_s γ^{t−s} o_s |y_s − m_s| + σ̄(a_t) ) / ( Σ_s γ^{t−s} o_s + 1 ),     s ≤ t, o_s = 1 where y_s
    is known

a_t is the mean of |y|, as m_t is that of y, and σ̄(a) = σ̄ (a/ā)^p the spread that is typical of series of that
size (Taylor's law): a series of one observation has no spread of its own, and gets that of the others. A scale
taken over a whole window would tell early forecast dates of the future.

Everything is equivariant: y → c y gives m → c m and σ → |c| σ. It is so to y → y + d but for σ̄, whose weight
fades as observations come. All is computed in double precision: a level of 10⁸ leaves a float32 no digits for a
spread of 2.

Reference: L. R. Taylor, Aggregation, variance and the mean, Nature 189 (1961) 732, doi:10.1038/189732a0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

# Smallest scale, as a share of what is typical of the size: what a constant series is divided by.
_LEAST = 1e-3
# What series have to say of p before it leaves 1, the same share for all sizes.
_DOUBT = 1.0


class Prior(NamedTuple):
    """What is typical of the series, for those with little or no history; numbers in double precision.

    Attributes:
        level: m of a series without observations.
        scale: σ̄, its σ and that of a series of typical size.
        size: ā, the typical size.
        power: p, by which spread grows with size.
    """

    level: float = 0.0
    scale: float = 1.0
    size: float = 1.0
    power: float = 1.0

    @property
    def unit(self) -> float:
        """A power of two near the scale, by which numbers are divided without rounding."""
        return 2.0 ** np.floor(np.log2(self.scale))


class Normal(eqx.Module):
    """Level and scale of a series at every date, and whether it has begun.

    Attributes:
        level: m_t.
        scale: σ_t, positive.
        started: whether something has been observed.
    """

    level: Float[Array | np.ndarray, "*series time"]
    scale: Float[Array | np.ndarray, "*series time"]
    started: Bool[Array | np.ndarray, "*series time"]


def usual_half_life(seasons: Sequence[int], horizon: int) -> float:
    """Dates after which an observation counts half, where nobody says it: four seasons or two horizons."""
    return float(max(4 * max(seasons), 2 * horizon))


def causal_normal(
    y: Float[Array, " time"],
    observed: Bool[Array, " time"],
    prior: Prior | tuple[Array, ...],
    *,
    half_life: float,
) -> Normal:
    """Level and scale at every date, each from targets up to that date.

    Args:
        y: targets; what they are where they were not observed does not matter.
        observed: where they were.
        prior: for series without history.
        half_life: dates after which an observation counts half, γ = 2^(−1/half_life).
    """
    decay = jnp.asarray(0.5 ** (1 / half_life), y.dtype)
    known = observed.astype(y.dtype)
    y = jnp.where(observed, y, 0.0)
    level0, scale0, size0, power = (jnp.asarray(x, y.dtype) for x in prior)
    # Relative to the first observation, so that a large offset costs no digits.
    first = y[jnp.argmax(observed)]

    def step(state, now):
        weight, total, size, spread = state
        value, o = now
        weight = decay * weight + o
        total = decay * total + o * (value - first)
        size = decay * size + o * jnp.abs(value)
        mean = total / jnp.where(weight > 0, weight, 1.0)
        spread = decay * spread + o * jnp.abs(value - first - mean)
        return (weight, total, size, spread), (weight, mean, size, spread)

    zero = jnp.zeros((), y.dtype)
    _, (weight, mean, size, spread) = jax.lax.scan(step, (zero,) * 4, (y, known))
    started = jax.lax.cummax(observed.astype(jnp.int32)) > 0
    size = size / jnp.where(weight > 0, weight, 1.0)
    # A series of zeros has no size.
    sized = started & (size > 0)
    expected = scale0 * (jnp.where(sized, size, 1.0) / size0) ** power
    scale = jnp.maximum((spread + expected) / (weight + 1), _LEAST * expected)
    scale = jnp.where(sized, scale, scale0)
    return Normal(jnp.where(started, first + mean, level0), scale, started)


class Typical(NamedTuple):
    """What the prior is learned from, of many series; kept on the host.

    Attributes:
        level: of each at its last date.
        scale: its mean deviation there, zero where it is constant.
        size: the mean of |y|.
    """

    level: np.ndarray
    scale: np.ndarray
    size: np.ndarray

    # What deviations are without those of others.
    ALONE = Prior(scale=0.0)

    @classmethod
    def of(
        cls, normal: Normal, size: Float[np.ndarray, "series time"], observed: np.ndarray
    ) -> "Typical":
        """From levels and scales.

        Args:
            normal: of many series, from `causal_normal` with the prior `ALONE`.
            size: |y|, zero where it was not observed; series that are zero throughout are left out.
            observed: where it was.
        """
        used = np.asarray(normal.started)[:, -1] & (size.max(axis=1) > 0)
        mean = size.sum(1) / np.maximum(observed.sum(1), 1)
        level, scale = (np.asarray(x)[:, -1] for x in (normal.level, normal.scale))
        return cls(*(x[used] for x in (level, scale, mean)))


def learn_prior(parts: Sequence[Typical]) -> Prior:
    """What is typical of series in parts: medians, and a line through logarithms of size and spread."""
    level, scale, size = (np.concatenate(part) for part in zip(*parts, strict=True))
    # Of no series, the prior stays neutral.
    if level.size == 0:
        return Prior()
    spread = scale > 0
    if not spread.any():
        typical = float(np.median(size))
        return Prior(float(np.median(level)), typical, typical)
    x, z = np.log(size[spread]), np.log(scale[spread])
    middle = np.median(x), np.median(z)
    dx, dz = x - middle[0], z - middle[1]
    power = float(np.clip((dx @ dz + _DOUBT) / (dx @ dx + _DOUBT), 0.0, 2.0))
    at, typical = (float(np.exp(m)) for m in middle)
    return Prior(float(np.median(level)), typical, at, power)
