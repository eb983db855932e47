r"""Deterministic errors of a field.

    relative L2 = ‖u − v‖₂ / ‖v‖₂,      MSE = (1/n) Σ_i (u_i − v_i)²

with the norm over channels and points together, as the Fourier neural operator is trained and
scored: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
arXiv:2010.08895.
"""

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from ._checks import checked_pair


def relative_l2(
    prediction: Float[Array, "channels *space"], target: Float[Array, "..."]
) -> Float[Array, ""]:
    """‖prediction − target‖ / ‖target‖ of one sample, over channels and points together.

    The gradient at ``prediction == target`` is 0, the subgradient of least norm, so that the metric
    can be a loss. Fields of any magnitude are safe: nothing is squared before it is scaled.

    Raises:
        ValueError: shapes that differ, or a target that is zero everywhere. Inside jit, vmap or
            grad a zero target gives NaN instead, which a training loop stops at.
    """
    prediction, target = checked_pair("relative_l2", prediction, target)
    # The ratio does not depend on the scale, so its derivative must not pass through it.
    scale = jax.lax.stop_gradient(jnp.abs(target).max())
    if not isinstance(scale, Tracer) and scale == 0:
        raise ValueError(
            "relative_l2 expected a target that is not zero everywhere, got zeros; use mse, which "
            "needs no reference size."
        )
    return _norm((prediction - target) / scale) / _norm(target / scale)


def mse(
    prediction: Float[Array, "channels *space"], target: Float[Array, "..."]
) -> Float[Array, ""]:
    """Mean squared error of one sample over channels and points, in the square of their unit.

    Raises:
        ValueError: shapes that differ.
    """
    prediction, target = checked_pair("mse", prediction, target)
    return jnp.mean((prediction - target) ** 2)


def _norm(x: Float[Array, "..."]) -> Float[Array, ""]:
    """‖x‖₂ whose derivative at 0 is 0."""
    square = jnp.sum(x**2)
    zero = square == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, square)))
