r"""Profiles of limited total variation with a given total.

    argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,      Σ_f |u_{f+1} − u_f| ≤ V,      Σ_i w_i u_i = U

Without the total, and with the multiplier τ of the variation in place of V, blocks of equal cells move at a
constant rate as τ grows, their steps shrink, and where a step is used up two blocks become one for good. So
the path from τ = 0 to the one that leaves the variation V is followed exactly, from merger to merger.

References: J. Friedman, T. Hastie, H. Höfling, R. Tibshirani, Ann. Appl. Stat. 1 (2007) 302,
doi:10.1214/07-AOAS131, section 4, for the path; A. Harten, J. Comput. Phys. 49 (1983) 357,
doi:10.1016/0021-9991(83)90136-5, for schemes whose variation does not grow.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .._arrays import check_finite, floating
from .affine import AffineConstraint
from .nearest import AbstractNearest
from .profiles import Pieces, block_numbers, block_sums, check_total, forces, meet_total


class TotalVariation(AbstractNearest):
    """An exact total of a profile whose variation along its one axis is limited.

    Args:
        total: one exact row of positive weights, as from `conservation(grid, total)`.
        limit: V, as of the field before, which an entropy solution of a conservation law never exceeds;
            a scalar, or one for each field of a batch.

    Raises:
        TypeError: for something that is no `AffineConstraint`.
        ValueError: several rows, noise, weights that are not positive, or a negative limit (checked
            where they are concrete, not inside jit).
    """

    total: AffineConstraint
    limit: Float[Array, "*#batch"]

    def __init__(self, total: AffineConstraint, limit: ArrayLike):
        self.total = total
        self.limit = floating("TotalVariation", limit)

    def __check_init__(self):
        check_total("TotalVariation", self.total)
        check_finite("TotalVariation", "limit", self.limit)
        if not isinstance(self.limit, Tracer) and not (np.asarray(self.limit) >= 0).all():
            raise ValueError(
                f"TotalVariation expected a limit of zero or more, got {np.asarray(self.limit).min()}; a "
                "constant profile has the least, zero."
            )

    @property
    def cells(self) -> int:
        """Number n of cells."""
        return self.total.rows.shape[1]

    @property
    def values(self) -> Float[Array, "*batch 2"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """U and V."""
        totals = self.total.values[..., 0]
        limits = self.limit.astype(totals.dtype)
        return jnp.stack(jnp.broadcast_arrays(totals, limits), axis=-1)

    def nearest(self, mean, scale, values):
        """The nearest profile with the total and the limit, and the variances of its blocks."""
        weights = self.total.rows[0].astype(mean.dtype)
        precision = lax.stop_gradient(scale) ** -2
        limit = lax.stop_gradient(values[1])
        pieces, found = meet_total(
            lambda y: _shrunk(y, precision, limit), mean, scale, weights, values
        )
        pressed, least = forces(found, mean, scale, weights)
        profile, tension = lax.stop_gradient((found.profile, found.tension))
        steps = jnp.diff(profile)
        signs = -jnp.cumsum(pieces.row)[:-1]  # zero where the limit does not bind
        size = 100 * jnp.finfo(mean.dtype).eps * (jnp.sum(jnp.abs(profile)) + limit)
        good = (jnp.sum(jnp.abs(steps)) <= limit + size) & (tension >= -least)
        good &= jnp.all(jnp.abs(pressed) <= jnp.maximum(tension, 0) + least)
        jumps = jnp.where(pieces.joined, 0.0, jnp.abs(pressed - tension * signs))
        good &= jnp.all(jumps <= least)
        certified = eqx.error_if(
            found.profile,
            ~good,
            "project expected a profile of limited TotalVariation that it can certify as nearest, got one "
            "that is not; give a limit of zero or more, compute in float64, or give cells scales that "
            "differ less.",
        )
        return certified, found.variance


def _shrunk(
    y: Float[Array, " n"], precision: Float[Array, " n"], limit: Float[Array, ""]
) -> Pieces:
    """The blocks at which the path from y has the variation V, and the row of the variation there."""
    signs = jnp.sign(jnp.diff(y))

    def row(joined):
        left = jnp.where(joined, 0.0, signs)
        return jnp.pad(left, (1, 0)) - jnp.pad(left, (0, 1))

    def merge(state):
        joined, _, _ = state
        number = block_numbers(joined)
        weight = block_sums(precision, number)[number]
        level = block_sums(precision * y, number)[number] / weight
        rate = -block_sums(row(joined), number)[number] / weight
        # Steps at τ: gap + τ closing, where no step ever grows.
        gap, closing = (jnp.where(joined, 0.0, signs * jnp.diff(x)) for x in (level, rate))
        ends = closing < 0
        used = jnp.where(ends, jnp.maximum(gap, 0.0) / jnp.where(ends, -closing, 1.0), jnp.inf)
        first, excess, speed = jnp.min(used), jnp.sum(gap) - limit, -jnp.sum(closing)
        met = excess <= jnp.where(speed > 0, first * speed, 0.0)
        more = joined | (used <= first * (1 + 4 * jnp.finfo(y.dtype).eps))
        return jnp.where(met, joined, more), met | jnp.all(joined), excess > 0

    start = (signs == 0, jnp.array(False), jnp.array(False))
    joined, _, binds = lax.while_loop(lambda state: ~state[1], merge, start)
    return Pieces(joined, jnp.where(binds & ~jnp.all(joined), row(joined), 0.0))
