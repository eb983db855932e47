"""The ends of an axis: ghost cells, the state that a condition prescribes there, and diffusive fluxes.

Each boundary condition is continued into the mirror image of the cells inside: linearly through a
prescribed value or slope, constantly for outflow, reflected at a wall.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapter 7.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ..boundary import AbstractBoundary, Dirichlet, Neumann, Periodic, Robin, Wall, prescribed
from ..grid import Grid
from ..laws.law import AbstractLaw, State, diffusive_flux
from ..laws.system import AbstractSystem

Slab = Float[Array, "..."]
Sides = tuple[AbstractBoundary, AbstractBoundary]
LOWER, UPPER = 0, 1
PRESCRIBES = (Dirichlet, Robin)


def cut(u: Array, axis: int, start: int, stop: int | None) -> Array:
    """Slice of the cells start:stop along a space axis; negative indices count from the end."""
    size = u.shape[axis + 1]
    first = start + size if start < 0 else start
    last = size if stop is None else stop + size if stop < 0 else stop
    return lax.slice_in_dim(u, first, last, axis=axis + 1)


def pad_states(
    law: AbstractLaw, grid: Grid, sides: Sides, t: ArrayLike, w: State, axis: int, width: int
) -> Float[Array, "channels *padded"]:
    """Primitive variables with `width` ghost cells at both ends of an axis."""

    def ghost(end: int, depth: int) -> Slab:
        side, index = sides[end], _index(w, axis, end, depth)
        cell = cut(w, axis, index, index + 1)
        if isinstance(side, PRESCRIBES):
            edge = _index(w, axis, end, 0)
            beside = cut(w, axis, edge, edge + 1)
            return 2.0 * face_state(law, grid, side, t, beside, axis, end) - cell
        if isinstance(side, Neumann):
            faces, center = grid.faces[axis], grid.centers[axis][index]
            across = 2.0 * float(faces[0] - center if end == LOWER else faces[-1] - center)
            slope = prescribed(side.gradient, t, cell, axis)
            return law.to_primitive(law.to_conserved(cell) + slope * across)
        if isinstance(side, Wall):
            return law.reflect(cell, axis) if isinstance(law, AbstractSystem) else cell
        edge = _index(w, axis, end, 0)
        return cut(w, axis, edge, edge + 1)

    return _pad(sides, w, axis, width, ghost)


def pad_bed(
    sides: Sides, bed: Float[Array, "*space"], axis: int, width: int
) -> Float[Array, "channels *padded"]:
    """A bed of one channel, symmetric about walls and level beyond open ends."""
    z = bed[None]

    def ghost(end: int, depth: int) -> Slab:
        index = _index(z, axis, end, depth if isinstance(sides[end], Wall) else 0)
        return cut(z, axis, index, index + 1)

    return _pad(sides, z, axis, width, ghost)


def half_width(grid: Grid, axis: int, end: int) -> float:
    """The distance from the face at an end to the centre of the cell beside it."""
    return 0.5 * float(grid.widths[axis][0 if end == LOWER else -1])


def face_value(
    grid: Grid, side: Dirichlet | Robin, t: ArrayLike, u: Slab, axis: int, end: int
) -> Slab:
    """The state that a condition prescribes at a face, beside cells u, in conserved variables."""
    if isinstance(side, Dirichlet):
        return jnp.broadcast_to(prescribed(side.value, t, u, axis), u.shape)
    return side.face(t, u, axis, half_width(grid, axis, end))


def face_state(
    law: AbstractLaw,
    grid: Grid,
    side: Dirichlet | Robin,
    t: ArrayLike,
    w: Slab,
    axis: int,
    end: int,
) -> Slab:
    """The same in primitive variables, beside cells w."""
    return law.to_primitive(face_value(grid, side, t, law.to_conserved(w), axis, end))


def end_flux(
    law: AbstractLaw, grid: Grid, side: AbstractBoundary, t: ArrayLike, u: Slab, axis: int, end: int
) -> Slab:
    """Diffusive flux through an end, along the increasing coordinate, beside cells u."""
    half = half_width(grid, axis, end) * (-1.0 if end == LOWER else 1.0)  # from centre to face
    if isinstance(side, Neumann):
        gradient = prescribed(side.gradient, t, u, axis)
        return diffusive_flux(law, u + gradient * half, gradient)
    if not isinstance(side, PRESCRIBES):
        return jnp.zeros_like(u)
    value = face_value(grid, side, t, u, axis, end)
    firm = (law.potential(u) - law.potential(value)) / half
    if isinstance(side, Dirichlet):
        return firm
    # As at a Dirichlet end where the value is prescribed, as at a Neumann end where the slope is.
    share = side.firmness(t, u, axis, abs(half))
    return share * firm + (1.0 - share) * diffusive_flux(law, value, (value - u) / half)


def _pad(
    sides: Sides, w: State, axis: int, width: int, ghost: Callable[[int, int], Slab]
) -> Float[Array, "channels *padded"]:
    if isinstance(sides[LOWER], Periodic):
        below, above = cut(w, axis, -width, None), cut(w, axis, 0, width)
        return lax.concatenate([below, w, above], axis + 1)
    below = [ghost(LOWER, depth) for depth in reversed(range(width))]
    above = [ghost(UPPER, depth) for depth in range(width)]
    return lax.concatenate([*below, w, *above], axis + 1)


def _index(w: State, axis: int, end: int, depth: int) -> int:
    """Index of the cell `depth` cells inside an end."""
    return depth if end == LOWER else w.shape[axis + 1] - 1 - depth
