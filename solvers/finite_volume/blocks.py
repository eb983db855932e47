"""Blocks of a domain on the devices of a mesh, each with ghost cells from its neighbours.

The update is a stencil: a block that knows a few layers of cells beyond its sides computes what the
whole field computes there. Before the fluxes of an axis it exchanges these layers with its
neighbours, once; at the ends of the domain the boundary conditions supply them. What is global, the
largest wave speed and whether a state is finite, is reduced over all blocks.

Reference: W. Gropp, E. Lusk, A. Skjellum, Using MPI (2014), chapter 4.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ..boundary import AbstractBoundary, Dirichlet, Neumann, Periodic, Robin, Value, with_values
from ..grid import Grid
from ..laws.law import State
from ..laws.shallow_water import ShallowWater
from .conservative import FiniteVolume, Push
from .faces import Faces
from .ghosts import LOWER, UPPER, Slab, cut


class Block(FiniteVolume):
    """The block of a field that a device holds: a vector field inside of ``jax.shard_map``.

    All blocks are equal in size, and so is the program on all devices: the conditions at the ends
    of the domain are evaluated everywhere and chosen where they hold.

    Args:
        field: the whole field, but for parameters of the shape of the grid, which are the block's.
        mesh: the devices.
    """

    whole: Grid
    counts: tuple[int, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    beds: tuple[Slab | None, ...]
    halo: tuple[Slab, Slab] | None

    def __init__(self, field: FiniteVolume, mesh: Mesh):
        self.whole = field.grid
        self.names = tuple(mesh.axis_names)
        self.counts = block_counts(field.grid, mesh)
        self.halo = None
        shape = (n // count for n, count in zip(field.grid.shape, self.counts, strict=True))
        self.grid = field.grid.window(tuple(shape))
        super().__init__(
            law=field.law,
            grid=self.grid,
            boundary=tuple(
                tuple(self._own_part(side, axis) for side in pair)
                for axis, pair in enumerate(field.boundary)
            ),
            reconstruction=field.reconstruction,
            riemann=field.riemann,
        )
        # The bed rests: its layers are exchanged here and not in every evaluation.
        bed = field.law.bathymetry if isinstance(field.law, ShallowWater) else None
        self.beds = tuple(
            None if bed is None else self._exchanged_bed(bed, axis)
            for axis in range(self.grid.ndim)
        )

    def everywhere(self, holds: Bool[Array, ""]) -> Bool[Array, ""]:  # noqa: D102
        return lax.pmin(holds.astype(jnp.int32), self.names) == 1

    def first_cell(self, cell: Int[Array, ""]) -> Int[Array, ""]:  # noqa: D102
        none = math.prod(self.whole.shape)
        indices = jnp.unravel_index(jnp.maximum(cell, 0), self.grid.shape)
        flat = jnp.zeros_like(cell)
        for axis, index in enumerate(indices):
            flat = flat * self.whole.shape[axis] + self._offset(axis) + index.astype(cell.dtype)
        first = lax.pmin(jnp.where(cell < 0, none, flat), self.names)
        return jnp.where(first < none, first, -1)

    def _largest(self, values: list[Float[Array, "..."]]) -> Float[Array, ""]:
        # A maximum over devices may drop NaN, so that is sent beside the value.
        largest = lax.stop_gradient(super()._largest(values))
        lost = jnp.isnan(largest)
        sent = jnp.stack([jnp.where(lost, 0.0, largest), lost.astype(largest.dtype)])
        largest, lost = lax.pmax(sent, self.names)
        return jnp.where(lost > 0, jnp.nan, largest)

    def _flux_and_push(
        self, t: ArrayLike, u: State, axis: int, *, convection: bool, diffusion: bool
    ) -> tuple[Faces, Push]:
        parts = {"convection": convection, "diffusion": diffusion}
        if self.counts[axis] == 1:
            return super()._flux_and_push(t, u, axis, **parts)
        halo = self._exchange(u, axis, self.width)
        block = eqx.tree_at(lambda b: b.halo, self, halo, is_leaf=lambda leaf: leaf is None)
        return FiniteVolume._flux_and_push(block, t, u, axis, **parts)

    def _padded(self, t: ArrayLike, w: State, axis: int) -> Slab:
        padded = super()._padded(t, w, axis)
        if self.halo is None:
            return padded
        below, above = (self.law.to_primitive(slab) for slab in self.halo)
        return self._joined(padded, below, above, axis)

    def _padded_once(self, t: ArrayLike, w: State, axis: int) -> Slab:
        padded = super()._padded_once(t, w, axis)
        return self._exchanged(padded, w, axis)

    def _padded_gradients(
        self, t: ArrayLike, w: State, slopes: State, axis: int, along: int
    ) -> Slab:
        padded = super()._padded_gradients(t, w, slopes, axis, along)
        return self._exchanged(padded, slopes, axis)

    def _spread(self, values: Slab, along: int) -> Slab:
        return self._exchanged(super()._spread(values, along), values, along)

    def _exchanged(self, padded: Slab, cells: Slab, axis: int) -> Slab:
        """Cells with one ghost at both ends, those within the domain received."""
        if self.counts[axis] == 1:
            return padded
        return self._joined(padded, *self._exchange(cells, axis, 1), axis)

    def _padded_bed(self, bed: Float[Array, "*space"], axis: int) -> Slab:
        padded = self.beds[axis]
        return super()._padded_bed(bed, axis) if padded is None else padded.astype(bed.dtype)

    def _exchanged_bed(self, bed: Float[Array, "*space"], axis: int) -> Slab:
        padded = super()._padded_bed(bed, axis)
        if self.counts[axis] == 1:
            return padded
        below, above = self._exchange(bed[None], axis, self.width)
        return self._joined(padded, below, above, axis)

    def _diffusive_ends(
        self, t: ArrayLike, u: State, potential: State, axis: int
    ) -> tuple[Slab, Slab]:
        lower, upper = super()._diffusive_ends(t, u, potential, axis)
        if self.halo is None:
            return lower, upper
        below = self.law.potential(cut(self.halo[LOWER], axis, -1, None))
        above = self.law.potential(cut(self.halo[UPPER], axis, 0, 1))
        h = self._widths(axis)
        first, last = cut(potential, axis, 0, 1), cut(potential, axis, -1, None)
        return (
            self._chosen(lower, (below - first) / h, axis, LOWER),
            self._chosen(upper, (last - above) / h, axis, UPPER),
        )

    def _with_end(self, faces: Faces, slab: Slab, axis: int, end: int) -> Faces:
        inside = cut(faces, axis, 0, 1) if end == LOWER else cut(faces, axis, -1, None)
        return super()._with_end(faces, self._chosen(slab, inside, axis, end), axis, end)

    def _centers(self, dtype: Any) -> list[Array]:
        return [
            lax.dynamic_slice_in_dim(jnp.asarray(c, dtype=dtype), self._offset(axis), cells)
            for axis, (c, cells) in enumerate(zip(self.whole.centers, self.grid.shape, strict=True))
        ]

    def _exchange(self, u: Array, axis: int, width: int) -> tuple[Slab, Slab]:
        """The layers of cells just below and above the block.

        The ring closes even where the domain does not: so all blocks receive states that have a
        meaning, and no derivative of what is not chosen is NaN.
        """
        count, name = self.counts[axis], self.names[axis]
        upward = [(i, (i + 1) % count) for i in range(count)]
        downward = [(j, i) for i, j in upward]
        below = lax.ppermute(cut(u, axis, -width, None), name, upward)
        above = lax.ppermute(cut(u, axis, 0, width), name, downward)
        return below, above

    def _joined(self, padded: Slab, below: Slab, above: Slab, axis: int) -> Slab:
        """The padded cells, whose ghosts within the domain are those received."""
        width = below.shape[axis + 1]
        lower = self._chosen(cut(padded, axis, 0, width), below, axis, LOWER)
        upper = self._chosen(cut(padded, axis, -width, None), above, axis, UPPER)
        return lax.concatenate([lower, cut(padded, axis, width, -width), upper], axis + 1)

    def _chosen(self, outer: Slab, inner: Slab, axis: int, end: int) -> Slab:
        """The slab `outer` at an end of the domain, `inner` within it."""
        count = self.counts[axis]
        if count == 1:
            return outer
        if isinstance(self.boundary[axis][end], Periodic):
            return inner
        last = 0 if end == LOWER else count - 1
        return jnp.where(lax.axis_index(self.names[axis]) == last, outer, inner)

    def _offset(self, axis: int) -> int | Int[Array, ""]:
        """Index in the grid of the block's first cell along an axis."""
        if self.counts[axis] == 1:
            return 0
        return lax.axis_index(self.names[axis]) * self.grid.shape[axis]

    def _own_part(self, side: AbstractBoundary, axis: int) -> AbstractBoundary:
        """The condition on the part of a side that the block has."""
        others = [a for a in range(self.whole.ndim) if a != axis]
        if all(self.counts[a] == 1 for a in others):
            return side
        whole = tuple(self.whole.shape[a] for a in others)
        own = tuple(self.grid.shape[a] for a in others)
        first = tuple(self._offset(a) for a in others)
        if not isinstance(side, Dirichlet | Neumann | Robin):
            return side
        return with_values(side, lambda value: _OwnPart(value, whole, own, first))


