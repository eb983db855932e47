"""The decoder of an Earthformer that knows what will act on the forecast, such as the coming weather.

What is known of the future comes in as tokens, goes down the levels and up again, and reads the encoder's
memory of each level on both ways: a U-Net without skips.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, appendix (EarthNet2021); as in the authors'
code.
"""

import itertools

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ...nn.cuboid import CuboidCrossStack, CuboidStack
from ...nn.cuboid.stack import key_per
from ...nn.frames import Enlarge, PatchMerge
from .decoder import enlarging, self_shapes
from .encoder import PATCH, Memory
from .recipe import Recipe, Shape


class Way(Module):
    """The stacks and readings of all levels, on the way down or up."""

    stacks: tuple[tuple[CuboidStack, ...], ...]
    readings: tuple[tuple[CuboidCrossStack, ...], ...]

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        *,
        frames: int,
        depth: tuple[int, ...],
        recipe: Recipe,
        key: PRNGKeyArray,
    ):
        own = self_shapes(shapes, frames, recipe)
        keys = [jax.random.split(k, len(shapes)) for k in jax.random.split(key)]
        self.stacks = tuple(
            tuple(recipe.self_stack(own[i], key=k) for k in jax.random.split(keys[0][i], depth[i]))
            for i in range(len(shapes))
        )
        self.readings = tuple(
            tuple(recipe.cross_stack(shape, key=k) for k in jax.random.split(keys[1][i], depth[i]))
            for i, shape in enumerate(shapes)
        )

    def __call__(
        self,
        x: Float[Array, "T h w c"],
        memory: Memory,
        level: int,
        *,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "T h w c"]:
        """Through one level."""
        keys = iter(key_per(2 * self.stacks[level], key))
        for stack, reading in zip(self.stacks[level], self.readings[level], strict=True):
            x, _ = stack(x, key=next(keys))
            x = reading(x, *memory[level], key=next(keys))
        return x


class UNetDecoder(Module):
    """Down and up the levels with what is known of the future, reading the memory.

    Args:
        shapes: (time, height, width, channels) of the memory of each level.
        frames: frames to predict.
        depth: stacks of each level, on either way.
        recipe: settings of the attention layers.
        key: random key of the initial weights.
    """

    down: Way
    up: Way
    merges: tuple[PatchMerge, ...]
    enlarge: tuple[Enlarge, ...]

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        *,
        frames: int,
        depth: tuple[int, ...],
        recipe: Recipe,
        key: PRNGKeyArray,
    ):
        keys = jax.random.split(key, 4)
        self.down, self.up = (
            Way(shapes, frames=frames, depth=depth, recipe=recipe, key=k) for k in keys[:2]
        )
        self.merges = tuple(
            PatchMerge(fine[3], coarse[3], patch=PATCH, key=k)
            for (fine, coarse), k in zip(
                itertools.pairwise(shapes), jax.random.split(keys[2], len(shapes))[1:], strict=True
            )
        )
        self.enlarge = enlarging(shapes, keys[3])

    def __call__(
        self, x: Float[Array, "T h w c"], memory: Memory, *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "T h w c"]:
        """The tokens of the predicted frames.

        Args:
            x: tokens of what is known of these frames.
            memory: what the encoder has found.
            key: where given, dropout is on.
        """
        keys = iter(key_per(2 * memory, key))
        for i in range(len(memory)):
            if i:
                x = self.merges[i - 1](x)
            x = self.down(x, memory, i, key=next(keys))
        for i in reversed(range(len(memory))):
            x = self.up(x, memory, i, key=next(keys))
            if i:
                x = self.enlarge[i - 1](x)
        return x
