r"""Fields that are nowhere negative and have a given total.

    argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,      Σ_i w_i u_i = U,      u ≥ 0
    u_i = max(μ_i − λ w_i σ_i², 0)         with the one λ that meets the total

The total of u is a convex, decreasing and piecewise linear function of λ. Newton's method from its leftmost
line goes up to the root without passing it, and each step drops the cells that became negative: it ends
after finitely many steps, at the exact solution. Where the cells at zero stay there, u is the oblique
projection of the other cells, and so are its derivatives.

Reference: J. Nocedal, S. Wright, Numerical Optimization (2006), section 16.5 on active sets;
K. C. Kiwiel, Math. Program. 112 (2008) 473, doi:10.1007/s10107-006-0050-z, for the scalar dual.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .affine import AffineConstraint


class Nonnegative(eqx.Module):
    """An exact total together with u ≥ 0.

    Args:
        total: one exact row of positive weights, as from `conservation(grid, total)`.

    Raises:
        TypeError: for something that is no `AffineConstraint`.
        ValueError: several rows, noise, weights that are not positive, or a negative total (checked where
            they are concrete, not inside jit).
    """

    total: AffineConstraint

    def __check_init__(self):
        if not isinstance(self.total, AffineConstraint):
            raise TypeError(
                f"Nonnegative expected an AffineConstraint, got {type(self.total).__name__}; build one, "
                "as in conservation(grid, total)."
            )
        rows, values = self.total.rows, self.total.values
        if rows.shape[0] != 1 or self.total.noise is not None:
            raise ValueError(
                f"Nonnegative expected one exact row, got {rows.shape[0]} rows and noise "
                f"{self.total.noise}; use the total of the whole domain without noise."
            )
        for name, array, good in (
            ("positive weights", rows, lambda x: x > 0),
            ("a total of zero or more", values, lambda x: x >= 0),
        ):
            if not isinstance(array, Tracer) and not good(np.asarray(array)).all():
                raise ValueError(
                    f"Nonnegative expected {name}, got {np.asarray(array).min()}; a field without negative "
                    "values has no other."
                )


def positive_cells(
    mean: Float[Array, " n"],
    variance: Float[Array, " n"],
    weights: Float[Array, " n"],
    total: Float[Array, ""],
) -> Bool[Array, " n"]:
    """The cells that stay above zero when a field is moved to its total; see the module's head."""
    mean, variance, total = (lax.stop_gradient(x) for x in (mean, variance, total))
    weights = lax.stop_gradient(weights)

    def moved(active: Bool[Array, " n"]) -> Float[Array, " n"]:
        kept = active.astype(mean.dtype)
        slope = jnp.sum(kept * weights**2 * variance)
        excess = jnp.sum(kept * weights * mean) - total
        return mean - excess / jnp.where(slope > 0, slope, jnp.inf) * weights * variance

    def drop(state):
        active, _ = state
        fewer = active & (moved(active) > 0)
        # A total far below the digits of the field would round all cells to zero.
        return jnp.where(jnp.any(fewer) | (total <= 0), fewer, active), jnp.sum(active)

    def shrinking(state):
        # Of the cells that were handed on: a compiler may form `fewer` twice, each with its own rounding,
        # and comparing it where it is made may then go on without end.
        active, before = state
        return jnp.sum(active) < before

    everything = jnp.ones(mean.shape, bool)
    return lax.while_loop(shrinking, drop, drop((everything, 0)))[0]
