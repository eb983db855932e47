"""What exact Riemann solutions share: a root, and answers in the precision of the question.

`positive_root` is a safeguarded Newton method for the one positive root of an increasing, concave function,
x ← max(x − r(x)/r'(x), x/100). From the left of the root such iterates grow towards it without ever
passing it; from the right the first step leads to the left, and the bound keeps it positive.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Tree = TypeVar("Tree")


def in_precision_of(x: Array, tree: Tree) -> Tree:
    """The tree with its floating-point leaves in x's precision."""
    cast = lambda leaf: leaf.astype(x.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(cast, tree)


def positive_root(
    residual: Callable[[Array, Any], Array], guess: Float[Array, ""], args: Any, *, steps: int = 60
) -> Float[Array, ""]:
    """The root x of residual(x, args) = 0, differentiable in args as an implicit function.

    Args:
        residual: increasing and concave in x > 0.
        guess: a positive start.
        args: parameters.
        steps: Newton steps.
    """

    def slope(x: Array, args: Any) -> tuple[Array, Array]:
        return jax.jvp(lambda y: residual(y, args), (x,), (jnp.ones_like(x),))

    fixed = lax.stop_gradient(args)

    def newton(_, x: Array) -> Array:
        value, rate = slope(x, fixed)
        return jnp.maximum(x - value / rate, 0.01 * x)

    root = lax.stop_gradient(lax.fori_loop(0, steps, newton, lax.stop_gradient(guess)))
    # This last step is what is differentiated.
    return root - residual(root, args) / lax.stop_gradient(slope(root, fixed)[1])
