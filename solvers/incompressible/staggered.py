"""The staggered (marker-and-cell) grid: velocities on faces, pressure in cells.

Component d of the velocity lives at the centres of the faces normal to axis d, the pressure at the
centres of the cells. Then

    (∇·u)_cell = Σ_d (u_d,upper − u_d,lower)/h_d,    (∇p)_face = (p_above − p_below)/h_d

are each other's negative adjoints, and no chequered pressure hides from the gradient. An axis of n
cells has n + 1 faces between walls, the two walls among them, and n faces if it is periodic, where
face i is the lower one of cell i.

Reference: F. H. Harlow, J. E. Welch, Phys. Fluids 8 (1965) 2182, doi:10.1063/1.1761178.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ..grid import Grid

Velocity = tuple[Float[Array, "..."], ...]
"""One array of face values a component; their shapes are `StaggeredGrid.face_shapes`."""


class StaggeredGrid(eqx.Module):
    """Where velocities and pressure live, and the differences and means between these places.

    Args:
        cells: a uniform grid of two or more dimensions, at least 4 cells an axis.
        periodic: whether each axis closes on itself; between walls otherwise.

    Raises:
        ValueError: for a grid of one dimension, a stretched one, or one of too few cells.
    """

    cells: Grid
    periodic: tuple[bool, ...] = eqx.field(static=True)

    def __check_init__(self):
        if not isinstance(self.cells, Grid):
            raise TypeError(
                f"StaggeredGrid expected cells as a Grid, got {type(self.cells).__name__}; write "
                "StaggeredGrid(Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 8)))."
            )
        if self.cells.ndim < 2 or min(self.cells.shape) < 4 or None in self.cells.spacings:
            raise ValueError(
                "StaggeredGrid expected a uniform grid of 2 or more dimensions with at least 4 "
                f"cells an axis, got {'a stretched' if None in self.cells.spacings else 'a'} grid "
                f"of shape {self.cells.shape}; make one with Grid.uniform."
            )
        if len(self.periodic) != self.ndim:
            raise ValueError(
                f"StaggeredGrid expected {self.ndim} entries in periodic, got {self.periodic}; "
                "give one an axis."
            )

    @property
    def ndim(self) -> int:
        """Number of space dimensions, and of velocity components."""
        return self.cells.ndim

    @property
    def spacings(self) -> tuple[float, ...]:
        """Cell width of each axis."""
        return tuple(float(widths[0]) for widths in self.cells.widths)

    @property
    def face_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each velocity component."""
        shape = self.cells.shape
        return tuple(
            tuple(n + (a == d and not closed) for a, n in enumerate(shape))
            for d, closed in enumerate(self.periodic)
        )

    def positions(self, component: int) -> tuple[Float[np.ndarray, "..."], ...]:
        """Coordinates of a velocity component, one array an axis, that broadcast to its shape."""
        places = list(self.cells.centers)
        faces = self.cells.faces[component]
        places[component] = faces[:-1] if self.periodic[component] else faces
        return np.ix_(*places)

    def sample(self, field: Callable[[tuple[Array, ...]], Any], dtype: Any = None) -> Velocity:
        """A velocity from a function of position that returns its components.

        The faces in the walls get zero: nothing flows through them.

        Args:
            field: maps coordinates, one array an axis, to one array (or scalar) a component.
            dtype: floating-point type; JAX's default otherwise.

        Raises:
            ValueError: when the function returns another number of components.
        """
        kind = jnp.result_type(float) if dtype is None else dtype
        components = []
        for d, shape in enumerate(self.face_shapes):
            x = tuple(jnp.asarray(place, dtype=kind) for place in self.positions(d))
            values = field(x)
            if len(values) != self.ndim:
                raise ValueError(
                    f"A velocity or force was expected to have {self.ndim} components, got "
                    f"{len(values)}; return one array (or scalar) a component."
                )
            value = jnp.asarray(values[d]).astype(kind)
            components.append(self.pin(jnp.broadcast_to(value, shape), d))
        return tuple(components)

    def lower_upper(self, u: Array, axis: int) -> tuple[Array, Array]:
        """Values on the lower and on the upper face of every cell of an axis."""
        faces = lax.concatenate([u, cut(u, axis, 0, 1)], axis) if self.periodic[axis] else u
        return cut(faces, axis, 0, -1), cut(faces, axis, 1, None)

    def below_above(
        self, c: Array, axis: int, beyond: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array]:
        """Values in the cell below and in the cell above every face of an axis.

        Args:
            c: values at the centres of the axis.
            axis: the axis.
            beyond: values behind the lower and the upper wall; by default those before it.
        """
        first, last = cut(c, axis, 0, 1), cut(c, axis, -1, None)
        if self.periodic[axis]:
            ghosted = [last, c]
        else:
            lower, upper = (first, last) if beyond is None else beyond
            ghosted = [lower, c, upper]
        # Both are slices of one array: XLA makes gradients of two shifted copies four times slower.
        cells = lax.concatenate(ghosted, axis)
        return cut(cells, axis, 0, -1), cut(cells, axis, 1, None)

    def pin(self, u: Float[Array, "..."], component: int) -> Float[Array, "..."]:
        """The component with zeros in the walls that it is normal to."""
        if self.periodic[component]:
            return u
        inner = cut(u, component, 1, -1)
        return jnp.pad(inner, [(int(a == component),) * 2 for a in range(u.ndim)])

    def divergence(self, u: Velocity) -> Float[Array, "*cells"]:
        """∇·u in the cells."""
        total = jnp.zeros(self.cells.shape, u[0].dtype)
        for axis, h in enumerate(self.spacings):
            lower, upper = self.lower_upper(u[axis], axis)
            total = total + (upper - lower) / h
        return total

    def gradient(self, p: Float[Array, "*cells"]) -> Velocity:
        """∇p on the faces; zero in the walls."""
        pairs = (self.below_above(p, axis) for axis in range(self.ndim))
        return tuple(
            (above - below) / h for (below, above), h in zip(pairs, self.spacings, strict=True)
        )

    def centered(self, u: Velocity) -> Float[Array, "components *cells"]:
        """The velocity in the cells: the mean of their two faces, component by component."""
        pairs = (self.lower_upper(u[axis], axis) for axis in range(self.ndim))
        return jnp.stack([0.5 * (lower + upper) for lower, upper in pairs])

    def energy(self, u: Velocity) -> Float[Array, ""]:
        """Kinetic energy ½ ∫ |u|² dx, which central convection neither makes nor destroys."""
        volume = float(np.prod(self.spacings))
        return 0.5 * volume * jnp.sum(jnp.stack([jnp.sum(component**2) for component in u]))

    def check(self, u: Velocity) -> None:
        """Refuse a velocity that does not fit the faces, or is not of one floating type.

        Raises:
            ValueError: naming the shapes or types.
        """
        shapes = tuple(component.shape for component in u)
        if shapes != self.face_shapes:
            raise ValueError(
                f"A velocity was expected to have components of shapes {self.face_shapes}, got "
                f"{shapes}; make one with sample, and use jax.vmap for batches."
            )
        kinds = {component.dtype for component in u}
        if len(kinds) > 1 or not jnp.issubdtype(u[0].dtype, jnp.floating):
            raise ValueError(
                "A velocity was expected to have components of one floating-point type, got "
                f"{', '.join(str(component.dtype) for component in u)}; convert them first."
            )


def cut(u: Array, axis: int, start: int, stop: int | None) -> Array:
    """Slice start:stop along an axis; negative indices count from the end."""
    first, last, _ = slice(start, stop).indices(u.shape[axis])
    return lax.slice_in_dim(u, first, last, axis=axis)