class _OwnPart(eqx.Module):
    """The values on a block's part of a side, from those on the whole side."""

    value: Value
    whole: tuple[int, ...] = eqx.field(static=True)
    own: tuple[int, ...] = eqx.field(static=True)
    first: tuple[int | Int[Array, ""], ...]

    def __call__(self, t: ArrayLike) -> Array:
        array = jnp.asarray(self.value(t) if callable(self.value) else self.value)
        if array.shape[1:] != self.whole:
            return array
        for axis, (first, cells) in enumerate(zip(self.first, self.own, strict=True), 1):
            array = lax.dynamic_slice_in_dim(array, first, cells, axis)
        return array


def on_mesh(
    integrate: Callable[..., Any], mesh: Mesh, field: FiniteVolume, u0: State, *args: Any
) -> Any:
    """``integrate(field, u0, *args)`` with the field cut into blocks, one a device.

    Args:
        integrate: returns states ``(time, channels, *space)``, and what is equal on all devices.
        mesh: the devices.
        field: the field. Parameters of its law whose last axes are those of the grid are split like
            the state; the others, and the boundary values, are on every device.
        u0: initial state, split among the devices or not.
        args: further arguments, equal on all devices.

    Raises:
        ValueError: when the grid cannot be split among the devices.
        TypeError: when the mesh is none.
    """
    _check_mesh(field, mesh)
    space, shape = mesh.axis_names, field.grid.shape
    state = PartitionSpec(None, *space)

    def split(leaf: Array) -> PartitionSpec:
        extra = leaf.ndim - len(shape)
        per_cell = extra >= 0 and leaf.shape[extra:] == shape
        return PartitionSpec(*(None,) * extra, *space) if per_cell else PartitionSpec()

    inputs, static = eqx.partition((field, u0, args), eqx.is_array)
    specs = jax.tree.map(lambda _: PartitionSpec(), inputs)
    law = jax.tree.map(split, inputs[0].law)
    specs = eqx.tree_at(lambda tree: (tree[0].law, tree[1]), specs, (law, state))

    def place(leaf: Array, spec: PartitionSpec) -> Array:
        # What is traced is left where its derivative has to go.
        return leaf if isinstance(leaf, Tracer) else jax.device_put(leaf, NamedSharding(mesh, spec))

    return _on_blocks(integrate, mesh, specs, jax.tree.map(place, inputs, specs), static)


