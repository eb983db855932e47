"""Quotients and square roots that stay finite where there is nothing, their derivatives too.

The derivative of x/y by y is −x/y², and y² underflows long before y does: beside dry ground, or near a
vacuum, 0/0² is NaN although x/y is not. Here it is −(x/y)/y. Below the last few decades of the
precision's range y counts as zero, so that no product of the factors of a chain rule overflows.

Reference: A. Griewank, A. Walther, Evaluating Derivatives (2008), section 13.2, for the form (u̇ − v ẇ)/w.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Values = Float[Array, "..."]


@jax.custom_jvp
def quotient(x: Values, y: Values) -> Values:
    """x/y, and x where y is zero: what is divided there is nothing, too."""
    none = jnp.abs(y) <= _least(y)  # not so where y is NaN, which the quotient then is, too
    return x / jnp.where(none, 1.0, y)  # a `where` around it would double the time of a step


@quotient.defjvp
def _(primals: tuple[Values, Values], tangents: tuple[Values, Values]) -> tuple[Values, Values]:
    (x, y), (dx, dy) = primals, tangents
    ratio = quotient(x, y)
    return ratio, quotient(dx - ratio * dy, y)


def root(x: Values) -> Values:
    """√max(x, 0), with derivative zero where x ≤ 0."""
    none = x <= _least(x)
    return jnp.where(none, 0.0, jnp.sqrt(jnp.where(none, 1.0, x)))


def _least(x: Values) -> float:
    """What counts as zero: 3e-35 in single precision, 7e-278 in double."""
    return float(jnp.finfo(x.dtype).tiny) ** 0.9
