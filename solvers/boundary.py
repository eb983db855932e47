"""Boundary conditions, one a side: periodic, Dirichlet, Neumann, Robin, outflow, wall.

A condition is data: its value is an array, or a callable of time (a function, or an
`equinox.Module` whose leaves are traced), so solutions differentiate with respect to it. A module
is recognised by the compilation cache; a new ``lambda`` is a new program. A global that a function
reads is a constant of the compiled program, which does not see it change: make it a leaf of a module.
A value is a scalar, has shape ``(channels,)``, or ``(channels, *transverse)`` in more dimensions.

The conditions speak to `FiniteVolume` in terms of ghost cells (for reconstruction) and of the state
or gradient they prescribe at the face (for the flux, which is imposed, not extrapolated).

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapter 7.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

Value = ArrayLike | Callable[[Any], Any]
"""A boundary value: an array, or a callable of time that returns one."""


class AbstractBoundary(eqx.Module):
    """What holds at one side of the domain."""


class Periodic(AbstractBoundary):
    """The domain closes on itself; must stand on both sides of an axis."""


class Outflow(AbstractBoundary):
    """Whatever arrives leaves: the state beyond the face equals the last cell, ∂u/∂x = 0."""


class Wall(AbstractBoundary):
    """Nothing passes: a system's state is reflected, the diffusive flux of a scalar is zero."""


class Dirichlet(AbstractBoundary):
    """u = value at the face, in conserved variables (see `AbstractLaw.to_conserved`).

    Where a hyperbolic law has its characteristics leaving the domain, the value does not enter the
    flux: the Riemann flux between the value and the interior decides, as in Bardos, le Roux and
    Nédélec (1979), doi:10.1080/03605307908820117.

    Args:
        value: boundary value, or a callable of time.

    Raises:
        ValueError: for a value that is complex or not finite.
    """

    value: Value = eqx.field(converter=lambda value: _as_value(value))


class Neumann(AbstractBoundary):
    """∂u/∂x = gradient at the face, along the increasing coordinate on *both* sides.

    The diffusive flux at the face is exactly −Φ'(u) · gradient. The positive gradient therefore
    takes mass out at the lower side and brings it in at the upper one.

    Args:
        gradient: derivative along the axis, or a callable of time.

    Raises:
        ValueError: for a gradient that is complex or not finite.
    """

    gradient: Value = eqx.field(converter=lambda value: _as_value(value))


class Robin(AbstractBoundary):
    """a u + b ∂u/∂n = g at the face, n the outward normal, for a law with diffusion.

    The flux of heat or matter into surroundings at u_∞ is one: with the coefficient h of its transfer,
    −k ∂u/∂n = h (u − u_∞), a = h, b = k and g = h u_∞. With b = 0 it is `Dirichlet`, with a = 0
    `Neumann`, whose derivative is along the axis.

    In conserved variables, one condition a channel. The slope is that from the centre of the cell to
    the face, half a cell, so the condition holds to second order. Of a and b of opposite signs, with
    which more enters the more there is, |a| times this half cell has to be below |b|.

    Args:
        a: factor of the value, or a callable of time.
        b: factor of the outward derivative, likewise.
        g: the right-hand side, likewise.

    Raises:
        ValueError: for numbers that are complex or not finite, and for a and b that both vanish.
    """

    a: Value = eqx.field(converter=lambda value: _as_value(value), kw_only=True)
    b: Value = eqx.field(converter=lambda value: _as_value(value), kw_only=True)
    g: Value = eqx.field(converter=lambda value: _as_value(value), kw_only=True)

    def __check_init__(self):
        known = _known_pair(self.a, self.b)
        if known is not None and np.any((known[0] == 0) & (known[1] == 0)):
            raise ValueError(
                "Robin expected a or b other than zero, got a = b = 0; use Outflow where nothing is "
                "prescribed."
            )

    def face(
        self, t: ArrayLike, cell: Float[Array, "..."], axis: int, half: float
    ) -> Float[Array, "..."]:
        """The value at the face, (g δ + b u)/(a δ + b), beside cells u whose centres are δ inside.

        NaN where a cell is too wide for a and b of opposite signs.
        """
        b, g = (prescribed(part, t, cell, axis) for part in (self.b, self.g))
        value = (g * half + b * cell) / self._weight(t, cell, axis, half)
        return jnp.broadcast_to(value, cell.shape)

    def firmness(
        self, t: ArrayLike, cell: Float[Array, "..."], axis: int, half: float
    ) -> Float[Array, "..."]:
        """The share of the value in the condition, a δ/(a δ + b): one for Dirichlet, zero for Neumann."""
        a = prescribed(self.a, t, cell, axis)
        return a * half / self._weight(t, cell, axis, half)

    def _weight(
        self, t: ArrayLike, cell: Float[Array, "..."], axis: int, half: float
    ) -> Float[Array, "..."]:
        a, b = (prescribed(part, t, cell, axis) for part in (self.a, self.b))
        weight = a * half + b
        return jnp.where((weight * b >= 0) & (weight != 0), weight, jnp.nan)


