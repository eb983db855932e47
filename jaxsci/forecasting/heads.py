r"""Heads: what numbers of a network become quantiles, and how they are scored.

All work in units of the series' scale, z = (y − m_t)/σ_t, so that a quantile of y is m_t + σ_t times one of z.

    FreeQuantiles          z_q = raw_q, which may cross
    IncrementalQuantiles   z_q = raw_0 + Σ softplus(raw) away from the middle one, which cannot
    QuantileFunction       knots as before, straight lines between them, exponential tails: any level
    StudentT               numpyro's, from location, scale and degrees of freedom
    NegativeBinomial       numpyro's, for counts, from mean and concentration

The first three are trained with the pinball loss ρ_q(u) = max(q u, (q − 1) u), without a factor 2, the
others with their negative log-likelihood.

References: Wen et al., 2017, arXiv:1711.11053; Park et al., Learning quantile functions without quantile
crossing, AISTATS 2022, arXiv:2111.06581; Salinas et al., DeepAR, 2020, arXiv:1704.04110, for the counts.
"""

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..metrics.quantile_loss import check_loss
from .grid import check_levels

# A Student-t variable of 2 degrees of freedom is larger than this with probability 5e-9; halved so often,
# that is 1e-9.
_FARTHEST, _HALVINGS = 1e4, 43
# Largest level, in units of the scale, that the spread of counts follows.
_STEADIEST = 30.0
_KNOTS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class AbstractHead(eqx.Module):
    """Reads `outputs` numbers as a distribution of one target."""

    levels: eqx.AbstractVar[tuple[float, ...]]

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """How many numbers of the network it reads."""

    @abc.abstractmethod
    def quantiles(
        self,
        raw: Float[Array, "*cells outputs"],
        level: Float[Array, "*cells"],
        scale: Float[Array, "*cells"],
    ) -> Float[Array, "*cells quantiles"]:
        """The quantiles at `levels`, in units of y.

        Args:
            raw: the network's numbers.
            level: m_t, and what else the location of z is measured from.
            scale: σ_t.
        """

    @abc.abstractmethod
    def loss(
        self,
        raw: Float[Array, "*cells outputs"],
        level: Float[Array, "*cells"],
        scale: Float[Array, "*cells"],
        target: Float[Array, "*cells"],
    ) -> Float[Array, "*cells"]:
        """How badly the target was forecast; a pinball loss is in units of `scale`."""


