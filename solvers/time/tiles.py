"""Steps of large grids, one cache-sized tile after another.

The temporaries of a step are tens of times the state. Where they leave the cache, memory traffic sets
the pace, and a tile that is stepped alone, with all stages, does not leave it. A tile reads a margin of
(stages · stencil width) cells beyond its sides, steps this window as if it were a domain of its own,
and drops the margin: no cell that is kept has seen where the window ends, unless the domain ends there
too. What is kept is what a step of the whole grid gives.
"""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Int

from ..boundary import (
    AbstractBoundary,
    Dirichlet,
    Neumann,
    Outflow,
    Periodic,
    Robin,
    with_values,
)
from ..finite_volume import FiniteVolume
from ..finite_volume.blocks import Block
from ..laws.law import State
from .stepper import AbstractExplicit, Time

# Bytes of a tile's state, whose temporaries, some fifty times as large, stay in a cache of tens of
# megabytes.
_TILE_BYTES = 2**19
# Smaller states are stepped whole.
_LARGE_BYTES = 8 * _TILE_BYTES


def tiled_step(
    stepper: AbstractExplicit, field: FiniteVolume, t: Time, u: State, dt: Time
) -> State:
    """``stepper.step``, tile by tile where the grid is large and the device is a CPU.

    Derivatives are those of the whole step: to read a window from a large array costs, transposed, a
    pass over the array.
    """
    tile = _tile_shape(field, u)
    whole = tile == field.grid.shape or isinstance(field, Block)
    if whole or jax.default_backend() != "cpu":
        return stepper.step(field, t, u, dt)
    field = _with_explicit_closures(field, t)

    @eqx.filter_custom_jvp
    def step(field: FiniteVolume, t: Time, u: State, dt: Time) -> State:
        return _by_tiles(stepper, field, tile, t, u, dt)

    @step.def_jvp
    def step_jvp(primals, tangents):
        return eqx.filter_jvp(stepper.step, primals, tangents)

    return step(field, t, u, dt)


def _tile_shape(field: FiniteVolume, u: State) -> tuple[int, ...]:
    """Cells of a tile along each axis; the grid's own shape where there is nothing to cut."""
    shape = list(field.grid.shape)
    if u.size * u.dtype.itemsize < _LARGE_BYTES or None in field.grid.spacings:
        return tuple(shape)
    while math.prod(shape) * u.shape[0] * u.dtype.itemsize > _TILE_BYTES:
        longest = int(np.argmax(shape))
        shape[longest] = math.ceil(shape[longest] / 2)
    return tuple(shape)


