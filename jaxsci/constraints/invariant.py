r"""Nonlinear invariants: energy, enstrophy, or any other numbers that a field must have.

    argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,      g(u) = c,      and rows A u = b beside

With u = μ + σ z and the residual h(z) = (g(u) − c, A u − b) this is the nearest point to the origin on
h = 0, where z + Jᵀ ν = 0. Newton's steps along the surface are taken: each goes along its tangent plane (by
conjugate gradients, so no matrix has n × n entries), returns to it, and is shortened until the distance
shrinks. They end at a point that no point near it on the surface is nearer than, or with an error.

References: U. Utkarsh et al., Physics-Constrained Flow Matching, arXiv:2506.04171, and G. Lastrucci,
A. M. Schweidtmann, ENFORCE, arXiv:2502.06774, which only return to the surface, to a point that need not
be the nearest; J. Nocedal, S. Wright, Numerical Optimization (2006), algorithms 7.2 and 16.2.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float

from .._arrays import check_finite, floating
from .._checks import wholes
from .affine import AffineConstraint
from .nearest import AbstractNearest
from .surface import Surface, convex, multipliers, nearest_point, settled, tangent


class Invariant(AbstractNearest):
    """Numbers g(u) = c that a field must have, and affine rows that it must satisfy beside.

    Args:
        function: g, from a field to a scalar or to m numbers; an `equinox.Module` to differentiate with
            respect to its parameters.
        value: c; of the shape of g(u), with a batch in front where fields differ.
        shape: shape of one field as `function` takes it, (*space) or (channels, *space).
        rows: exact rows over the field flattened, as of `conservation`.

    Raises:
        TypeError: a function that cannot be called, or rows that are no `AffineConstraint`.
        ValueError: values that are not finite or do not fit g, rows with noise or over other cells.
    """

    function: Callable[..., Any]
    values: Float[Array, "*batch m"]
    rows: AffineConstraint | None
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        function: Callable[..., Any],
        value: ArrayLike,
        *,
        shape: tuple[int, ...],
        rows: AffineConstraint | None = None,
    ):
        if not callable(function) or not (rows is None or isinstance(rows, AffineConstraint)):
            raise TypeError(
                "Invariant expected a function and rows as an AffineConstraint, got "
                f"{type(function).__name__} and {type(rows).__name__}; build the rows with conservation."
            )
        shape = wholes("Invariant", "shape", shape, "shape=(1, 64) for one channel of 64 cells")
        n = math.prod(shape)
        if rows is not None and (rows.noise is not None or rows.rows.shape[1] != n):
            raise ValueError(
                f"Invariant expected exact rows over the {n} cells of a field of shape {shape}, got rows "
                f"{rows.rows.shape} and noise {rows.noise}; flatten the field, and leave the noise out."
            )
        values = floating("Invariant", value)
        check_finite("Invariant", "value", values)
        out = jax.eval_shape(function, jax.ShapeDtypeStruct(shape, values.dtype))
        if out.ndim > 1 or values.shape[values.ndim - out.ndim :] != out.shape:
            raise ValueError(
                f"Invariant expected a function with a scalar or m numbers and as many values, got "
                f"{out.shape} and values {values.shape}; put a batch of values in front."
            )
        values = values if out.ndim else values[..., None]
        if rows is not None:
            own = rows.values.astype(values.dtype)
            batch = jnp.broadcast_shapes(own.shape[:-1], values.shape[:-1])
            parts = [jnp.broadcast_to(x, (*batch, x.shape[-1])) for x in (values, own)]
            values = jnp.concatenate(parts, axis=-1)
        # A plain function is part of a pytree's structure, so that jit takes the constraint as it is.
        parts = isinstance(function, eqx.Module)
        self.function = function if parts else Partial(function)  # pyright: ignore[reportAttributeAccessIssue]
        self.values = values
        self.rows = rows
        self.shape = tuple(shape)

    @property
    def cells(self) -> int:
        """Number n of cells, those of all channels."""
        return math.prod(self.shape)

    def residual(self, u: Float[Array, "*field"]) -> Float[Array, "*batch m"]:
        """(g(u) − c, A u − b) of one field.

        Args:
            u: the field, of the shape that the function takes.
        """
        return self._numbers(u.ravel()) - self.values.astype(u.dtype)

    def nearest(self, mean, scale, values):
        """The nearest field with these numbers, and the variances on the tangent plane there."""
        numbers = eqx.filter_closure_convert(self._numbers, mean)
        surface = Surface(numbers, mean, scale, values)
        z, _ = nearest_point(surface, self._start(mean, scale, values))
        z = eqx.error_if(
            z,
            ~settled(surface, z),
            "project expected an Invariant that it can find the nearest field of, got no convergence; check "
            "that a field with its value exists near the mean, and that its derivatives there "
            "are independent and smooth.",
        )
        z = eqx.error_if(
            z,
            ~convex(surface, z),
            "project expected an Invariant that it can find the nearest field of, got one that fields beside "
            "it are nearer than; the mean lies as far from several sides of the surface, break the tie by a "
            "small change of it.",
        )
        jacobian, factor = tangent(surface, z)
        share = jnp.sum(jacobian * multipliers(factor, jacobian), 0)
        return mean + scale * z, scale**2 * jnp.maximum(1.0 - share, 0.0)

    def _start(self, mean: Array, scale: Array, values: Array) -> Float[Array, " n"]:
        """The nearest point with the rows alone: from there steps towards g(u) = c never leave them."""
        if self.rows is None:
            return jnp.zeros_like(mean)
        mean, scale, values = lax.stop_gradient((mean, scale, values))
        rows = lax.stop_gradient(self.rows.rows).astype(mean.dtype)
        residual = (rows * mean).sum(-1) - values[-len(rows) :]
        spread = rows * scale
        return -spread.T @ jnp.linalg.solve(spread @ spread.T, residual)

    def _numbers(self, u: Float[Array, " n"]) -> Float[Array, " m"]:
        numbers = jnp.atleast_1d(self.function(u.reshape(self.shape)))
        if self.rows is None:
            return numbers
        rows = self.rows.rows.astype(u.dtype)
        return jnp.concatenate([numbers, (rows * u).sum(-1)])
