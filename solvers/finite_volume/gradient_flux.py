"""Fluxes that depend on gradients: viscous stress and the conduction of heat.

At a face, the state is the mean of its two cells, the gradient along the normal their difference, and
the gradient along another axis the mean of the central differences in the two cells. Beyond the ends
the ghost cells supply both. Second order on uniform and smoothly stretched grids.

Reference: J. H. Ferziger, M. Perić, Computational Methods for Fluid Dynamics (2002), section 8.6.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike

from ..boundary import AbstractBoundary, Periodic, Wall
from ..grid import Grid
from ..laws.law import State
from ..laws.system import AbstractSystem
from .ghosts import LOWER, PRESCRIBES, UPPER, Slab, cut, face_state

if TYPE_CHECKING:
    from .conservative import FiniteVolume


@runtime_checkable
class HasGradientFlux(Protocol):
    """A law whose diffusive flux is a function of the state and of all its gradients."""

    def gradient_flux(self, w: State, gradients: Sequence[State], axis: int = 0) -> State:
        """Flux along an axis, from the primitive state at faces and its gradient, one an axis."""
        ...


def differences(padded: Slab, grid: Grid, axis: int, *, periodic: bool) -> Slab:
    """Differences of neighbouring cells over their distance, at all faces of an axis.

    Args:
        padded: cells with one ghost cell at both ends.
        grid: the cells.
        axis: of the differences.
        periodic: whether the ghost cells are those of the other end, and not mirror images.
    """
    distance = _distances(grid, axis, periodic)
    rise = cut(padded, axis, 1, None) - cut(padded, axis, 0, -1)
    return rise / _along(distance, axis, padded)


def central(padded: Slab, grid: Grid, axis: int, *, periodic: bool) -> Slab:
    """Central differences in the cells of an axis; see `differences`."""
    distance = _distances(grid, axis, periodic)
    rise = cut(padded, axis, 2, None) - cut(padded, axis, 0, -2)
    return rise / _along(distance[1:] + distance[:-1], axis, padded)


def pad_gradients(
    field: "FiniteVolume", t: ArrayLike, w: State, slopes: State, axis: int, along: int
) -> Slab:
    """The central differences along one axis, with a ghost cell at both ends of another.

    The ghosts are what the ghost cells of the state imply: mirrored at a wall, and opposite about the
    difference of the prescribed values at a Dirichlet or Robin side.
    """
    law, grid, sides = field.law, field.grid, field.boundary[axis]

    def ghost(end: int) -> Slab:
        side = sides[end]
        edge = cut(slopes, axis, 0, 1) if end == LOWER else cut(slopes, axis, -1, None)
        if isinstance(side, Wall) and isinstance(law, AbstractSystem):
            return law.reflect(edge, axis)
        if isinstance(side, PRESCRIBES):
            cell = cut(w, axis, 0, 1) if end == LOWER else cut(w, axis, -1, None)
            value = face_state(law, grid, side, t, cell, axis, end)
            periodic = is_periodic(field.boundary[along])
            spread = field._spread(value, along)
            return 2.0 * central(spread, grid, along, periodic=periodic) - edge
        return edge

    if isinstance(sides[LOWER], Periodic):
        ends = cut(slopes, axis, -1, None), cut(slopes, axis, 0, 1)
    else:
        ends = ghost(LOWER), ghost(UPPER)
    return lax.concatenate([ends[0], slopes, ends[1]], axis + 1)


def mean(padded: Slab, axis: int) -> Slab:
    """The mean of the two cells at all faces of an axis, from cells with one ghost at both ends."""
    return 0.5 * (cut(padded, axis, 0, -1) + cut(padded, axis, 1, None))


def is_periodic(sides: tuple[AbstractBoundary, AbstractBoundary]) -> bool:
    """Whether an axis closes on itself."""
    return isinstance(sides[LOWER], Periodic)


def _distances(grid: Grid, axis: int, periodic: bool) -> np.ndarray:
    """Distances of neighbouring centres, those of the ghost cells included."""
    widths = grid.widths[axis]
    below, above = (widths[-1], widths[0]) if periodic else (widths[0], widths[-1])
    ghosted = np.concatenate([[below], widths, [above]])
    return 0.5 * (ghosted[1:] + ghosted[:-1])


def _along(values: np.ndarray, axis: int, like: State) -> Array:
    shape = [1] * like.ndim
    shape[axis + 1] = -1
    return jnp.asarray(values.reshape(shape), dtype=like.dtype)