def _by_tiles(
    stepper: AbstractExplicit,
    field: FiniteVolume,
    tile: tuple[int, ...],
    t: Time,
    u: State,
    dt: Time,
) -> State:
    margin = stepper.stages * field.width
    plan = [
        _Axis(n, kept, margin, side[0])
        for n, kept, side in zip(field.grid.shape, tile, field.boundary, strict=True)
    ]

    def firsts(index: Int[Array, ""]) -> list[Int[Array, ""]]:
        """The first cells of a tile."""
        cells = []
        for axis in reversed(plan):
            index, number = jnp.divmod(index, axis.count)
            # The last tile overlaps the one before where they do not divide the axis.
            cells.insert(0, jnp.minimum(number * axis.kept, axis.cells - axis.kept))
        return cells

    def write(out: Array, v: Array, index: Int[Array, ""]) -> Array:
        places = firsts(index)
        inner = [
            first - axis.origin(axis.start(first)) for axis, first in zip(plan, places, strict=True)
        ]
        return lax.dynamic_update_slice(out, _cut(v, inner, kept), (0, *places))

    def advance(index: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        out, v = carry
        # Written a round later, as an array of its own: XLA would fuse the last operations of the
        # step with the writing, which it does not divide among threads.
        out = write(out, v, jnp.maximum(index - 1, 0))
        starts = [axis.start(first) for axis, first in zip(plan, firsts(index), strict=True)]
        local = _local(field, plan, starts)
        return out, stepper.step(local, t, _copied(padded, starts, window), dt)

    kept, window = [axis.kept for axis in plan], [axis.window for axis in plan]
    padded = _wrap(plan, u)
    count = math.prod(axis.count for axis in plan)
    empty = jnp.zeros((u.shape[0], *window), u.dtype)
    out, last = lax.fori_loop(0, count, advance, (jnp.zeros_like(u), empty))
    return write(out, last, jnp.asarray(count - 1))


class _Axis:
    """How an axis is cut: `count` tiles of `kept` cells, each stepped in a `window` of cells.

    A periodic axis is read from a copy that continues it by the margin on both sides.
    """

    def __init__(self, cells: int, kept: int, margin: int, side: AbstractBoundary):
        whole = kept + 2 * margin >= cells
        self.cells = cells
        self.kept = cells if whole else kept
        self.window = cells if whole else kept + 2 * margin
        self.count = math.ceil(cells / self.kept)
        self.wrapped = margin if isinstance(side, Periodic) and not whole else 0
        self.margin = 0 if whole else margin

    def start(self, first: Int[Array, ""]) -> Int[Array, ""]:
        """Where the window of the tile from `first` on begins, in the array it is read from."""
        if self.wrapped:
            return first
        return jnp.clip(first - self.margin, 0, self.cells - self.window)

    def origin(self, start: Int[Array, ""]) -> Int[Array, ""]:
        """The cell of the axis that a window begins with, negative beyond a periodic end."""
        return start - self.wrapped


def _wrap(plan: Sequence[_Axis], x: Array) -> Array:
    """An array whose trailing axes are those of the plan, continued along the periodic ones."""
    lead = [(0, 0)] * (x.ndim - len(plan))
    return jnp.pad(x, lead + [(axis.wrapped, axis.wrapped) for axis in plan], mode="wrap")


def _cut(x: Array, starts: Sequence[Any], sizes: Sequence[int]) -> Array:
    lead = x.ndim - len(sizes)
    return lax.dynamic_slice(x, [0] * lead + list(starts), [*x.shape[:lead], *sizes])


def _copied(x: Array, starts: Sequence[Any], sizes: Sequence[int]) -> Array:
    """`_cut` as an array of its own.

    XLA would fuse a slice into each of the operations that read it, and these would read it from far
    apart; two halves, concatenated, it copies.
    """
    half = sizes[0] // 2
    halves = [
        _cut(x, [starts[0] + first, *starts[1:]], [size, *sizes[1:]])
        for first, size in ((0, half), (half, sizes[0] - half))
    ]
    return lax.concatenate(halves, x.ndim - len(sizes))


def _local(
    field: FiniteVolume, plan: Sequence[_Axis], starts: Sequence[Int[Array, ""]]
) -> FiniteVolume:
    """The field on a window: arrays in space cut to it, open ends where it was wrapped."""
    shape = field.grid.shape

    def cut_law(leaf: Any) -> Any:
        in_space = isinstance(leaf, jax.Array) and leaf.shape == shape
        return _cut(_wrap(plan, leaf), starts, [axis.window for axis in plan]) if in_space else leaf

    def cut_side(side: AbstractBoundary, along: int) -> AbstractBoundary:
        if plan[along].wrapped:
            return Outflow()
        across = [a for a in range(len(plan)) if a != along]
        there = [plan[a] for a in across]

        def cut_value(value: Any) -> Any:
            def at(t: ArrayLike) -> Array:
                array = jnp.asarray(value(t) if callable(value) else value)
                if array.ndim != len(plan) or array.shape[1:] != tuple(a.cells for a in there):
                    return array  # one for all, or one a channel
                return _cut(
                    _wrap(there, array), [starts[a] for a in across], [a.window for a in there]
                )

            return at

        given = isinstance(side, Dirichlet | Neumann | Robin)
        return with_values(side, cut_value) if given else side

    centers = [
        _cut(_wrap([axis], jnp.asarray(c)), [start], [axis.window])
        for axis, c, start in zip(plan, field.grid.centers, starts, strict=True)
    ]
    return field.window(
        jax.tree.map(cut_law, field.law),
        tuple(axis.window for axis in plan),
        tuple(
            (cut_side(lower, along), cut_side(upper, along))
            for along, (lower, upper) in enumerate(field.boundary)
        ),
        centers,
    )


def _with_explicit_closures(field: FiniteVolume, t: Time) -> FiniteVolume:
    """The field with what its boundary callables close over as leaves.

    A function with a derivative of its own must not close over what it is differentiated by.
    """

    def explicit(leaf: Any) -> Any:
        return eqx.filter_closure_convert(leaf, t) if callable(leaf) else leaf

    boundary = jax.tree.map(explicit, field.boundary)
    return eqx.tree_at(lambda f: f.boundary, field, boundary)