@eqx.filter_jit
def _on_blocks(
    integrate: Callable[..., Any], mesh: Mesh, specs: Any, inputs: Any, static: Any
) -> Any:
    # Shapes that do not fit are refused in terms of the whole grid, not of a block.
    whole = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), inputs)
    field, u0, args = eqx.combine(whole, static)
    eqx.filter_eval_shape(field, args[0], u0)

    def on_block(inputs: Any) -> Any:
        field, u0, args = eqx.combine(inputs, static)
        return integrate(Block(field, mesh), u0, *args)

    states = PartitionSpec(None, None, *mesh.axis_names)
    return jax.shard_map(
        on_block,
        mesh=mesh,
        in_specs=(specs,),
        out_specs=(states, PartitionSpec()),
        check_vma=False,  # loops start from constants, which count as equal on all devices
    )(inputs)


def block_counts(grid: Grid, mesh: Mesh) -> tuple[int, ...]:
    """Number of blocks along each space axis: the axes of the mesh split the first ones."""
    sizes = tuple(mesh.shape[name] for name in mesh.axis_names)
    return sizes + (1,) * (grid.ndim - len(sizes))


def _check_mesh(field: FiniteVolume, mesh: Mesh) -> None:
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f"solve expected mesh to be a jax.sharding.Mesh, got {type(mesh).__name__}; build one "
            "with jax.make_mesh."
        )
    grid, width = field.grid, field.width
    if len(mesh.axis_names) > grid.ndim:
        raise ValueError(
            f"solve expected a mesh of at most {grid.ndim} axes, one a space axis, got "
            f"{mesh.axis_names}; leave the others out."
        )
    for axis, count in enumerate(block_counts(grid, mesh)):
        cells = grid.shape[axis]
        if count == 1:
            continue
        name = mesh.axis_names[axis]
        if grid.spacings[axis] is None:
            raise ValueError(
                f"solve expected equal cells along the axis {axis} that the mesh splits, got a "
                f"stretched one; use Grid.uniform, or a mesh of size 1 along {name!r}."
            )
        if cells % count:
            raise ValueError(
                f"solve expected a number of cells along axis {axis} that is a multiple of the "
                f"{count} devices along {name!r}, got {cells}; change the grid or the mesh."
            )
        if cells // count < width:
            raise ValueError(
                f"solve expected blocks of at least {width} cells along axis {axis} for "
                f"{type(field.reconstruction).__name__}, got {cells // count}; refine the grid or "
                f"use fewer devices along {name!r}."
            )
