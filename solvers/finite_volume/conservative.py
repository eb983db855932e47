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

from ..boundary import AbstractBoundary, Dirichlet, Neumann, Periodic, Wall, normalise, prescribed
from ..grid import Grid
from ..laws.gas import AbstractGas
from ..laws.law import AbstractLaw, State, diffusive_flux
from ..laws.members import check_members
from ..laws.shallow_water import ShallowWater
from ..laws.system import AbstractSystem, unit
from .ghosts import LOWER, UPPER, Slab, cut, pad_bed, pad_states, primitive_value
from .gradient_flux import HasGradientFlux, central, differences, is_periodic, mean, pad_gradients
from .hydrostatic import Bed, hydrostatic_flux
from .nodes import node_values
from .reconstruction import MUSCL, AbstractReconstruction
from .riemann import AbstractRiemann, HasExactFlux, Rusanov, fitting, lacking
from .shifts import shifts
from .weno import AbstractWENO5

Faces = Float[Array, "channels *faces"]
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
        if law.has_convection and self.reconstruction.equal_cells and None in grid.spacings:
            raise ValueError(
                f"FiniteVolume expected equal cells for {type(self.reconstruction).__name__}, got a "
                "stretched axis; use Grid.uniform or MUSCL."
            )
        scheme = self.reconstruction
        by_waves = isinstance(scheme, AbstractWENO5) and scheme.characteristic
        if by_waves and not isinstance(law, AbstractGas):
            raise ValueError(
                "FiniteVolume expected a gas (Euler, NavierStokes) for characteristic "
                f"reconstruction, got {type(law).__name__}; leave characteristic=True out."
            )
        if law.has_convection and not isinstance(law, self.riemann.needs):
            kinds = ", ".join(kind.__name__ for kind in fitting(law))
            raise ValueError(
                f"FiniteVolume expected a flux that {type(law).__name__} supplies what is needed "
                f"for, got {type(self.riemann).__name__}; use one of {kinds}, or give the law "
                f"{lacking(law, self.riemann.needs)}."
            )
        walls = any(isinstance(side, Wall) for pair in self.boundary for side in pair)
        if walls and law.has_convection and not isinstance(law, AbstractSystem):
            raise ValueError(
                f"FiniteVolume expected boundaries that {type(law).__name__} can meet, got Wall: a "
                "convected scalar has nowhere to go; use Dirichlet, Neumann or Outflow."
            )
        if min(grid.shape) < self.width:
            raise ValueError(
                f"FiniteVolume expected at least {self.width} cells an axis for "
                f"{type(self.reconstruction).__name__}, got a grid of shape {grid.shape}; "
                "refine the grid or use PiecewiseConstant."
            )
        check_members(law, grid.shape)

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
            total = total - change / self._along(self._widths(axis), axis, u)
        if not sources:
            return total
        centers = jnp.meshgrid(*self._centers(u.dtype), indexing="ij")
        source = self.law.source(t, tuple(centers), u)
        return total if source is None else total + source

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
        self.law.check_shape(self.grid.shape)
        expected = (self.law.channel_count(self.grid.ndim), *self.grid.shape)
        if u.shape != expected:
            raise ValueError(
                f"FiniteVolume expected u of shape (channels={expected[0]}, space={expected[1:]}), "
                f"got {u.shape}; {_remedy(u.shape, expected)}."
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
                speed = self._largest([self.law.max_wave_speed(v, axis) for v in states])
                rate = rate + speed * float(np.max(1.0 / widths))
            if self.law.has_diffusion:
                distance = 0.5 * (np.append(widths, widths[-1]) + np.insert(widths, 0, widths[0]))
                geometry = float(np.max((1.0 / distance[1:] + 1.0 / distance[:-1]) / widths))
                rate = rate + self._largest([self._diffusivity(v) for v in states]) * geometry
        return rate

    def least_diffusivity(self, t: ArrayLike, u: State) -> Float[Array, ""]:
        """The smallest Φ'(u) if it is negative, NaN if one is NaN, else zero; see `stability_rate`."""
        if not self.law.has_diffusion:
            return jnp.zeros((), u.dtype)
        states = [u]
        for axis in range(self.grid.ndim):
            states += self._dirichlet_values(t, u, axis)
        largest = self._largest([-self.law.diffusivity(v) for v in states])
        return jnp.minimum(-largest, 0.0)

    def _largest(self, values: list[Float[Array, "..."]]) -> Float[Array, ""]:
        largest = jnp.max(values[0])
        for value in values[1:]:
            largest = jnp.maximum(largest, jnp.max(value))
        return largest

    def _diffusivity(self, u: State) -> Float[Array, "..."]:
        """Φ'(u); NaN where it is negative, since no time step is stable then."""
        k = self.law.diffusivity(u)
        return jnp.where(k >= 0, k, jnp.nan)

    def _dirichlet_values(self, t: ArrayLike, u: State, axis: int) -> list[Slab]:
        edge = cut(u, axis, 0, 1)
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

    def _convective_flux(self, t: ArrayLike, u: State, axis: int) -> tuple[Faces, Push]:
        """Flux through the faces of an axis, and the force of a bed on the cells, if there is one."""
        law = self.law
        w = law.to_primitive(u)
        if isinstance(law, ShallowWater) and law.bathymetry is not None:
            bed = self._padded_bed(law.bathymetry.astype(u.dtype), axis)
            left, right, beds = self._face_states(t, w, axis, bed)
            assert beds is not None
            return hydrostatic_flux(law, self.riemann, left, right, beds, axis)
        left, right, _ = self._face_states(t, w, axis)
        flux = self.riemann(law, left, right, axis)
        if isinstance(law, HasExactFlux):
            flux = self._impose_dirichlet(t, w, axis, flux, left, right)
        return flux, None

    def _face_states(
        self, t: ArrayLike, w: State, axis: int, bed: Array | None = None
    ) -> tuple[Faces, Faces, tuple[Bed, Bed] | None]:
        """Primitive states on the two sides of all faces of an axis, and the bed there.

        The bed is what the surface is above the depth, both reconstructed: so the surface of a lake
        at rest stays level whatever the limiter does.
        """
        width = self.reconstruction.width
        padded = self._padded(t, w, axis)
        if bed is not None:
            padded = jnp.concatenate([padded, padded[:1] + bed])
        # The face between cells i − 1 and i reads the padded cells i, ..., i + 2·width − 1.
        stencil = shifts(padded, axis, 2 * width)
        left, right = self._reconstructed(stencil, axis, w)
        if bed is None:
            return *self._meaningful(t, w, axis, stencil, left, right), None
        beds = left[-1:] - left[:1], right[-1:] - right[:1]
        stencil = [cells[:-1] for cells in stencil]
        return *self._meaningful(t, w, axis, stencil, left[:-1], right[:-1]), beds

    def _reconstructed(
        self, stencil: Sequence[Slab], axis: int, like: Float[Array, "_ *space"]
    ) -> tuple[Faces, Faces]:
        law, rule = self.law, self.reconstruction
        if not (isinstance(rule, AbstractWENO5) and rule.characteristic):
            return rule(stencil, self._stencil_widths(axis, like))
        assert isinstance(law, AbstractGas)
        mean = 0.5 * (stencil[rule.width - 1] + stencil[rule.width])
        sides = rule([law.to_characteristic(w, mean, axis) for w in stencil], None)
        left, right = (law.from_characteristic(side, mean, axis) for side in sides)
        return left, right

    def _padded(self, t: ArrayLike, w: State, axis: int) -> Slab:
        width = self.reconstruction.width
        return pad_states(self.law, self.grid, self.boundary[axis], t, w, axis, width)

    def _padded_bed(self, bed: Float[Array, "*space"], axis: int) -> Slab:
        return pad_bed(self.boundary[axis], bed, axis, self.reconstruction.width)

    def _stencil_widths(self, axis: int, like: State) -> list[Array] | None:
        if self.grid.spacings[axis] is not None:
            return None
        width, faces = self.reconstruction.width, like.shape[axis + 1] + 1
        mode = "wrap" if isinstance(self.boundary[axis][LOWER], Periodic) else "symmetric"
        ghosted = np.pad(self.grid.widths[axis], width, mode=mode)
        return [
            jnp.asarray(self._along(ghosted[j : j + faces], axis, like)) for j in range(2 * width)
        ]

    def _meaningful(
        self, t: ArrayLike, w: State, axis: int, stencil: list[Slab], left: Faces, right: Faces
    ) -> tuple[Faces, Faces]:
        """Face states that have a meaning, and are the prescribed ones of a system."""
        if not isinstance(self.law, AbstractSystem):
            return left, right
        width = self.reconstruction.width
        below, above = stencil[width - 1], stencil[width]
        left = below + self.law.limit_jump(below, left - below)
        right = above + self.law.limit_jump(above, right - above)
        lower, upper = self.boundary[axis]
        if isinstance(lower, Dirichlet) and not isinstance(self.law, HasExactFlux):
            value, inner = self._end_states(lower, t, w, axis, right, LOWER)
            left = self._with_end(left, value, axis, LOWER)
            right = self._with_end(right, inner, axis, LOWER)
        if isinstance(upper, Dirichlet) and not isinstance(self.law, HasExactFlux):
            value, inner = self._end_states(upper, t, w, axis, left, UPPER)
            left = self._with_end(left, inner, axis, UPPER)
            right = self._with_end(right, value, axis, UPPER)
        return left, right

    def _end_states(
        self, side: Dirichlet, t: ArrayLike, w: State, axis: int, states: Faces, end: int
    ) -> tuple[Slab, Slab]:
        """The prescribed state, and the one inside the face, between it and the cell's."""
        first, last = (0, 1) if end == LOWER else (-1, None)
        cell = cut(w, axis, first, last)
        value = primitive_value(self.law, side, t, cell, axis)
        return value, _between(cut(states, axis, first, last), value, cell)

    def _impose_dirichlet(
        self, t: ArrayLike, w: State, axis: int, flux: Faces, left: Faces, right: Faces
    ) -> Faces:
        """Replace the fluxes of Dirichlet ends by the upwind flux between value and interior."""
        law = self.law
        assert isinstance(law, HasExactFlux)
        lower, upper = self.boundary[axis]
        if isinstance(lower, Dirichlet):
            value, inner = self._end_states(lower, t, w, axis, right, LOWER)
            end = law.godunov_flux(value, inner, axis)
            flux = self._with_end(flux, end, axis, LOWER)
        if isinstance(upper, Dirichlet):
            value, inner = self._end_states(upper, t, w, axis, left, UPPER)
            end = law.godunov_flux(inner, value, axis)
            flux = self._with_end(flux, end, axis, UPPER)
        return flux

    def _gradient_flux(self, t: ArrayLike, u: State, axis: int) -> Faces:
        """Flux of a law that asks for the state and all its gradients at the faces."""
        law, grid = self.law, self.grid
        assert isinstance(law, HasGradientFlux)
        w = law.to_primitive(u)
        gradients, state = [], w
        for along, sides in enumerate(self.boundary):
            padded, periodic = self._padded_once(t, w, along), is_periodic(sides)
            if along == axis:
                gradients.append(differences(padded, grid, axis, periodic=periodic))
                state = mean(padded, axis)
            else:
                slopes = central(padded, grid, along, periodic=periodic)
                gradients.append(mean(self._padded_gradients(t, w, slopes, axis, along), axis))
        return law.gradient_flux(state, gradients, axis)

    def _padded_once(self, t: ArrayLike, w: State, axis: int) -> Slab:
        return pad_states(self.law, self.grid, self.boundary[axis], t, w, axis, 1)

    def _padded_gradients(
        self, t: ArrayLike, w: State, slopes: State, axis: int, along: int
    ) -> Slab:
        return pad_gradients(
            self.law, self.grid, self.boundary[axis], t, w, slopes, axis=axis, along=along
        )

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
        inner = (cut(potential, axis, 0, -1) - cut(potential, axis, 1, None)) / self._along(
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
        return (
            self._diffusive_end(lower, t, u, potential, axis, LOWER),
            self._diffusive_end(upper, t, u, potential, axis, UPPER),
        )

    def _diffusive_end(
        self, side: AbstractBoundary, t: ArrayLike, u: State, potential: State, axis: int, end: int
    ) -> Slab:
        """Diffusive flux through an end; `half` is the way from the centre to the face."""
        index = 0 if end == LOWER else u.shape[axis + 1] - 1
        width = float(self.grid.widths[axis][index])
        half = -0.5 * width if end == LOWER else 0.5 * width
        cell = cut(u, axis, index, index + 1)
        if isinstance(side, Dirichlet):
            value = jnp.broadcast_to(prescribed(side.value, t, cell, axis), cell.shape)
            return (cut(potential, axis, index, index + 1) - self.law.potential(value)) / half
        if isinstance(side, Neumann):
            gradient = prescribed(side.gradient, t, cell, axis)
            return diffusive_flux(self.law, cell + gradient * half, gradient)
        return jnp.zeros_like(cell)


def _default_flux(law: AbstractLaw) -> AbstractRiemann:
    return fitting(law)[0]() if isinstance(law, AbstractSystem) else Rusanov()


def _between(value: Slab, a: Slab, b: Slab) -> Slab:
    """The value, limited to the interval between a and b."""
    return jnp.clip(value, jnp.minimum(a, b), jnp.maximum(a, b))


def _remedy(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What makes a state of this shape one of the shape that is expected."""
    if shape == expected[1:] and expected[0] == 1:
        return "use u[None] to add the channel axis"
    if len(shape) > len(expected):
        return "use jax.vmap for batches"
    if len(shape) == len(expected) and shape[0] == expected[0]:
        cells = " x ".join(str(n) for n in expected[1:])
        return f"average onto the grid's {cells} cells, as solvers.cell_averages does"
    if len(shape) == len(expected) and shape[1:] == expected[1:]:
        return f"give one row a channel, {expected[0]} in all"
    return "use jax.vmap for batches, u[None] to add the channel axis"
