r"""Coverage of prediction intervals, (1/n) Σ_i 1[ l_i ≤ y_i ≤ u_i ]."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import checked_pair


def interval_coverage(
    lower: Float[Array, "*field"], upper: Float[Array, "..."], target: Float[Array, "..."]
) -> Float[Array, ""]:
    """Share of the points of one field that lie in their interval, ends included.

    An interval whose ends are crossed, or NaN, holds nothing and counts as a miss.

    Raises:
        ValueError: shapes that differ.
    """
    lower, upper = checked_pair("interval_coverage", lower, upper)
    lower, target = checked_pair("interval_coverage", lower, target)
    return jnp.mean(((lower <= target) & (target <= upper)).astype(target.dtype))
