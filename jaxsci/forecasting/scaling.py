r"""The level and the scale of a series, at every date, from what came before.

    m_t = Σ_s γ^{t−s} o_s y_s / Σ_s γ^{t−s} o_s
    σ_t = ( Σ_s γ^{t−s} o_s |y_s − m_s| + r a_t ) / ( Σ_s γ^{t−s} o_s + 1 ),     s ≤ t, o_s = 1 where y_s is
    known

a_t is the mean of |y|, as m_t is that of y, and r a typical ratio σ/a: a series of one observation has no
spread of its own, and gets that of the others. A scale taken over a whole window would tell early forecast
dates of the future.

The second term of σ_t fades as observations come, but a series that varies by less than a thousandth of its
level is better given as its difference from that level.

Everything is equivariant: y → c y gives m → c m and σ → |c| σ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

# Smallest scale, as a share of the mean size: what a constant series is divided by.
_LEAST = 1e-3


class Prior(eqx.Module):
    """What is typical of the series, for those without history.

    Attributes:
        level: m of a series without observations.
        scale: its σ.
        ratio: r, the typical σ/a.
    """

    level: Float[Array, ""]
    scale: Float[Array, ""]
    ratio: Float[Array, ""]

    @classmethod
    def neutral(cls) -> "Prior":
        """Level 0, scale 1 and ratio 1."""
        return cls(*(jnp.asarray(x, jnp.float32) for x in (0.0, 1.0, 1.0)))


class Normal(eqx.Module):
    """Level and scale of a series at every date, and whether it has begun.

    Attributes:
        level: m_t.
        scale: σ_t, positive.
        started: whether something has been observed.
    """

    level: Float[Array, " time"]
    scale: Float[Array, " time"]
    started: Bool[Array, " time"]


def usual_half_life(seasons: Sequence[int], horizon: int) -> float:
    """Dates after which an observation counts half, where nobody says it: four seasons or two horizons."""
    return float(max(4 * max(seasons), 2 * horizon))


def causal_normal(
    y: Float[Array, " time"], observed: Bool[Array, " time"], prior: Prior, *, half_life: float
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
    fixed = jax.tree.map(lambda x: jax.lax.stop_gradient(x).astype(y.dtype), prior)
    scale = jnp.maximum((spread + fixed.ratio * size) / (weight + 1), _LEAST * size)
    # A series of zeros has no size.
    scale = jnp.where(started & (size > 0), scale, fixed.scale)
    return Normal(jnp.where(started, first + mean, fixed.level), scale, started)


class Typical(NamedTuple):
    """What the prior is learned from, of many series; kept on the host.

    Attributes:
        level: of each at its last date.
        scale: its σ.
        ratio: σ/a, with a the mean of |y|.
    """

    level: np.ndarray
    scale: np.ndarray
    ratio: np.ndarray

    @classmethod
    def of(
        cls, normal: Normal, size: Float[Array, "series time"], observed: Bool[Array, "series time"]
    ) -> "Typical":
        """From levels and scales.

        Args:
            normal: of many series, from `causal_normal` with a neutral prior.
            size: |y|, zero where it was not observed; series that are zero throughout are left out.
            observed: where it was.
        """
        used = np.asarray(normal.started[:, -1] & (size.max(axis=1) > 0))
        mean = size.sum(1) / jnp.maximum(observed.sum(1), 1).astype(size.dtype)
        level, scale = normal.level[:, -1], normal.scale[:, -1]
        ratio = scale / jnp.where(used, mean, 1.0)
        return cls(*(np.asarray(x)[used] for x in (level, scale, ratio)))


def learn_prior(parts: Sequence[Typical]) -> Prior:
    """The typical level, scale and ratio of series in parts: medians."""
    neutral = Prior.neutral()
    values = [np.concatenate(part) for part in zip(*parts, strict=True)]
    # Of no series, the prior stays neutral.
    if values[0].size == 0:
        return neutral
    return Prior(*(jnp.asarray(np.median(x), jnp.float32) for x in values))
