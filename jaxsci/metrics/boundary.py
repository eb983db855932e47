r"""Boundary error: how far a field is from its boundary condition.

    Dirichlet  max |u_b − α_b|,     Neumann  max |(∂u/∂x)_b − α_b|,     periodic  max |u_0 − u_N|

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through
physics-based boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, which reports the norm over
the boundary nodes.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..constraints import AbstractEnds, DirichletEnds


def boundary_error(
    prediction: Float[Array, "channels nodes"],
    values: ArrayLike | None,
    ends: AbstractEnds | None = None,
) -> Float[Array, ""]:
    """Largest absolute residual of the condition at both ends of one nodal field.

    Args:
        prediction: the field; its first and last node lie on the boundary.
        values: α, shape (2,) or (channels, 2): the prescribed values, or derivatives; None where
            the condition has none (periodic ends).
        ends: the condition, `DirichletEnds()` by default.

    Raises:
        ValueError: values or fields that do not fit the condition.
    """
    ends = DirichletEnds() if ends is None else ends
    prescribed = None if values is None else jnp.asarray(values, prediction.dtype)
    return ends.error(prediction, prescribed)