class FreeQuantiles(AbstractHead):
    """A number of the network is a quantile; two may cross.

    Args:
        levels: increasing levels between 0 and 1.
    """

    levels: tuple[float, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        check_levels("FreeQuantiles", self.levels)

    @property
    def outputs(self) -> int:
        """One for each level."""
        return len(self.levels)

    def quantiles(self, raw, level, scale):
        """See the base class."""
        return level[..., None] + scale[..., None] * raw

    def loss(self, raw, level, scale, target):
        """Mean pinball loss of the levels, over the scale."""
        return _mean_check_loss(_in_front(raw), self.levels, (target - level) / scale)


class IncrementalQuantiles(AbstractHead):
    """The middle quantile, and positive steps from it to the next ones: quantiles do not cross.

    Args:
        levels: increasing levels between 0 and 1.
    """

    levels: tuple[float, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        check_levels("IncrementalQuantiles", self.levels)

    @property
    def outputs(self) -> int:
        """One for each level."""
        return len(self.levels)

    def quantiles(self, raw, level, scale):
        """See the base class."""
        values = jnp.moveaxis(increasing(_in_front(raw)), 0, -1)
        return level[..., None] + scale[..., None] * values

    def loss(self, raw, level, scale, target):
        """Mean pinball loss of the levels, over the scale."""
        values = increasing(_in_front(raw))
        return _mean_check_loss(values, self.levels, (target - level) / scale)


class QuantileFunction(AbstractHead):
    """The whole quantile function: linear between knots, with exponential tails beyond them.

    Any levels can be read from what was trained once. It is trained at the knots and, for the
    tails, at levels halfway between the outer knots and 0, 1, all of the same weight.

    Args:
        levels: levels that `quantiles` returns.
        knots: increasing levels where the function is given by a number of its own.
    """

    levels: tuple[float, ...] = eqx.field(static=True, converter=tuple)
    knots: tuple[float, ...] = eqx.field(static=True, converter=tuple, default=_KNOTS)

    def __check_init__(self):
        check_levels("QuantileFunction", self.levels)
        if len(check_levels("QuantileFunction", self.knots)) < 2:
            raise ValueError(
                f"QuantileFunction expected at least 2 knots, got {self.knots}; the default has "
                f"{len(_KNOTS)}."
            )

    @property
    def outputs(self) -> int:
        """One for each knot, and two for the tails."""
        return len(self.knots) + 2

    def at(
        self, raw: Float[Array, "*cells outputs"], levels: Sequence[float]
    ) -> Float[Array, "*cells quantiles"]:
        """Quantiles of z at any levels."""
        return jnp.moveaxis(self._at(_in_front(raw), levels), 0, -1)

    def _at(self, raw, levels):
        """As `at`, with outputs and quantiles along the first axis."""
        values, tails = increasing(raw[:-2]), jax.nn.softplus(raw[-2:])
        knots, wanted = np.asarray(self.knots), np.asarray(levels, np.float64)
        # Weights of the knots in each level are numbers, not arrays of the program.
        inside = np.clip(wanted, knots[0], knots[-1])
        right = np.clip(np.searchsorted(knots, inside), 1, len(knots) - 1)
        share = (inside - knots[right - 1]) / (knots[right] - knots[right - 1])
        share = _along_first(share, raw)
        line = (1 - share) * values[right - 1] + share * values[right]
        # F⁻¹(q) = z_0 + τ ln(q/q_0) below the first knot, and its mirror image above the last.
        below = _along_first(np.log(np.minimum(wanted / knots[0], 1.0)), raw)
        above = _along_first(np.log(np.minimum((1 - wanted) / (1 - knots[-1]), 1.0)), raw)
        return line + below * tails[:1] - above * tails[1:]

    def quantiles(self, raw, level, scale):
        """See the base class."""
        return level[..., None] + scale[..., None] * self.at(raw, self.levels)

    def loss(self, raw, level, scale, target):
        """Mean pinball loss at the knots and in the tails, over the scale."""
        levels = (self.knots[0] / 2, *self.knots, (1 + self.knots[-1]) / 2)
        values = self._at(_in_front(raw), levels)
        return _mean_check_loss(values, levels, (target - level) / scale)


class StudentT(AbstractHead):
    """A Student-t distribution: heavier tails than a Gaussian's, with a finite variance.

    Args:
        levels: levels that `quantiles` returns.
    """

    levels: tuple[float, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        check_levels("StudentT", self.levels)

    @property
    def outputs(self) -> int:
        """Location, scale and degrees of freedom."""
        return 3

    def distribution(self, raw, level, scale) -> dist.StudentT:
        """The distribution of y."""
        location, spread, freedom = (raw[..., k] for k in range(3))
        width = scale * (1e-3 + jax.nn.softplus(spread))
        return dist.StudentT(2.0 + jax.nn.softplus(freedom), level + scale * location, width)

    def quantiles(self, raw, level, scale):
        """See the base class."""
        one: Any = self.distribution(raw, level, scale)
        q = jnp.asarray(self.levels, raw.dtype)
        standard: Any = dist.StudentT(one.df[..., None], jnp.zeros_like(q), jnp.ones_like(q))

        # numpyro's inverse needs a package of its own. By symmetry, only one half is searched.
        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            reached = standard.cdf(middle) >= jnp.maximum(q, 1 - q)
            return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

        shape = jnp.broadcast_shapes(standard.batch_shape, q.shape)
        start = (jnp.zeros(shape, raw.dtype), jnp.full(shape, _FARTHEST, raw.dtype))
        size = jax.lax.fori_loop(0, _HALVINGS, halve, start)[1]
        return one.loc[..., None] + one.scale[..., None] * jnp.where(q < 0.5, -size, size)

    def loss(self, raw, level, scale, target):
        """−log p(y), less the logarithm of the scale, which no parameter changes."""
        return -self.distribution(raw, level, scale).log_prob(target) - jnp.log(scale)


class NegativeBinomial(AbstractHead):
    """A distribution of counts, with variance μ + μ²/κ.

    Its mean is a positive multiple of the series' mean level, or of its scale where that is larger; what its
    variance has beyond that of a Poisson distribution is a positive multiple of the scale's square.

    Args:
        levels: levels that `quantiles` returns, the smallest counts whose distribution function reaches them.
    """

    levels: tuple[float, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self):
        check_levels("NegativeBinomial", self.levels)

    @property
    def outputs(self) -> int:
        """Mean and concentration."""
        return 2

    def distribution(self, raw, level, scale) -> dist.NegativeBinomial2:
        """The distribution of y."""
        unit = jnp.maximum(jnp.abs(level), scale)
        # In single precision the distribution function of nearly Poisson counts has few digits.
        ratio = jnp.minimum(unit / scale, _STEADIEST)
        concentration = ratio**2 * (1e-3 + jax.nn.softplus(raw[..., 1]))
        return dist.NegativeBinomial2(1e-6 + unit * jax.nn.softplus(raw[..., 0]), concentration)

    def quantiles(self, raw, level, scale):
        """See the base class."""
        one = self.distribution(raw[..., None, :], level[..., None], scale[..., None])
        q = jnp.asarray(self.levels, raw.dtype)

        def halve(_, ends):
            low, high = ends
            middle = jnp.floor((low + high) / 2)
            reached = one.cdf(middle) >= q
            return jnp.where(reached, low, middle), jnp.where(reached, middle, high)

        shape = jnp.broadcast_shapes(one.batch_shape, q.shape)
        # By Chebyshev, all but one in 10,000 lie below; beyond 2²⁴ a float32 counts in steps.
        high = jnp.ceil(one.mean + 100 * jnp.sqrt(one.variance)) + 20
        start = (jnp.full(shape, -1.0, raw.dtype), jnp.broadcast_to(high, shape))
        return jax.lax.fori_loop(0, _HALVINGS, halve, start)[1]

    def loss(self, raw, level, scale, target):
        """−log p(y)."""
        return -self.distribution(raw, level, scale).log_prob(target)


def increasing(raw: Float[Array, "outputs *cells"]) -> Float[Array, "outputs *cells"]:
    """Numbers that increase: the middle one as it is, the others by positive steps away from it."""
    middle = raw.shape[0] // 2
    centre = raw[middle : middle + 1]
    up = jnp.cumsum(jax.nn.softplus(raw[middle + 1 :]), 0)
    down = jnp.cumsum(jax.nn.softplus(raw[:middle])[::-1], 0)[::-1]
    return jnp.concatenate([centre - down, centre, centre + up])


def _in_front(raw: Float[Array, "*cells outputs"]) -> Float[Array, "outputs *cells"]:
    # The compiler's loops run along the last axis: a few levels there would leave most of a register empty.
    return jnp.moveaxis(raw, -1, 0)


def _along_first(values: Sequence[float] | np.ndarray, like: Array) -> Array:
    """One number for each entry of the first axis of an array."""
    return jnp.asarray(values, like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def _mean_check_loss(
    values: Float[Array, "levels *cells"], levels: Sequence[float], z: Float[Array, "*cells"]
) -> Float[Array, "*cells"]:
    return check_loss(z - values, _along_first(levels, values)).mean(0)


HEADS = {
    "free": FreeQuantiles,
    "increments": IncrementalQuantiles,
    "quantile-function": QuantileFunction,
    "student-t": StudentT,
    "negative-binomial": NegativeBinomial,
}
