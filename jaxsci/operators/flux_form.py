r"""An operator in flux form: what leaves a cell enters its neighbour, whatever the network says.

    u_i^{n+1} = u_i^n − Δt Σ_d (F_{d,upper} − F_{d,lower}) / h_{d,i}

The operator gives the flux densities F through the faces, the mean ones over the step; those in the boundary
are prescribed. Every inner flux is taken from one cell and given to the next, so the total of each control
volume changes by what flows through its surface, to round-off, without any solve, on stretched grids too.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), section 4.1.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from solvers import Grid
from solvers.boundary import prescribed
from solvers.incompressible.staggered import cut

from .._arrays import as_jax
from .._checks import number
from .._module import Module

Sides = tuple[ArrayLike, ArrayLike] | None
"""Fluxes through the lower and the upper side of an axis; None where nothing flows."""


class FluxForm(Module):
    """One step of a conservation law whose fluxes an operator predicts.

    The operator maps `(in_channels, *space)` to `(ndim * channels, *space)`: first all channels of the flux
    along the first axis, then those along the second. The value in a cell is the flux through its *lower*
    face, as on `solvers.incompressible.StaggeredGrid`; on an axis that is not periodic the first cells have
    that face in the boundary, and what the operator says there is not used.

    Args:
        operator: any operator with such an output.
        grid: where the cell averages live.
        dt: length of the step Δt, in the unit of time of the fluxes.
        periodic: whether each axis closes on itself; one flag for all axes, or one an axis.

    Raises:
        TypeError: something other than a grid, or an operator that cannot be called.
        ValueError: a step that is not positive and finite, or flags that do not fit the axes.
    """

    operator: Callable[..., Any]
    grid: Grid
    dt: float = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)

    def __init__(
        self,
        operator: Callable[..., Any],
        grid: Grid,
        *,
        dt: float,
        periodic: bool | Sequence[bool] = False,
    ):
        self.operator = operator
        self.grid = grid
        self.dt = number("FluxForm", "dt", dt)
        axes = grid.ndim if isinstance(grid, Grid) else 0
        self.periodic = (periodic,) * axes if isinstance(periodic, bool) else tuple(periodic)

    def __check_init__(self):
        if not isinstance(self.grid, Grid) or not callable(self.operator):
            raise TypeError(
                "FluxForm expected an operator and a solvers.Grid, got "
                f"{type(self.operator).__name__} and {type(self.grid).__name__}; build the grid with "
                "Grid.uniform."
            )
        if not 0 < self.dt < math.inf:
            raise ValueError(
                f"FluxForm expected a positive, finite dt, got {self.dt!r}; give the length of the step "
                "as a number."
            )
        if len(self.periodic) != self.grid.ndim:
            raise ValueError(
                f"FluxForm expected {self.grid.ndim} entries in periodic, got {self.periodic}; give one "
                "an axis."
            )

    def __call__(
        self, x: Float[Array, "in_channels *space"], sides: Sequence[Sides] | None = None
    ) -> Float[Array, "channels *space"]:
        """The field after the step.

        Args:
            x: the cell averages u in the leading channels; what follows them (coefficients, coordinates)
                only the operator sees.
            sides: the fluxes in the boundary along the increasing coordinate, so that a positive one
                enters at the lower side and leaves at the upper: one (lower, upper) pair an axis, each a
                scalar, or of shape (channels,) or (channels, *transverse). None, for an axis or for all,
                is insulated; a periodic axis has no sides.

        Raises:
            ValueError: a field or an output of the operator that does not fit, or wrong sides.
        """
        x = as_jax("FluxForm", "x", x)
        fluxes = self.fluxes(x, sides)
        u = x[: fluxes[0].shape[0]]
        for axis, (flux, widths) in enumerate(zip(fluxes, self.grid.widths, strict=True)):
            shape = [-1 if a == axis else 1 for a in range(self.grid.ndim)]
            rate = jnp.asarray(self.dt / widths.reshape(shape), u.dtype)
            u = u - rate * (cut(flux, axis + 1, 1, None) - cut(flux, axis + 1, 0, -1))
        return u

    def fluxes(
        self, x: Float[Array, "in_channels *space"], sides: Sequence[Sides] | None = None
    ) -> tuple[Float[Array, "channels *faces"], ...]:
        """The fluxes through all faces, n + 1 along the axis of each (of a periodic one the first twice).

        Args:
            x: as for the call.
            sides: as for the call.

        Raises:
            ValueError: as for the call.
        """
        ndim, space = self.grid.ndim, self.grid.shape
        if x.shape[1:] != space or not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(
                f"FluxForm expected a floating-point x of shape (channels, {', '.join(map(str, space))}), "
                f"got {x.dtype} of shape {x.shape}; use jax.vmap for batches."
            )
        raw = self.operator(x)
        channels = raw.shape[0] // ndim
        if raw.shape != (ndim * channels, *space) or not 0 < channels <= x.shape[0]:
            raise ValueError(
                f"FluxForm expected its operator to give {ndim} fluxes for each conserved channel of x of "
                f"shape {x.shape}, got shape {raw.shape}; set the operator's out_channels to {ndim} times "
                "the conserved channels."
            )
        if sides is None:
            sides = (None,) * ndim
        if len(sides) != ndim or any(
            s is not None and (p or not isinstance(s, tuple) or len(s) != 2)
            for s, p in zip(sides, self.periodic, strict=False)
        ):
            raise ValueError(
                f"FluxForm expected sides with one (lower, upper) pair or None for each of {ndim} axes, "
                f"None on periodic ones, got {sides!r}; with periodic={self.periodic}."
            )
        parts = raw.astype(x.dtype).reshape(ndim, channels, *space)
        return tuple(self._closed(parts[d], d, sides[d]) for d in range(ndim))

    def _closed(self, flux: Array, axis: int, sides: Sides) -> Array:
        """Fluxes through the lower faces of the cells, with those in the boundary."""
        first = cut(flux, axis + 1, 0, 1)
        if self.periodic[axis]:
            return lax.concatenate([flux, first], axis + 1)
        lower, upper = (
            jnp.broadcast_to(prescribed(value, 0.0, first, axis), first.shape)
            for value in ((0.0, 0.0) if sides is None else sides)
        )
        return lax.concatenate([lower, cut(flux, axis + 1, 1, None), upper], axis + 1)
