"""States at the faces: reconstructed, kept meaningful, and what the conditions prescribe at the ends.

Where a condition prescribes a value, the Riemann flux between it and the interior decides what of it
enters, as in Bardos, le Roux and Nédélec (1979), doi:10.1080/03605307908820117. The value of a Robin
condition with a slope comes from the interior itself, so its flux is that of the value, f(u).

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapters 6 and 7.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..boundary import Periodic, Robin, prescribed
from ..laws.gas import AbstractGas
from ..laws.law import State
from ..laws.system import AbstractSystem
from .ghosts import LOWER, PRESCRIBES, UPPER, Slab, cut, face_state
from .hydrostatic import Bed
from .riemann import HasExactFlux
from .shifts import shifts
from .weno import AbstractWENO5

if TYPE_CHECKING:
    from .conservative import FiniteVolume

Faces = Float[Array, "channels *faces"]


def face_states(
    field: "FiniteVolume", t: ArrayLike, w: State, axis: int, bed: Array | None = None
) -> tuple[Faces, Faces, tuple[Bed, Bed] | None]:
    """Primitive states on the two sides of all faces of an axis, and the bed there.

    The bed is what the surface is above the depth, both reconstructed: so the surface of a lake at
    rest stays level whatever the limiter does.
    """
    width = field.reconstruction.width
    padded = field._padded(t, w, axis)
    if bed is not None:
        padded = jnp.concatenate([padded, padded[:1] + bed])
    # The face between cells i − 1 and i reads the padded cells i, ..., i + 2·width − 1.
    stencil = shifts(padded, axis, 2 * width)
    left, right = _reconstructed(field, stencil, axis, w)
    if bed is None:
        return *_meaningful(field, t, w, axis, stencil, left, right), None
    beds = left[-1:] - left[:1], right[-1:] - right[:1]
    stencil = [cells[:-1] for cells in stencil]
    return *_meaningful(field, t, w, axis, stencil, left[:-1], right[:-1]), beds


def impose_values(
    field: "FiniteVolume",
    t: ArrayLike,
    w: State,
    axis: int,
    flux: Faces,
    left: Faces,
    right: Faces,
) -> Faces:
    """Replace the fluxes of ends with values by the exact flux between value and interior."""
    law, (lower, upper) = field.law, field.boundary[axis]
    assert isinstance(law, HasExactFlux)
    if isinstance(lower, PRESCRIBES):
        value, inner = _end_states(field, t, w, axis, right, LOWER)
        flux = field._with_end(flux, law.godunov_flux(value, inner, axis), axis, LOWER)
    if isinstance(upper, PRESCRIBES):
        value, inner = _end_states(field, t, w, axis, left, UPPER)
        flux = field._with_end(flux, law.godunov_flux(inner, value, axis), axis, UPPER)
    return flux


def along(values: float | np.ndarray, axis: int, like: State) -> float | Array:
    """A static array, shaped to broadcast along one space axis of a state."""
    if not isinstance(values, np.ndarray):
        return values
    shape = [1] * like.ndim
    shape[axis + 1] = -1
    return jnp.asarray(values.reshape(shape), dtype=like.dtype)


def _reconstructed(
    field: "FiniteVolume", stencil: Sequence[Slab], axis: int, like: Float[Array, "_ *space"]
) -> tuple[Faces, Faces]:
    law, rule = field.law, field.reconstruction
    if not (isinstance(rule, AbstractWENO5) and rule.characteristic):
        return rule(stencil, _stencil_widths(field, axis, like))
    assert isinstance(law, AbstractGas)
    mean = 0.5 * (stencil[rule.width - 1] + stencil[rule.width])
    sides = rule([law.to_characteristic(w, mean, axis) for w in stencil], None)
    left, right = (law.from_characteristic(side, mean, axis) for side in sides)
    return left, right


def _stencil_widths(field: "FiniteVolume", axis: int, like: State) -> list[Array] | None:
    if field.grid.spacings[axis] is not None:
        return None
    width, faces = field.reconstruction.width, like.shape[axis + 1] + 1
    mode = "wrap" if isinstance(field.boundary[axis][LOWER], Periodic) else "symmetric"
    ghosted = np.pad(field.grid.widths[axis], width, mode=mode)
    return [jnp.asarray(along(ghosted[j : j + faces], axis, like)) for j in range(2 * width)]


def _meaningful(
    field: "FiniteVolume",
    t: ArrayLike,
    w: State,
    axis: int,
    stencil: list[Slab],
    left: Faces,
    right: Faces,
) -> tuple[Faces, Faces]:
    """Face states that have a meaning, and are the prescribed ones of a system."""
    law, width = field.law, field.reconstruction.width
    if not isinstance(law, AbstractSystem):
        return left, right
    below, above = stencil[width - 1], stencil[width]
    left = below + law.limit_jump(below, left - below)
    right = above + law.limit_jump(above, right - above)
    lower, upper = field.boundary[axis]
    if isinstance(lower, PRESCRIBES) and not isinstance(law, HasExactFlux):
        value, inner = _end_states(field, t, w, axis, right, LOWER)
        left = field._with_end(left, value, axis, LOWER)
        right = field._with_end(right, inner, axis, LOWER)
    if isinstance(upper, PRESCRIBES) and not isinstance(law, HasExactFlux):
        value, inner = _end_states(field, t, w, axis, left, UPPER)
        left = field._with_end(left, inner, axis, UPPER)
        right = field._with_end(right, value, axis, UPPER)
    return left, right


def _end_states(
    field: "FiniteVolume", t: ArrayLike, w: State, axis: int, states: Faces, end: int
) -> tuple[Slab, Slab]:
    """The prescribed state, and the one inside the face, between it and the cell's."""
    side = field.boundary[axis][end]
    assert isinstance(side, PRESCRIBES)
    first, last = (0, 1) if end == LOWER else (-1, None)
    cell = cut(w, axis, first, last)
    value = face_state(field.law, field.grid, side, t, cell, axis, end)
    inner = jnp.clip(
        cut(states, axis, first, last), jnp.minimum(value, cell), jnp.maximum(value, cell)
    )
    if isinstance(side, Robin):
        inner = jnp.where(prescribed(side.b, t, cell, axis) == 0, inner, value)
    return value, inner
