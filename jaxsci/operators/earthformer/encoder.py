"""The encoder of an Earthformer: levels of self-attention, each on half the height and width of the one before.

What each level has found is kept for the decoder. Global vectors pass through the levels with the tokens.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.2 and figure 2.
"""

import itertools

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ...nn.cuboid import CuboidStack
from ...nn.cuboid.dense import Dense
from ...nn.cuboid.stack import key_per
from ...nn.frames import PatchMerge
from .recipe import Recipe, Shape

# Sizes differ from level to level, hence no names.
Memory = list[tuple[Float[Array, "_ _ _ _"], Float[Array, "_ _"] | None]]
PATCH = (2, 2)


class Encoder(Module):
    """Levels of self-attention.

    Args:
        shapes: (time, height, width, channels) of the tokens of each level.
        depth: stacks of each level.
        recipe: settings of the attention layers.
        key: random key of the initial weights.
    """

    levels: tuple[tuple[CuboidStack, ...], ...]
    merges: tuple[PatchMerge, ...]
    vector_maps: tuple[Dense, ...]

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        *,
        depth: tuple[int, ...],
        recipe: Recipe,
        key: PRNGKeyArray,
    ):
        level_key, merge_key, map_key = jax.random.split(key, 3)
        self.levels = tuple(
            tuple(
                recipe.self_stack(shape, vectors=recipe.vectors, key=k)
                for k in jax.random.split(level, stacks)
            )
            for shape, stacks, level in zip(
                shapes, depth, jax.random.split(level_key, len(shapes)), strict=True
            )
        )
        widths = [shape[3] for shape in shapes]
        steps = list(itertools.pairwise(widths))
        self.merges = tuple(
            PatchMerge(a, b, patch=PATCH, key=k)
            for (a, b), k in zip(steps, jax.random.split(merge_key, len(steps)), strict=True)
        )
        self.vector_maps = tuple(
            Dense(a, b, bias=True, key=k)
            for (a, b), k in zip(steps, jax.random.split(map_key, len(steps)), strict=True)
            if recipe.vectors
        )

    def __call__(
        self,
        x: Float[Array, "T h w c"],
        vectors: Float[Array, "P c"] | None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Memory:
        """The tokens and the vectors of each level, the finest first."""
        memory = []
        level_keys = key_per(self.levels, key)
        for i, stacks in enumerate(self.levels):
            if i:
                x = self.merges[i - 1](x)
                vectors = None if vectors is None else self.vector_maps[i - 1](vectors)
            for stack, k in zip(stacks, key_per(stacks, level_keys[i]), strict=True):
                x, vectors = stack(x, vectors, key=k)
            memory.append((x, vectors))
        return memory
