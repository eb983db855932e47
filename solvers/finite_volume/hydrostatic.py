"""Hydrostatic reconstruction: shallow water over a bed, in which a lake at rest stays at rest.

At a face the water on either side is lowered onto the higher bed, h* = max(h + z − max(z_L, z_R), 0),
and the flux is that of the lowered states. The difference in hydrostatic force, ½gh*² − ½gh², acts
on the cell of each side; inside a cell the bed pushes with −g h̄ Δz. Depths stay non-negative.

Reference: E. Audusse et al., SIAM J. Sci. Comput. 25 (2004) 2050, doi:10.1137/S1064827503431090.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..laws.shallow_water import ShallowWater
from .ghosts import cut
from .riemann import AbstractRiemann

Faces = Float[Array, "channels *faces"]
Bed = Float[Array, "one *faces"]


def hydrostatic_flux(
    law: ShallowWater,
    riemann: AbstractRiemann,
    left: Faces,
    right: Faces,
    beds: tuple[Bed, Bed],
    axis: int,
) -> tuple[Faces, Float[Array, "one *space"]]:
    """Flux through the faces of an axis, and the force of the bed on the cells between them.

    Args:
        law: the equations.
        riemann: flux from face states.
        left: primitive states left of the faces.
        right: primitive states right of the faces.
        beds: elevation of the bed on the two sides.
        axis: space axis.
    """
    top = jnp.maximum(*beds)
    lowered = [
        jnp.concatenate([jnp.maximum(w[:1] + (bed - top), 0.0), w[1:]])
        for w, bed in zip((left, right), beds, strict=True)
    ]
    flux = riemann(law, lowered[0], lowered[1], axis)
    lost = [
        law.hydrostatic_force(low[:1]) - law.hydrostatic_force(w[:1])
        for low, w in zip(lowered, (left, right), strict=True)
    ]
    # The left state of a face belongs to the upper end of a cell, the right one to a lower end.
    upper, lower = cut(left[:1], axis, 1, None), cut(right[:1], axis, 0, -1)
    drop = cut(beds[1], axis, 0, -1) - cut(beds[0], axis, 1, None)
    inside = 0.5 * law.gravity.astype(left.dtype) * (lower + upper) * drop
    return flux, cut(lost[0], axis, 1, None) - cut(lost[1], axis, 0, -1) + inside
