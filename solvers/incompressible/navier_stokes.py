"""Incompressible Navier–Stokes equations on a staggered grid, u_t + ∇·(u u) = −∇p + ν Δu + f.

The momentum flux from below to above a face is u_j (u_i below, u_i above)/2 − ν ∂u_i/∂x_j, all by
second-order means and differences. In this divergence form central convection conserves momentum,
and kinetic energy too as long as ∇·u = 0. The pressure is what makes the rate of change free of
divergence: the field is P(−∇·(u u) + ν Δu + f), with the projection P of `poisson`, so a
Runge–Kutta step projects at every stage and any integrator of ordinary differential equations
serves.

Reference: F. H. Harlow, J. E. Welch, Phys. Fluids 8 (1965) 2182, doi:10.1063/1.1761178;
A. J. Chorin, Math. Comp. 22 (1968) 745, doi:10.1090/S0025-5718-1968-0242392-2.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ..boundary import AbstractBoundary, Periodic, Value
from ..grid import Grid
from ..laws.law import check_parameter, parameter
from .poisson import project
from .staggered import StaggeredGrid, Velocity, cut

Pairs = tuple[tuple[AbstractBoundary, AbstractBoundary], ...]


def central(carrier: Array, below: Array, above: Array) -> Array:
    """Convective flux a (u₋ + u₊)/2: second order, conserves energy, oscillates where unresolved."""
    return 0.5 * carrier * (below + above)


def upwind(carrier: Array, below: Array, above: Array) -> Array:
    """Convective flux of the side the flow comes from: first order, adds the viscosity |a| h/2."""
    return central(carrier, below, above) - 0.5 * jnp.abs(carrier) * (above - below)


class NoSlip(AbstractBoundary):
    """A solid wall that fluid sticks to, at rest or sliding in its own plane.

    Args:
        velocity: the tangential components in the order of the axes, or a scalar for all of them;
            an array, or a callable of time. A leaf, so one can differentiate in it.
    """

    velocity: Value = eqx.field(
        converter=lambda value: value if callable(value) else parameter(value), default=0.0
    )


class NavierStokes(eqx.Module):
    """The flow as a vector field on velocities without divergence, ``f(t, u, args) -> du/dt``.

    It is what `solve` and `steady` march, and what ``diffrax.ODETerm`` takes. Viscosity, wall
    velocities and the leaves of the force can be differentiated and mapped over.

    Args:
        grid: a uniform grid of two or three dimensions.
        viscosity: kinematic viscosity ν ≥ 0.
        boundary: `Periodic` or `NoSlip` for all sides; or one entry an axis, each a condition or a
            (lower, upper) pair.
        force: acceleration ``force(t, x)`` that returns one array (or scalar) a component, for
            coordinates x, one array an axis.
        convection: `central` or `upwind`.

    Raises:
        ValueError: for a negative or non-finite viscosity, for boundary conditions that do not fit
            the grid, and for a grid that is stretched or too coarse.
    """

    grid: StaggeredGrid
    viscosity: Float[Array, "..."]
    boundary: Pairs
    force: Callable[..., Any] | None
    convection: Callable[[Array, Array, Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        *,
        grid: Grid,
        viscosity: ArrayLike,
        boundary: Any = Periodic(),  # noqa: B008 (immutable)
        force: Callable[..., Any] | None = None,
        convection: Callable[[Array, Array, Array], Array] = central,
    ):
        self.boundary = _pairs(boundary, grid.ndim)
        self.grid = StaggeredGrid(grid, tuple(isinstance(p[0], Periodic) for p in self.boundary))
        self.viscosity = parameter(viscosity)
        check_parameter("NavierStokes: viscosity", self.viscosity, above=0.0, closed=True)
        self.force = force
        self.convection = convection

    def __call__(self, t: ArrayLike, u: Velocity, args: Any = None) -> Velocity:
        """du/dt, without divergence for whatever u."""
        del args
        return self.project(self.momentum(t, u))

    def project(self, u: Velocity) -> Velocity:
        """The part of a velocity that has no divergence."""
        return project(self.grid, u)[0]

    def pressure(self, t: ArrayLike, u: Velocity) -> Float[Array, "*cells"]:
        """The pressure (over density, of zero mean) of a velocity at a time."""
        return project(self.grid, self.momentum(t, u))[1]

    def momentum(self, t: ArrayLike, u: Velocity) -> Velocity:
        """−∇·(u u) + ν Δu + f, before the pressure; zero in the walls.

        Raises:
            ValueError: when u does not fit the faces of the grid.
        """
        self.check(u)
        forces = self._forces(t, u)
        nu = self.viscosity.astype(u[0].dtype)
        rates = []
        for i in range(self.grid.ndim):
            rate = forces[i]
            for j, h in enumerate(self.grid.spacings):
                below, above = self._neighbours(t, u, i, j)
                carrier = self._carrier(t, u, i, j)
                flux = self.convection(carrier, below, above) - nu * (above - below) / h
                pair = self.grid.below_above if i == j else self.grid.lower_upper
                lower, upper = pair(flux, j)
                rate = rate - (upper - lower) / h
            rates.append(self.grid.pin(rate, i))
        return tuple(rates)

    def check(self, u: Velocity) -> None:
        """Refuse a velocity that does not fit the faces of the grid, and a batch of viscosities.

        Raises:
            ValueError: naming the shapes or types.
        """
        self.grid.check(u)
        if self.viscosity.ndim:
            raise ValueError(
                "NavierStokes expected viscosity to be a scalar, got shape "
                f"{self.viscosity.shape}; use jax.vmap over the flow for many viscosities."
            )

    def stability_rate(self, t: ArrayLike, u: Velocity) -> Float[Array, ""]:
        """Reciprocal of the time step at which the CFL number is one.

        Σ_d max|u_d|/h_d + 2ν/h_d²: convection and viscosity share the step. What may set a fluid at
        rest into motion within the step counts as a speed: that of a sliding wall, and √(|f| h).
        NaN where the viscosity is negative.
        """
        nu = self.viscosity.astype(u[0].dtype)
        forces = self._forces(t, u)
        rate = jnp.zeros((), u[0].dtype)
        for d, h in enumerate(self.grid.spacings):
            # Without derivatives: the root has none at zero, and a time step needs none.
            push = lax.stop_gradient(jnp.max(jnp.abs(forces[d])))
            speeds = [jnp.max(jnp.abs(u[d])), jnp.sqrt(h * push)]
            for axis, pair in enumerate(self.boundary):
                if axis != d and not self.grid.periodic[axis]:
                    speeds += [jnp.abs(self._slide(t, u, side, d, axis)) for side in pair]
            rate = rate + jnp.max(jnp.stack(speeds)) / h + 2.0 * nu / h**2
        return jnp.where(nu >= 0, rate, jnp.nan)

    def _neighbours(self, t: ArrayLike, u: Velocity, i: int, j: int) -> tuple[Array, Array]:
        """u_i on the two sides of the places between its neighbours along axis j."""
        if i == j:
            return self.grid.lower_upper(u[i], i)
        if self.grid.periodic[j]:
            return self.grid.below_above(u[i], j)
        first, last = cut(u[i], j, 0, 1), cut(u[i], j, -1, None)
        # Linear through the velocity of the wall, half a cell away.
        lower, upper = (self._slide(t, u, side, i, j) for side in self.boundary[j])
        return self.grid.below_above(u[i], j, (2.0 * lower - first, 2.0 * upper - last))

    def _carrier(self, t: ArrayLike, u: Velocity, i: int, j: int) -> Array:
        """u_j at the same places: the mean of its neighbours along axis i."""
        below, above = self._neighbours(t, u, j, i)
        return 0.5 * (below + above)

    def _slide(
        self, t: ArrayLike, u: Velocity, side: AbstractBoundary, component: int, axis: int
    ) -> Float[Array, ""]:
        """The velocity component of a wall normal to an axis."""
        assert isinstance(side, NoSlip)
        value = parameter(side.velocity(t) if callable(side.velocity) else side.velocity)
        tangential = self.grid.ndim - 1
        if value.shape not in ((), (tangential,)):
            raise ValueError(
                f"NoSlip expected a velocity that is a scalar or of shape ({tangential},), got "
                f"{value.shape}; give one value a tangential axis, use jax.vmap for batches."
            )
        index = component - (component > axis)
        return jnp.broadcast_to(value, (tangential,))[index].astype(u[0].dtype)

    def _forces(self, t: ArrayLike, u: Velocity) -> Velocity:
        if self.force is None:
            return tuple(jnp.zeros_like(component) for component in u)
        force = self.force
        return self.grid.sample(lambda x: force(t, x), u[0].dtype)


def _pairs(boundary: Any, ndim: int) -> Pairs:
    """One (lower, upper) pair an axis."""
    entries = (boundary,) * ndim if isinstance(boundary, AbstractBoundary) else boundary
    pairs = []
    for entry in entries if isinstance(entries, tuple | list) else ():
        pair = (entry, entry) if isinstance(entry, AbstractBoundary) else entry
        if isinstance(pair, tuple | list) and len(pair) == 2:
            kinds = {type(side) for side in pair}
            if kinds == {NoSlip} or kinds == {Periodic}:
                pairs.append(tuple(pair))
    if len(pairs) != ndim or len(entries) != ndim:
        raise ValueError(
            f"NavierStokes expected boundary to be Periodic or NoSlip, or {ndim} of these or of "
            f"(lower, upper) pairs that agree in being periodic, got {boundary!r}; give one entry "
            "an axis."
        )
    return tuple(pairs)
