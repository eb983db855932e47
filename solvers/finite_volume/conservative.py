"""The conservative update, d u_i/dt = −(F_{i+½} − F_{i−½})/h_i + s_i, as a vector field.

F is the Riemann flux of the reconstructed states minus the difference of the diffusive potential Φ
between the neighbouring centres. What leaves one cell enters the next, so mass changes only through
the ends, and there the boundary conditions state the flux.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapters 4, 6, 15.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ..boundary import AbstractBoundary, Dirichlet, Neumann, Periodic, normalise, prescribed
from ..grid import Grid
from ..laws.law import AbstractLaw, State, diffusive_flux
from .nodes import node_values
from .reconstruction import MUSCL, AbstractReconstruction
from .riemann import AbstractRiemann, Rusanov

Slab = Float[Array, "..."]
Faces = Float[Array, "channels *faces"]
LOWER, UPPER = 0, 1


class FiniteVolume(eqx.Module):
    """A law discretised on a grid: ``f(t, u, args) -> du/dt`` for states of cell averages.

    It is what `solvers.solve` steps and what ``diffrax.ODETerm`` takes. The parameters of the law
    and the boundary values are leaves; grid and schemes are static.

    Args:
        law: the equation.
        grid: the cells.
        boundary: one condition for every side; in one dimension a (lower, upper) pair; in more,
            one entry an axis, each a condition or a pair.
        reconstruction: face states from cell averages.
        riemann: flux from face states.

    Raises:
        ValueError: when the conditions do not fit the grid.
        TypeError: for a part that is not one, such as a class in place of its instance.
    """

    law: AbstractLaw
    grid: Grid
    boundary: tuple[tuple[AbstractBoundary, AbstractBoundary], ...]
    reconstruction: AbstractReconstruction
    riemann: AbstractRiemann

    def __init__(
        self,
        *,
        law: AbstractLaw,
        grid: Grid,
        boundary: Any,
        reconstruction: AbstractReconstruction | None = None,
        riemann: AbstractRiemann | None = None,
    ):
        self.law = law
        self.grid = grid
        self.reconstruction = MUSCL() if reconstruction is None else reconstruction
        self.riemann = Rusanov() if riemann is None else riemann
        for name, part, kind in (
            ("law", law, AbstractLaw),
            ("grid", grid, Grid),
            ("reconstruction", self.reconstruction, AbstractReconstruction),
            ("riemann", self.riemann, AbstractRiemann),
        ):
            if not isinstance(part, kind):
                raise TypeError(
                    f"FiniteVolume expected {name} to be an instance of {kind.__name__}, got "
                    f"{part!r}; build one, as in reconstruction=MUSCL()."
                )
        self.boundary = normalise(boundary, grid.ndim)
        width = self.reconstruction.width if law.has_convection else 1
        if min(grid.shape) < width:
            raise ValueError(
                f"FiniteVolume expected at least {width} cells an axis for "
                f"{type(self.reconstruction).__name__}, got a grid of shape {grid.shape}; "
                "refine the grid or use PiecewiseConstant."
            )

    def __call__(self, t: ArrayLike, u: State, args: Any = None) -> State:
        """Time derivative of the cell averages.

        Raises:
            ValueError: when u does not have the shape ``(channels, *grid.shape)``.
        """
        del args
        self.check_state(u)
        total = jnp.zeros_like(u)
        for axis in range(self.grid.ndim):
            flux = self.face_flux(t, u, axis)
            change = _cut(flux, axis, 1, None) - _cut(flux, axis, 0, -1)
            total = total - change / self._along(self._widths(axis), axis, u)
        centers = jnp.meshgrid(
            *(jnp.asarray(c, dtype=u.dtype) for c in self.grid.centers), indexing="ij"
        )
        source = self.law.source(t, tuple(centers), u)
        return total if source is None else total + source

    def check_state(self, u: Array) -> None:
        """Refuse a state that does not fit the law and the grid, or is not of a floating type."""
        self.law.check_dimensions(self.grid.ndim)
        expected = (self.law.channels, *self.grid.shape)
        if u.shape != expected:
            raise ValueError(
                f"FiniteVolume expected u of shape (channels={expected[0]}, space={expected[1:]}), "
                f"got {u.shape}; use jax.vmap for batches, u[None] to add the channel axis."
            )
        if not jnp.issubdtype(u.dtype, jnp.floating):
            raise ValueError(
                f"FiniteVolume expected u of a floating-point type, got {u.dtype}; convert it first."
            )

    def face_flux(self, t: ArrayLike, u: State, axis: int = 0) -> Faces:
        """Numerical flux through all faces of an axis, the two ends included.

        Returns:
            Array of shape ``(channels, ..., cells + 1, ...)``.
        """
        flux = None
        if self.law.has_convection:
            flux = self._convective_flux(t, u, axis)
        if self.law.has_diffusion:
            diffusive = self._diffusive_flux(t, u, axis)
            flux = diffusive if flux is None else flux + diffusive
        if flux is None:
            pad = [(0, int(i == axis + 1)) for i in range(u.ndim)]
            return jnp.pad(jnp.zeros_like(u), pad)
        return flux

    def boundary_fluxes(self, t: ArrayLike, u: State, axis: int = 0) -> tuple[Slab, Slab]:
        """Numerical flux through the lower and the upper end, along the increasing coordinate.

        The mass of channel c changes at the rate ``lower[c] − upper[c]`` (times the face areas in
        more dimensions, plus sources).

        Returns:
            Two arrays of shape ``(channels, *transverse)``.
        """
        flux = self.face_flux(t, u, axis)
        return jnp.take(flux, 0, axis=axis + 1), jnp.take(flux, -1, axis=axis + 1)

    def node_values(self, t: ArrayLike, u: State, axis: int = 0) -> Faces:
        """Point values at the faces of an axis from the cell averages; see `nodes`."""
        self.check_state(u)
        return node_values(self.boundary[axis], self.grid.widths[axis], t, u, axis)

    def stability_rate(self, t: ArrayLike, u: State) -> Float[Array, ""]:
        """Reciprocal of the time step at which the CFL number is one.

        The sum over the axes of max|f'(u)|/h + max Φ'(u) · (1/d₋ + 1/d₊)/h, with d the distances
        between centres: convection and diffusion share the step. The prescribed boundary values
        count as states. Where Φ' is not monotone between neighbours it may exceed both their
        values; lower the CFL number for such a law. NaN where Φ' is negative. A Dirichlet value sits
        half a cell from its centre: a step is stable there up to a CFL number of one like
        elsewhere, but makes no new extrema only up to 2/3.
        """
        rate = jnp.zeros((), u.dtype)
        for axis in range(self.grid.ndim):
            states = [u, *self._dirichlet_values(t, u, axis)]
            widths = self.grid.widths[axis]
            if self.law.has_convection:
                speed = _largest([self.law.max_wave_speed(v, axis) for v in states])
                rate = rate + speed * float(np.max(1.0 / widths))
            if self.law.has_diffusion:
                distance = 0.5 * (np.append(widths, widths[-1]) + np.insert(widths, 0, widths[0]))
                geometry = float(np.max((1.0 / distance[1:] + 1.0 / distance[:-1]) / widths))
                rate = rate + _largest([self._diffusivity(v) for v in states]) * geometry
        return rate

    def _diffusivity(self, u: State) -> Float[Array, "..."]:
        """Φ'(u); NaN where it is negative, since no time step is stable then."""
        k = self.law.diffusivity(u)
        return jnp.where(k >= 0, k, jnp.nan)

    def _dirichlet_values(self, t: ArrayLike, u: State, axis: int) -> list[Slab]:
        edge = _cut(u, axis, 0, 1)
        return [
            jnp.broadcast_to(prescribed(side.value, t, edge, axis), edge.shape)
            for side in self.boundary[axis]
            if isinstance(side, Dirichlet)
        ]

    def _widths(self, axis: int) -> float | np.ndarray:
        spacing = self.grid.spacings[axis]
        return self.grid.widths[axis] if spacing is None else spacing

    @property
    def monotone_cfl(self) -> float:
        """Largest CFL number at which a forward Euler step makes no new extrema inside."""
        return self.reconstruction.monotone_cfl if self.law.has_convection else 1.0

    @staticmethod
    def _along(values: float | np.ndarray, axis: int, like: State) -> float | Array:
        """A static array, shaped to broadcast along one space axis of a state."""
        if not isinstance(values, np.ndarray):
            return values
        shape = [1] * like.ndim
        shape[axis + 1] = -1
        return jnp.asarray(values.reshape(shape), dtype=like.dtype)

    def _convective_flux(self, t: ArrayLike, u: State, axis: int) -> Faces:
        width = self.reconstruction.width
        padded = self._pad(t, u, axis, width)
        faces = u.shape[axis + 1] + 1
        # The face between cells i − 1 and i reads the padded cells i, ..., i + 2·width − 1.
        stencil = [_cut(padded, axis, j, j + faces) for j in range(2 * width)]
        widths = None
        if self.grid.spacings[axis] is None:
            mode = "wrap" if isinstance(self.boundary[axis][LOWER], Periodic) else "symmetric"
            ghosted = np.pad(self.grid.widths[axis], width, mode=mode)
            widths = [
                jnp.asarray(self._along(ghosted[j : j + faces], axis, u)) for j in range(2 * width)
            ]
        left, right = self.reconstruction(stencil, widths)
        flux = self.riemann(self.law, left, right, axis)
        return self._impose_dirichlet(t, u, axis, flux, left, right)

    def _impose_dirichlet(
        self, t: ArrayLike, u: State, axis: int, flux: Faces, left: Faces, right: Faces
    ) -> Faces:
        """Replace the fluxes of Dirichlet ends by the upwind flux between value and interior."""
        lower, upper = self.boundary[axis]
        if isinstance(lower, Dirichlet):
            edge = _cut(u, axis, 0, 1)
            value = jnp.broadcast_to(prescribed(lower.value, t, edge, axis), edge.shape)
            inner = _between(_cut(right, axis, 0, 1), value, edge)
            end = self.law.godunov_flux(value, inner, axis)
            flux = lax.concatenate([end, _cut(flux, axis, 1, None)], axis + 1)
        if isinstance(upper, Dirichlet):
            edge = _cut(u, axis, -1, None)
            value = jnp.broadcast_to(prescribed(upper.value, t, edge, axis), edge.shape)
            inner = _between(_cut(left, axis, -1, None), value, edge)
            end = self.law.godunov_flux(inner, value, axis)
            flux = lax.concatenate([_cut(flux, axis, 0, -1), end], axis + 1)
        return flux

    def _pad(
        self, t: ArrayLike, u: State, axis: int, width: int
    ) -> Float[Array, "channels *padded"]:
        """The state with `width` ghost cells at both ends of an axis."""
        lower, upper = self.boundary[axis]
        if isinstance(lower, Periodic):
            below, above = _cut(u, axis, -width, None), _cut(u, axis, 0, width)
            return lax.concatenate([below, u, above], axis + 1)
        below = [self._ghost(lower, t, u, axis, LOWER, j) for j in reversed(range(width))]
        above = [self._ghost(upper, t, u, axis, UPPER, j) for j in range(width)]
        return lax.concatenate([*below, u, *above], axis + 1)

    def _ghost(
        self, side: AbstractBoundary, t: ArrayLike, u: State, axis: int, end: int, depth: int
    ) -> Slab:
        """The mirror image of the cell `depth` cells from an end: linear through the condition."""
        index = depth if end == LOWER else u.shape[axis + 1] - 1 - depth
        cell = _cut(u, axis, index, index + 1)
        if isinstance(side, Dirichlet):
            return 2.0 * prescribed(side.value, t, cell, axis) - cell
        if isinstance(side, Neumann):
            faces, center = self.grid.faces[axis], self.grid.centers[axis][index]
            across = 2.0 * float(faces[0] - center if end == LOWER else faces[-1] - center)
            return cell + prescribed(side.gradient, t, cell, axis) * across
        edge = 0 if end == LOWER else u.shape[axis + 1] - 1
        return _cut(u, axis, edge, edge + 1)

    def _diffusive_flux(self, t: ArrayLike, u: State, axis: int) -> Faces:
        potential = self.law.potential(u)
        widths = self.grid.widths[axis]
        spacing = self.grid.spacings[axis]
        between = 0.5 * (widths[1:] + widths[:-1]) if spacing is None else spacing
        inner = (_cut(potential, axis, 0, -1) - _cut(potential, axis, 1, None)) / self._along(
            between, axis, u
        )
        lower, upper = self.boundary[axis]
        if isinstance(lower, Periodic):
            distance = 0.5 * float(widths[0] + widths[-1])
            wrapped = (_cut(potential, axis, -1, None) - _cut(potential, axis, 0, 1)) / distance
            return lax.concatenate([wrapped, inner, wrapped], axis + 1)
        ends = [
            self._diffusive_end(lower, t, u, potential, axis, LOWER),
            self._diffusive_end(upper, t, u, potential, axis, UPPER),
        ]
        return lax.concatenate([ends[LOWER], inner, ends[UPPER]], axis + 1)

    def _diffusive_end(
        self, side: AbstractBoundary, t: ArrayLike, u: State, potential: State, axis: int, end: int
    ) -> Slab:
        """Diffusive flux through an end; `half` is the way from the centre to the face."""
        index = 0 if end == LOWER else u.shape[axis + 1] - 1
        width = float(self.grid.widths[axis][index])
        half = -0.5 * width if end == LOWER else 0.5 * width
        cell = _cut(u, axis, index, index + 1)
        if isinstance(side, Dirichlet):
            value = jnp.broadcast_to(prescribed(side.value, t, cell, axis), cell.shape)
            return (_cut(potential, axis, index, index + 1) - self.law.potential(value)) / half
        if isinstance(side, Neumann):
            gradient = prescribed(side.gradient, t, cell, axis)
            return diffusive_flux(self.law, cell + gradient * half, gradient)
        return jnp.zeros_like(cell)


def _cut(u: Array, axis: int, start: int, stop: int | None) -> Array:
    """Slice of the cells start:stop along a space axis; negative indices count from the end."""
    size = u.shape[axis + 1]
    first = start + size if start < 0 else start
    last = size if stop is None else stop + size if stop < 0 else stop
    return lax.slice_in_dim(u, first, last, axis=axis + 1)


def _between(value: Slab, a: Slab, b: Slab) -> Slab:
    """The value, limited to the interval between a and b."""
    return jnp.clip(value, jnp.minimum(a, b), jnp.maximum(a, b))


def _largest(values: list[Float[Array, "..."]]) -> Float[Array, ""]:
    largest = jnp.max(values[0])
    for value in values[1:]:
        largest = jnp.maximum(largest, jnp.max(value))
    return largest
