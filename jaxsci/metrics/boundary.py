r"""Boundary error: how far a field is from its boundary condition.

    Dirichlet  max |u_b − α_b|,     Neumann  max |(∂u/∂x)_b − α_b|,     periodic  max |u_0 − u_N|

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through
physics-based boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, which reports the norm over
the boundary nodes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..constraints import AbstractEnds, DirichletEnds, Sides


def boundary_error(
    prediction: Float[Array, "channels *space"],
    values: ArrayLike | tuple[ArrayLike | None, ...] | None,
    ends: AbstractEnds | Sides | None = None,
) -> Float[Array, ""]:
    """Largest absolute residual of the condition at the ends of one nodal field.

    Args:
        prediction: the field; its first and last nodes lie on the boundary.
        values: α as the condition takes it, such as (2,) or (channels, 2): the prescribed values, or
            derivatives; None where the condition has none (periodic ends). A tuple for `Sides`.
        ends: the condition, at the ends of the last axis or on the sides of a box; `DirichletEnds()` by
            default.

    Raises:
        ValueError: values or fields that do not fit the condition.
    """
    ends = DirichletEnds() if ends is None else ends
    prescribed: Any = jax.tree.map(lambda v: jnp.asarray(v, prediction.dtype), values)
    return ends.error(prediction, prescribed)
