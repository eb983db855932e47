"""The decoder of an Earthformer: learned queries that read what the encoder has found, from coarse to fine.

The queries depend on positions only: z = W e(t, h, w) + b. The coarsest level begins with a reading; each
further stack is self-attention and a reading. What is read on a level is the encoder's memory of that level;
nothing is added to it.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.2 and figure 2.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ...nn.cuboid import CuboidCrossStack, CuboidStack
from ...nn.cuboid.dense import Dense
from ...nn.cuboid.stack import key_per
from ...nn.frames import Enlarge
from ...nn.positions import PositionEmbedding, Positions
from .encoder import Memory
from .recipe import Recipe, Shape


class QueryDecoder(Module):
    """Learned queries through levels of self-attention and readings of the memory.

    Args:
        shapes: (time, height, width, channels) of the memory of each level.
        frames: frames to predict.
        depth: stacks of each level.
        positions: kind of the embedding of the queries' positions.
        recipe: settings of the attention layers.
        key: random key of the initial weights.
    """

    positions: PositionEmbedding
    query: Dense
    stacks: tuple[tuple[CuboidStack | None, ...], ...]
    readings: tuple[tuple[CuboidCrossStack, ...], ...]
    enlarge: tuple[Enlarge, ...]
    shape: Shape = eqx.field(static=True)

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        *,
        frames: int,
        depth: tuple[int, ...],
        positions: Positions,
        recipe: Recipe,
        key: PRNGKeyArray,
    ):
        position_key, query_key, stack_key, reading_key, enlarge_key = jax.random.split(key, 5)
        stack_keys, reading_keys = (
            jax.random.split(k, len(shapes)) for k in (stack_key, reading_key)
        )
        self.shape = (frames, *shapes[-1][1:])
        width = self.shape[3]
        self.positions = PositionEmbedding(
            width, shape=self.shape[:3], kind=positions, key=position_key
        )
        self.query = Dense(width, width, bias=True, key=query_key)
        top = len(shapes) - 1
        self.stacks = tuple(
            tuple(
                # The queries have nothing to tell each other before they have read.
                None if (i, j) == (top, 0) else recipe.self_stack(shape, key=k)
                for j, k in enumerate(jax.random.split(stack_keys[i], depth[i]))
            )
            for i, shape in enumerate(self_shapes(shapes, frames, recipe))
        )
        self.readings = tuple(
            tuple(
                recipe.cross_stack(shape, key=k)
                for k in jax.random.split(reading_keys[i], depth[i])
            )
            for i, shape in enumerate(shapes)
        )
        self.enlarge = enlarging(shapes, enlarge_key)

    def __call__(
        self, memory: Memory, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "T h w c"]:
        """The tokens of the predicted frames."""
        x = self.query(self.positions(jnp.zeros(self.shape, memory[-1][0].dtype)))
        level_keys = key_per(memory, key)
        for i in reversed(range(len(memory))):
            keys = iter(key_per(2 * self.stacks[i], level_keys[i]))
            for stack, reading in zip(self.stacks[i], self.readings[i], strict=True):
                stack_key, reading_key = next(keys), next(keys)
                if stack is not None:
                    x, _ = stack(x, key=stack_key)
                x = reading(x, *memory[i], key=reading_key)
            if i:
                x = self.enlarge[i - 1](x)
        return x


def self_shapes(shapes: tuple[Shape, ...], frames: int, recipe: Recipe) -> tuple[Shape, ...]:
    """The shapes that a decoder's self-attention is made for."""
    # The published code sizes it by the frames observed, though it acts on those predicted: for ENSO two
    # windows of 12 months over 14 months and 10 of padding.
    if recipe.compat is not None:
        return shapes
    return tuple((frames, h, w, c) for _, h, w, c in shapes)


def enlarging(shapes: tuple[Shape, ...], key: PRNGKeyArray) -> tuple[Enlarge, ...]:
    """From each level to the finer one."""
    keys = jax.random.split(key, len(shapes))
    return tuple(
        Enlarge(coarse[3], fine[3], size=fine[1:3], key=k)
        for (fine, coarse), k in zip(itertools.pairwise(shapes), keys[1:], strict=True)
    )
