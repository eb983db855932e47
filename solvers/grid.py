"""Rectilinear grids of cells: faces, centres, widths, volumes and quadrature weights.

A field on a grid holds cell averages, u_i = 1/|C_i| ∫_{C_i} u dx, in an array
``(channels, *grid.shape)``; then Σ_i |C_i| u_i is the integral of u without any quadrature error.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapter 4.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float


class Grid(eqx.Module):
    """A rectilinear grid in one or more dimensions, uniform or stretched.

    The coordinates are static, not leaves: geometry is known when a program is compiled, so every
    width is a double-precision constant in it even where the fields are single precision, and a
    grid can be closed over or passed to ``jax.jit`` alike. What a grid hands out is therefore
    NumPy; `integrate` casts it to the field's precision.

    Args:
        axes: the face coordinates of each axis, strictly increasing.

    Raises:
        ValueError: when the faces of an axis are too few, not finite or not increasing.
    """

    axes: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    _spacings: tuple[float | None, ...] = eqx.field(static=True)

    def __init__(self, *axes: ArrayLike | Sequence[float]):
        if not axes:
            raise ValueError(
                "Grid expected the faces of at least one axis, got none; pass one array an axis."
            )
        self.axes = tuple(_checked_faces(faces, axis) for axis, faces in enumerate(axes))
        self._spacings = (None,) * len(axes)

    @classmethod
    def from_faces(cls, *axes: ArrayLike | Sequence[float]) -> "Grid":
        """The grid with these face coordinates, one strictly increasing array an axis."""
        return cls(*axes)

    @classmethod
    def uniform(
        cls,
        lower: float | Sequence[float],
        upper: float | Sequence[float],
        cells: int | Sequence[int],
    ) -> "Grid":
        """A grid of equal cells: scalars in one dimension, one entry an axis in more.

        Args:
            lower: lower ends of the domain.
            upper: upper ends of the domain.
            cells: number of cells.

        Raises:
            ValueError: when the ends are not finite and ordered, or there is no cell.
        """
        lowers, uppers, counts = (tuple(np.atleast_1d(x).tolist()) for x in (lower, upper, cells))
        if not len(lowers) == len(uppers) == len(counts):
            raise ValueError(
                "Grid.uniform expected as many entries in lower, upper and cells, got "
                f"{len(lowers)}, {len(uppers)} and {len(counts)}; give one entry an axis to each."
            )
        for a, b, n in zip(lowers, uppers, counts, strict=True):
            if not (math.isfinite(a) and math.isfinite(b) and a < b):
                raise ValueError(
                    f"Grid.uniform expected finite ends with lower < upper, got {a} and {b}; "
                    "order the ends of the domain."
                )
            if not isinstance(n, int) or n < 1:
                raise ValueError(
                    f"Grid.uniform expected a whole number of cells >= 1, got {n}; "
                    "ask for at least one cell an axis."
                )
        spacings = tuple((b - a) / n for a, b, n in zip(lowers, uppers, counts, strict=True))
        grid = cls(
            *(np.linspace(a, b, n + 1) for a, b, n in zip(lowers, uppers, counts, strict=True))
        )
        # The differences of rounded coordinates are not equal; the exact spacing is kept.
        object.__setattr__(grid, "_spacings", spacings)
        return grid

    def window(self, shape: Sequence[int]) -> "Grid":
        """The grid of the first cells of each axis, as wide as they are to the last digit.

        Raises:
            ValueError: where a stretched axis would be cut, whose windows are not alike.
        """
        for axis, (n, whole, h) in enumerate(zip(shape, self.shape, self.spacings, strict=True)):
            if h is None and n != whole:
                raise ValueError(
                    f"Grid.window expected equal cells along axis {axis}, which it cuts, got a "
                    "stretched one; use Grid.uniform."
                )
        grid = Grid(*(faces[: n + 1] for faces, n in zip(self.axes, shape, strict=True)))
        object.__setattr__(grid, "_spacings", self._spacings)
        return grid

    @property
    def ndim(self) -> int:
        """Number of space dimensions."""
        return len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(len(faces) - 1 for faces in self.axes)

    @property
    def spacings(self) -> tuple[float | None, ...]:
        """The cell width of each axis where it is one number, None on a stretched axis."""
        return self._spacings

    @property
    def faces(self) -> tuple[Float[np.ndarray, "_"], ...]:
        """Face coordinates, one array of length cells + 1 an axis."""
        return tuple(np.asarray(faces, dtype=np.float64) for faces in self.axes)

    @property
    def centers(self) -> tuple[Float[np.ndarray, "_"], ...]:
        """Coordinates of the cell centres, one array an axis."""
        return tuple(0.5 * (faces[:-1] + faces[1:]) for faces in self.faces)

    @property
    def widths(self) -> tuple[Float[np.ndarray, "_"], ...]:
        """Cell widths, one array an axis."""
        return tuple(
            np.diff(faces) if h is None else np.full(len(faces) - 1, h)
            for faces, h in zip(self.faces, self.spacings, strict=True)
        )

    @property
    def volumes(self) -> Float[np.ndarray, "*shape"]:
        """Cell volumes (lengths in one dimension), of shape `shape`."""
        product = np.ones(())
        for widths in self.widths:
            product = np.multiply.outer(product, widths)
        return product

    @property
    def quadrature_weights(self) -> Float[np.ndarray, "*shape"]:
        """Weights that integrate a field of cell averages exactly: the volumes."""
        return self.volumes

    def integrate(self, field: Float[Array, "..."]) -> Float[Array, "..."]:
        """∫ u dx over the domain, for cell averages u in the trailing space axes.

        Args:
            field: array of shape ``(..., *shape)``.

        Returns:
            Array of the leading shape, in the field's precision.

        Raises:
            ValueError: when the trailing axes are not the grid's.
        """
        if field.shape[field.ndim - self.ndim :] != self.shape:
            raise ValueError(
                f"Grid.integrate expected trailing axes {self.shape}, got a field of shape "
                f"{field.shape}; put the space axes last."
            )
        if not jnp.issubdtype(field.dtype, jnp.inexact):
            field = field.astype(float)  # volumes would round to zero in integers
        weights = jnp.asarray(self.volumes, dtype=field.dtype)
        return jnp.sum(field * weights, axis=tuple(range(-self.ndim, 0)))


def _checked_faces(faces: ArrayLike | Sequence[float], axis: int) -> tuple[float, ...]:
    if np.iscomplexobj(faces):
        raise ValueError(
            f"Grid expected real face coordinates on axis {axis}, got complex ones; take their real part."
        )
    coordinates = np.asarray(faces, dtype=np.float64)
    if coordinates.ndim != 1 or coordinates.size < 2:
        raise ValueError(
            f"Grid expected at least 2 face coordinates in one array for axis {axis}, got shape "
            f"{coordinates.shape}; n cells have n + 1 faces."
        )
    if not np.all(np.isfinite(coordinates)):
        raise ValueError(
            f"Grid expected finite face coordinates on axis {axis}, got NaN or infinity; "
            "remove them."
        )
    if not np.all(np.diff(coordinates) > 0):
        first = int(np.argmin(np.diff(coordinates) > 0))
        raise ValueError(
            f"Grid expected strictly increasing faces on axis {axis}, got "
            f"{coordinates[first]} followed by {coordinates[first + 1]}; sort the faces and "
            "remove duplicates."
        )
    return tuple(coordinates.tolist())
