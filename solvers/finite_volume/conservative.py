"""The conservative update, d u_i/dt = −(F_{i+½} − F_{i−½})/h_i + s_i, as a vector field.

F is the Riemann flux of the reconstructed states minus the difference of the diffusive potential Φ
between the neighbouring centres. What leaves one cell enters the next, so mass changes only through
the ends, and there the boundary conditions state the flux.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapters 4, 6, 15.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ..boundary import (
    AbstractBoundary,
    Neumann,
    Periodic,
    Wall,
    normalise,
)
from ..grid import Grid
from ..laws.law import AbstractLaw, State
from ..laws.shallow_water import ShallowWater
from ..laws.system import AbstractSystem, unit
from .checks import check_fit, check_kinds, check_state
from .faces import Faces, along, face_states, impose_values
from .ghosts import LOWER, UPPER, Slab, cut, end_flux, pad_bed, pad_states
from .gradient_flux import HasGradientFlux, central, differences, is_periodic, mean, pad_gradients
from .hydrostatic import hydrostatic_flux
from .nodes import node_values
from .reconstruction import MUSCL, AbstractReconstruction
from .riemann import AbstractRiemann, HasExactFlux, Rusanov, fitting
from .shifts import shifts
from .stability import least_diffusivity, stability_rate

Push = Float[Array, "one *space"] | None


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
        riemann: flux from face states; `Rusanov` for a scalar law unless given, for a system the
            sharpest of those that it supplies what is needed for.

    Raises:
        ValueError: when the conditions do not fit the grid, or law and flux, or law and conditions
            do not fit each other, or the parameters of the law or the shapes that it returns do not
            fit the grid.
        TypeError: for a part that is not one, such as a class in place of its instance.
    """

    law: AbstractLaw
    grid: Grid
    boundary: tuple[tuple[AbstractBoundary, AbstractBoundary], ...]
    reconstruction: AbstractReconstruction
    riemann: AbstractRiemann
    centers: tuple[Float[Array, " _"], ...] | None

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
        self.riemann = _default_flux(law) if riemann is None else riemann
        self.centers = None
        check_kinds(self)
        self.boundary = normalise(boundary, grid.ndim)
        check_fit(self)

    def __call__(self, t: ArrayLike, u: State, args: Any = None) -> State:
        """Time derivative of the cell averages.

        Raises:
            ValueError: when u does not have the shape ``(channels, *grid.shape)``.
        """
        del args
        return self._rate(
            t, u, convection=self.law.has_convection, diffusion=self.law.has_diffusion
        )

    def convective_rate(self, t: ArrayLike, u: State, args: Any = None) -> State:
        """The part of the time derivative that is not stiff: convection and sources."""
        del args
        return self._rate(t, u, convection=self.law.has_convection, diffusion=False)

    def diffusive_rate(self, t: ArrayLike, u: State, args: Any = None) -> State:
        """The part of the time derivative that may be stiff: diffusion."""
        del args
        return self._rate(t, u, convection=False, diffusion=self.law.has_diffusion, sources=False)

    def _rate(
        self, t: ArrayLike, u: State, *, convection: bool, diffusion: bool, sources: bool = True
    ) -> State:
        self.check_state(u)
        total = jnp.zeros_like(u)
        for axis in range(self.grid.ndim if convection or diffusion else 0):
            flux, push = self._flux_and_push(t, u, axis, convection=convection, diffusion=diffusion)
            lower, upper = shifts(flux, axis, 2)
            change = upper - lower
            if push is not None:
                change = change - unit(push[0], u, 1 + axis)
            total = total - change / along(self._widths(axis), axis, u)
        if not sources:
            return total
        source = self._source(t, u)
        return total if source is None else total + source

    def _source(self, t: ArrayLike, u: State) -> State | None:
        centers = jnp.meshgrid(*self._centers(u.dtype), indexing="ij")
        return self.law.source(t, tuple(centers), u)

    def window(
        self,
        law: AbstractLaw,
        shape: tuple[int, ...],
        boundary: tuple[tuple[AbstractBoundary, AbstractBoundary], ...],
        centers: Sequence[Float[Array, " _"]],
    ) -> "FiniteVolume":
        """The same schemes on some of the cells: a law and boundary that fit them, and their place.

        Args:
            law: with its arrays in space, if it has any, cut to the window.
            shape: cells of the window.
            boundary: one pair an axis.
            centers: coordinates of its cells, one array an axis.

        Raises:
            ValueError: on a stretched grid, whose windows are not alike.
        """
        part = FiniteVolume(
            law=law,
            grid=self.grid.window(shape),
            boundary=boundary,
            reconstruction=self.reconstruction,
            riemann=self.riemann,
        )
        return eqx.tree_at(lambda f: f.centers, part, tuple(centers), is_leaf=lambda x: x is None)

    @property
    def width(self) -> int:
        """Cells on each side of a face that its flux reads."""
        return self.reconstruction.width if self.law.has_convection else 1

    def everywhere(self, holds: Bool[Array, ""]) -> Bool[Array, ""]:
        """Whether a flag holds in every block of the domain; here there is one."""
        return holds

    def first_cell(self, cell: Int[Array, ""]) -> Int[Array, ""]:
        """The first of the cells that the blocks name, by flat index in the grid; −1 for none."""
        return cell

    def _centers(self, dtype: Any) -> list[Array]:
        centers = self.grid.centers if self.centers is None else self.centers
        return [jnp.asarray(c).astype(dtype) for c in centers]

    def check_state(self, u: Array) -> None:
        """Refuse a state that does not fit the law and the grid, or is not of a floating type."""
        check_state(self, u)

    def face_flux(self, t: ArrayLike, u: State, axis: int = 0) -> Faces:
        """Numerical flux through all faces of an axis, the two ends included.

        Returns:
            Array of shape ``(channels, ..., cells + 1, ...)``.
        """
        law = self.law
        if not (law.has_convection or law.has_diffusion):
            return jnp.pad(jnp.zeros_like(u), [(0, int(i == axis + 1)) for i in range(u.ndim)])
        return self._flux_and_push(
            t, u, axis, convection=law.has_convection, diffusion=law.has_diffusion
        )[0]

    def _flux_and_push(
        self, t: ArrayLike, u: State, axis: int, *, convection: bool, diffusion: bool
    ) -> tuple[Faces, Push]:
        if not convection:
            return self._diffusive_flux(t, u, axis), None
        flux, push = self._convective_flux(t, u, axis)
        return (flux + self._diffusive_flux(t, u, axis) if diffusion else flux), push

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
        sides = self.boundary[axis]
        if not self.law.has_convection:
            closed = [Neumann(0.0) if isinstance(side, Wall) else side for side in sides]
            sides = (closed[0], closed[1])
        return node_values(sides, self.grid.widths[axis], t, u, axis)

    def stability_rate(self, t: ArrayLike, u: State) -> Float[Array, ""]:
        """Reciprocal of the time step at which the CFL number is one.

        The sum over the axes of max|f'(u)|/h + max Φ'(u) · (1/d₋ + 1/d₊)/h, with d the distances
        between centres, and of a bound of max|λ|/√3 for the eigenvalues of the Jacobian of the source:
        convection, diffusion and reaction share the step. The prescribed boundary values count as
        states. Where Φ' is not monotone between neighbours it may exceed both their
        values; lower the CFL number for such a law. NaN where Φ' is negative. A Dirichlet value sits
        half a cell from its centre: a step is stable there up to a CFL number of one like
        elsewhere, but makes no new extrema only up to 2/3.
        """
        return stability_rate(self, t, u)

    def least_diffusivity(self, t: ArrayLike, u: State) -> Float[Array, ""]:
        """The smallest Φ'(u) if it is negative, NaN if one is NaN, else zero; see `stability_rate`."""
        return least_diffusivity(self, t, u)

    def _largest(self, values: list[Float[Array, "..."]]) -> Float[Array, ""]:
        """The largest entry of some arrays, in all blocks of the domain."""
        largest = jnp.max(values[0])
        for value in values[1:]:
            largest = jnp.maximum(largest, jnp.max(value))
        return largest

    def _widths(self, axis: int) -> float | np.ndarray:
        spacing = self.grid.spacings[axis]
        return self.grid.widths[axis] if spacing is None else spacing

    @property
    def monotone_cfl(self) -> float:
        """Largest CFL number at which a forward Euler step makes no new extrema inside."""
        return self.reconstruction.monotone_cfl if self.law.has_convection else 1.0

    def _convective_flux(self, t: ArrayLike, u: State, axis: int) -> tuple[Faces, Push]:
        """Flux through the faces of an axis, and the force of a bed on the cells, if there is one."""
        law = self.law
        w = law.to_primitive(u)
        if isinstance(law, ShallowWater) and law.bathymetry is not None:
            bed = self._padded_bed(law.bathymetry.astype(u.dtype), axis)
            left, right, beds = face_states(self, t, w, axis, bed)
            assert beds is not None
            return hydrostatic_flux(law, self.riemann, left, right, beds, axis)
        left, right, _ = face_states(self, t, w, axis)
        flux = self.riemann(law, left, right, axis)
        if isinstance(law, HasExactFlux):
            flux = impose_values(self, t, w, axis, flux, left, right)
        return flux, None

    def _padded(self, t: ArrayLike, w: State, axis: int) -> Slab:
        width = self.reconstruction.width
        return pad_states(self.law, self.grid, self.boundary[axis], t, w, axis, width)

    def _padded_bed(self, bed: Float[Array, "*space"], axis: int) -> Slab:
        return pad_bed(self.boundary[axis], bed, axis, self.reconstruction.width)

    def _gradient_flux(self, t: ArrayLike, u: State, axis: int) -> Faces:
        """Flux of a law that asks for the state and all its gradients at the faces."""
        law, grid = self.law, self.grid
        assert isinstance(law, HasGradientFlux)
        w = law.to_primitive(u)
        gradients, state = [], w
        for way, sides in enumerate(self.boundary):
            padded, periodic = self._padded_once(t, w, way), is_periodic(sides)
            if way == axis:
                gradients.append(differences(padded, grid, axis, periodic=periodic))
                state = mean(padded, axis)
            else:
                slopes = central(padded, grid, way, periodic=periodic)
                gradients.append(mean(self._padded_gradients(t, w, slopes, axis, way), axis))
        return law.gradient_flux(state, gradients, axis)

    def _padded_once(self, t: ArrayLike, w: State, axis: int) -> Slab:
        return pad_states(self.law, self.grid, self.boundary[axis], t, w, axis, 1)

    def _padded_gradients(
        self, t: ArrayLike, w: State, slopes: State, axis: int, along: int
    ) -> Slab:
        return pad_gradients(self, t, w, slopes, axis, along)

    def _spread(self, values: Slab, along: int) -> Slab:
        """Values on a side, with a ghost at both ends of an axis that runs along it."""
        pad = [(int(a == along + 1),) * 2 for a in range(values.ndim)]
        # One-sided halves at the corners: constant values, the common case, have no slope.
        return jnp.pad(values, pad, mode="wrap" if is_periodic(self.boundary[along]) else "edge")

    def _with_end(self, faces: Faces, slab: Slab, axis: int, end: int) -> Faces:
        """The faces of an axis, with others at one end of the domain."""
        if end == LOWER:
            return lax.concatenate([slab, cut(faces, axis, 1, None)], axis + 1)
        return lax.concatenate([cut(faces, axis, 0, -1), slab], axis + 1)

    def _diffusive_flux(self, t: ArrayLike, u: State, axis: int) -> Faces:
        if isinstance(self.law, HasGradientFlux):
            return self._gradient_flux(t, u, axis)
        potential = self.law.potential(u)
        widths = self.grid.widths[axis]
        spacing = self.grid.spacings[axis]
        between = 0.5 * (widths[1:] + widths[:-1]) if spacing is None else spacing
        inner = (cut(potential, axis, 0, -1) - cut(potential, axis, 1, None)) / along(
            between, axis, u
        )
        # Ends that XLA knows to be constant become padding, and padding part of loops that ask at every
        # cell whether it is one: the stages of a step took ten times as long.
        lower, upper = lax.optimization_barrier(self._diffusive_ends(t, u, potential, axis))
        return lax.concatenate([lower, inner, upper], axis + 1)

    def _diffusive_ends(
        self, t: ArrayLike, u: State, potential: State, axis: int
    ) -> tuple[Slab, Slab]:
        lower, upper = self.boundary[axis]
        if isinstance(lower, Periodic):
            widths = self.grid.widths[axis]
            distance = 0.5 * float(widths[0] + widths[-1])
            wrapped = (cut(potential, axis, -1, None) - cut(potential, axis, 0, 1)) / distance
            return wrapped, wrapped
        first, last = cut(u, axis, 0, 1), cut(u, axis, -1, None)
        return (
            end_flux(self.law, self.grid, lower, t, first, axis, LOWER),
            end_flux(self.law, self.grid, upper, t, last, axis, UPPER),
        )


def _default_flux(law: AbstractLaw) -> AbstractRiemann:
    return fitting(law)[0]() if isinstance(law, AbstractSystem) else Rusanov()
