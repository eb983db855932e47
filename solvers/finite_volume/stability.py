"""How long a step may be: the fastest rates of convection, of diffusion and of a source.

An explicit method is stable where Δt λ stays in its region for every eigenvalue λ of the discrete
system. Upwind convection has |λ| ≤ 2 |f'|/h, diffusion λ ≥ −4 Φ'/h², and a source the eigenvalues of its
Jacobian s'(u), of which √3 is what the third-order method bears in all directions of decay and swing.

Reference: W. Hundsdorfer, J. G. Verwer, Numerical Solution of Time-Dependent Advection-Diffusion-Reaction
Equations (2003), sections I.5 and I.6.
"""

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..boundary import Robin
from ..guarded import quotient
from ..laws.law import State
from .ghosts import LOWER, PRESCRIBES, Slab, cut, face_value, half_width

if TYPE_CHECKING:
    from .conservative import FiniteVolume

# Largest Δt |λ| of a source at a CFL number of one.
_BEARABLE = math.sqrt(3.0)
# The matrix of absolute values is squared so often: the root of order 32 of its norm is near its largest
# eigenvalue.
_SQUARINGS = 5


def stability_rate(field: "FiniteVolume", t: ArrayLike, u: State) -> Float[Array, ""]:
    """Reciprocal of the time step at which the CFL number is one; see `FiniteVolume.stability_rate`."""
    rate = jnp.zeros((), u.dtype)
    law, grid = field.law, field.grid
    for axis, widths in enumerate(grid.widths):
        states = [u, *_prescribed(field, t, u, axis)]
        if law.has_convection:
            speed = field._largest([law.max_wave_speed(v, axis) for v in states])
            rate = rate + speed * float(np.max(1.0 / widths))
        if law.has_diffusion:
            distance = 0.5 * (np.append(widths, widths[-1]) + np.insert(widths, 0, widths[0]))
            geometry = float(np.max((1.0 / distance[1:] + 1.0 / distance[:-1]) / widths))
            k = field._largest([_diffusivity(field, v) for v in states])
            rate = rate + k * (geometry + _growth(field, t, u, axis))
    stiffness = source_stiffness(field, t, u)
    return rate if stiffness is None else rate + field._largest([stiffness]) / _BEARABLE


def rate_varies(field: "FiniteVolume", t: ArrayLike, u: State) -> bool:
    """Whether the rate may change with time though no wave moves: by a boundary value, or by a source."""
    sides = (side for pair in field.boundary for side in pair)
    moving = any(callable(value) for side in sides for value in vars(side).values())
    return moving or jax.eval_shape(lambda v: field._source(t, v), u) is not None


def least_diffusivity(field: "FiniteVolume", t: ArrayLike, u: State) -> Float[Array, ""]:
    """The smallest Φ'(u) if it is negative, NaN if one is NaN, else zero."""
    if not field.law.has_diffusion:
        return jnp.zeros((), u.dtype)
    states = [u]
    for axis in range(field.grid.ndim):
        states += _prescribed(field, t, u, axis)
    largest = field._largest([-field.law.diffusivity(v) for v in states])
    return jnp.minimum(-largest, 0.0)


def source_stiffness(
    field: "FiniteVolume", t: ArrayLike, u: State
) -> Float[Array, "*space"] | None:
    """A bound of |λ| for the eigenvalues of s'(u) in each cell, or None for a law without a source.

    The bound ρ(|s'|) of Perron does not depend on the units of the channels. A derivative that is not
    finite, as that of √u at zero, bounds nothing and is left out.
    """
    function = lambda v: field._source(t, v)
    if jax.eval_shape(function, u) is None:
        return None
    count = u.shape[0]
    units = jnp.eye(count, dtype=u.dtype).reshape(count, count, *(1,) * (u.ndim - 1))
    push = lambda unit: jax.jvp(function, (u,), (jnp.broadcast_to(unit, u.shape),))[1]
    columns = jnp.abs(jax.vmap(push)(units))
    jacobian = jnp.where(jnp.isfinite(columns), columns, 0.0)
    if count == 1:
        return jacobian[0, 0]
    matrix = jnp.moveaxis(jacobian, (0, 1), (-1, -2))
    sizes = []
    for _ in range(_SQUARINGS):
        sizes.append(jnp.max(jnp.sum(matrix, axis=-1), axis=-1))
        matrix = quotient(matrix, sizes[-1][..., None, None])
        matrix = matrix @ matrix
    bound = jnp.max(jnp.sum(matrix, axis=-1), axis=-1)
    for size in reversed(sizes):
        bound = size * jnp.sqrt(bound)
    return bound


def _prescribed(field: "FiniteVolume", t: ArrayLike, u: State, axis: int) -> list[Slab]:
    """The states that conditions prescribe at the ends of an axis."""
    return [
        face_value(field.grid, side, t, _beside(u, axis, end), axis, end)
        for end, side in enumerate(field.boundary[axis])
        if isinstance(side, PRESCRIBES)
    ]


def _growth(field: "FiniteVolume", t: ArrayLike, u: State, axis: int) -> Float[Array, ""]:
    """What Robin conditions with a and b of opposite signs add to the 1/(d h) of a cell at an end.

    With equal signs they bind a cell less than a prescribed value does.
    """
    growth = jnp.zeros((), u.dtype)
    for end, side in enumerate(field.boundary[axis]):
        if isinstance(side, Robin):
            half = half_width(field.grid, axis, end)
            firmness = side.firmness(t, _beside(u, axis, end), axis, half)
            pull = field._largest([jnp.abs(firmness)]) - 1.0
            growth = growth + jnp.maximum(pull, 0.0) / (2.0 * half * half)
    return growth


def _beside(u: State, axis: int, end: int) -> Slab:
    return cut(u, axis, 0, 1) if end == LOWER else cut(u, axis, -1, None)


def _diffusivity(field: "FiniteVolume", u: State) -> Float[Array, "..."]:
    """Φ'(u); NaN where it is negative, since no time step is stable then."""
    k = field.law.diffusivity(u)
    return jnp.where(k >= 0, k, jnp.nan)
