r"""Profiles that nowhere decrease, or nowhere increase, with a given total.

    argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,      u_1 ≤ u_2 ≤ … ≤ u_n,      Σ_i w_i u_i = U

Without the total this is isotonic regression, which pooling adjacent violators solves exactly: neighbours in
the wrong order are equal in the solution, in whatever sequence they are found, so all are pooled at once.

Reference: M. Ayer, H. D. Brunk, G. M. Ewing, W. T. Reid, E. Silverman, Ann. Math. Stat. 26 (1955) 641,
doi:10.1214/aoms/1177728423.
"""

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from .affine import AffineConstraint
from .nearest import AbstractNearest
from .profiles import Pieces, block_numbers, block_sums, check_total, forces, meet_total


class Monotone(AbstractNearest):
    """An exact total of a profile that is monotone along its one axis.

    Args:
        total: one exact row of positive weights, as from `conservation(grid, total)`.
        increasing: whether it nowhere decreases; nowhere increases otherwise.

    Raises:
        TypeError: for something that is no `AffineConstraint`.
        ValueError: several rows, noise, or weights that are not positive (checked where they are concrete,
            not inside jit).
    """

    total: AffineConstraint
    increasing: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_total("Monotone", self.total)

    @property
    def cells(self) -> int:
        """Number n of cells."""
        return self.total.rows.shape[1]

    @property
    def values(self) -> Float[Array, "*batch 1"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """U."""
        return self.total.values

    def nearest(self, mean, scale, values):
        """The nearest monotone profile with the total, and the variances of its blocks."""
        along = 1 if self.increasing else -1
        mean, scale = mean[::along], scale[::along]
        weights = self.total.rows[0].astype(mean.dtype)[::along]
        both = jnp.stack([values[0], jnp.zeros_like(values[0])])

        def find(y: Float[Array, " n"]) -> Pieces:
            return Pieces(_pooled(y, lax.stop_gradient(scale)), jnp.zeros_like(y))

        _, found = meet_total(find, mean, scale, weights, both)
        pressed, least = forces(found, mean, scale, weights)
        steps = jnp.diff(lax.stop_gradient(found.profile))
        size = 100 * jnp.finfo(mean.dtype).eps * jnp.max(jnp.abs(lax.stop_gradient(found.profile)))
        profile = eqx.error_if(
            found.profile,
            ~(jnp.all(steps >= -size) & jnp.all(pressed <= least)),
            "project expected a Monotone profile that it can certify as nearest, got one that is not; "
            "compute in float64, or give cells scales that differ less.",
        )
        return profile[::along], found.variance[::along]


def _pooled(y: Float[Array, " n"], scale: Float[Array, " n"]) -> Bool[Array, " faces"]:
    """The neighbours that are equal in the nearest nondecreasing profile."""
    precision = scale**-2

    def pool(state):
        joined, _ = state
        number = block_numbers(joined)
        level = (block_sums(precision * y, number) / block_sums(precision, number))[number]
        return joined | (jnp.diff(level) <= 0), jnp.sum(joined)

    def growing(state):
        # Of the joints that were handed on, as in `positive_cells`: then the loop ends whatever is rounded how.
        joined, before = state
        return jnp.sum(joined) > before

    return lax.while_loop(growing, pool, pool((jnp.zeros(y.size - 1, bool), 0)))[0]