def prescribed(value: Value, t: ArrayLike, like: Float[Array, "..."], axis: int):
    """The boundary value at time t, shaped to broadcast with a slab of cells.

    Args:
        value: the array or callable of time.
        t: time.
        like: slab of shape ``(channels, ..., 1, ...)`` beside the face, of extent one along `axis`.
        axis: space axis of the side.

    Raises:
        ValueError: when the value has neither of the three shapes.
    """
    array = jnp.asarray(value(t) if callable(value) else value).astype(like.dtype)
    transverse = like.shape[: axis + 1] + like.shape[axis + 2 :]
    if array.ndim == 0:
        return array
    if array.shape == like.shape[:1]:
        return array.reshape(array.shape + (1,) * (like.ndim - 1))
    if array.shape == transverse:
        return jnp.expand_dims(array, axis + 1)
    raise ValueError(
        f"A boundary value was expected to be a scalar or of shape {like.shape[:1]} or "
        f"{transverse}, got {array.shape}; give one value a channel, or one a boundary face."
    )


def _as_value(value: Value) -> Value:
    if callable(value):
        return value
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        raise ValueError(
            f"A boundary value was expected to be real, got {array.dtype}; take its real part."
        )
    # In NumPy: within jit, what is known stays known.
    known = np.zeros(1) if isinstance(array, Tracer) else np.atleast_1d(np.asarray(array))
    if not np.all(np.isfinite(known)):
        raise ValueError(
            f"A boundary value was expected to be finite, got {known[~np.isfinite(known)][0]:g}; "
            "correct the value, or use Outflow where none is known."
        )
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def with_values(
    side: Dirichlet | Neumann | Robin, function: Callable[[Value], Value]
) -> Dirichlet | Neumann | Robin:
    """The same condition with other values, each a function of one of the old."""
    return type(side)(**{name: function(value) for name, value in vars(side).items()})


def robin_determines(side: Robin, half: float) -> bool:
    """Whether a and b, as far as they are known now, determine the value half a cell from a centre."""
    known = _known_pair(side.a, side.b)
    if known is None:
        return True
    a, b = known
    return bool(np.all(((a * half + b) * b >= 0) & (a * half + b != 0)))


def _known_pair(a: Value, b: Value) -> tuple[np.ndarray, np.ndarray] | None:
    """Two numbers, or arrays of shapes that broadcast, if they can be looked at now."""
    if any(callable(value) or isinstance(value, Tracer) for value in (a, b)):
        return None
    first, second = np.asarray(a), np.asarray(b)
    fit = first.shape == second.shape or 0 in (first.ndim, second.ndim)
    return (first, second) if fit else None


def normalise(boundary: Any, ndim: int) -> tuple[tuple[AbstractBoundary, AbstractBoundary], ...]:
    """One (lower, upper) pair an axis, from the short forms `FiniteVolume` accepts.

    Args:
        boundary: one condition for every side; or in one dimension a (lower, upper) pair; or one
            entry an axis, each a condition or a pair.
        ndim: number of space axes.

    Raises:
        ValueError: on any other form, or a periodic side that faces one that is not.
    """
    if isinstance(boundary, AbstractBoundary):
        entries: tuple[Any, ...] = (boundary,) * ndim
    elif ndim == 1 and _is_pair(boundary):
        entries = (boundary,)
    elif isinstance(boundary, tuple | list) and len(boundary) == ndim:
        entries = tuple(boundary)
    else:
        entries = (boundary,)
    pairs = []
    for entry in entries:
        pair = (entry, entry) if isinstance(entry, AbstractBoundary) else entry
        if len(entries) != ndim or not _is_pair(pair):
            raise ValueError(
                f"FiniteVolume expected boundary to be one condition or {ndim} (lower, upper) "
                f"pair(s) of Periodic, Dirichlet, Neumann, Robin, Outflow or Wall, got {boundary!r}; give one "
                "entry an axis."
            )
        if isinstance(pair[0], Periodic) != isinstance(pair[1], Periodic):
            raise ValueError(
                "FiniteVolume expected Periodic on both sides of an axis or on neither, got "
                f"{type(pair[0]).__name__} and {type(pair[1]).__name__}; make the pair agree."
            )
        pairs.append(tuple(pair))
    return tuple(pairs)


def _is_pair(entry: Any) -> bool:
    return (
        isinstance(entry, tuple | list)
        and len(entry) == 2
        and all(isinstance(side, AbstractBoundary) for side in entry)
    )
