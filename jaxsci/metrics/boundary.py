r"""Boundary error: how far a field is from its boundary condition.

    Dirichlet  max |u_b − α_b|,     Neumann  max |(∂u/∂x)_b − α_b|,     periodic  max |u_0 − u_N|

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through
physics-based boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, which reports the norm over
the boundary nodes.
"""

from typing import Any

from jaxtyping import ArrayLike, Float

from .._numeric import AnyArray, numeric
from ..constraints import AbstractEnds, DirichletEnds, Sides


@numeric("prediction")
def boundary_error(
    prediction: Float[AnyArray, "channels *space"],
    values: ArrayLike | tuple[ArrayLike | None, ...] | None,
    ends: AbstractEnds | Sides | None = None,
) -> Float[AnyArray, ""]:
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
    if not isinstance(ends, AbstractEnds | Sides):
        raise TypeError(
            f"boundary_error expected ends or Sides, got {type(ends).__name__}; give a condition such as "
            "DirichletEnds()."
        )
    given: Any = values
    return ends.error(prediction, given)
