r"""Earthformer-UNet: the noise in frames to come, from these, the frames before them and the step.

    [past; noisy] → residual block → + positions → down and up the levels → dense → noise

Frames before and to come are one film, with a channel that tells which is which. On each level, on the way
down and on the way up, a residual block tells all tokens the step, before each stack of cuboid attention; the
way up starts from the sum of both where there is one to add.

Reference: Gao et al., PreDiff: Precipitation Nowcasting with Latent Diffusion Models, NeurIPS 2023,
arXiv:2307.10422; as in the authors' code, the stacks of a level share one residual block.
"""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._arrays import check_floating
from .._checks import check_key, whole
from .._module import Module
from ..nn.cuboid import CuboidStack, self_pattern
from ..nn.cuboid.dense import Dense
from ..nn.cuboid.self_attention import check_heads
from ..nn.cuboid.stack import key_per
from ..nn.dropout import seed_of
from ..nn.frames import Enlarge, PatchMerge
from ..nn.positions import PositionEmbedding, Positions
from ..nn.residual_block import ResidualBlock
from ..nn.step_embedding import StepEmbedding
from ..operators.earthformer.recipe import Shape
from ..operators.earthformer.sizes import check_depth, check_shapes, check_windows, level_shapes

PATCH = (2, 2)


class EarthformerUNet(Module):
    """Find the noise in frames to come.

    At first it finds none: its last map is zero.

    Args:
        shape_past: (time, channels, height, width) of the frames that are known.
        shape: the same of the frames to come; all but the number of frames must agree.
        base: channels of the finest tokens; each coarser level has twice as many.
        depth: stacks of attention of each level, the finest first, on either way.
        heads: attention heads; divide `base`.
        pattern: cuboids of self-attention; see `jaxsci.nn.self_pattern`.
        positions: kind of the position embeddings, "t+h+w" or "t+hw".
        dropout: share of dropped entries, active only where a call gets a key.
        pad: fill up cuboids where windows do not divide the tokens, instead of refusing them.
        chunk: tokens that attention works on at once; None for what suits the device.
        key: random key of the initial weights.

    Raises:
        ValueError: shapes, sizes or windows that do not fit.
        TypeError: a key that is none.
    """

    first: ResidualBlock
    positions: PositionEmbedding
    step: StepEmbedding
    down: "Way"
    up: "Way"
    merges: tuple[PatchMerge, ...]
    enlarge: tuple[Enlarge, ...]
    last: Dense
    shape_past: Shape = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)

    def __init__(
        self,
        *,
        shape_past: Shape,
        shape: Shape,
        base: int = 64,
        depth: tuple[int, ...] = (1, 1),
        heads: int = 4,
        pattern: str = "axial",
        positions: Positions = "t+h+w",
        dropout: float = 0.1,
        pad: bool = False,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        who = "EarthformerUNet"
        check_key(who, key)
        self.shape_past, self.shape = check_shapes(who, shape_past=shape_past, shape=shape)
        frames, channels, *size = shape_past
        if channels != shape[1]:
            raise ValueError(
                f"EarthformerUNet expected as many channels before as to come, got {channels} and {shape[1]}; "
                "encode both alike."
            )
        base = whole(who, "base", base, 2)
        check_heads(who, base, whole(who, "heads", heads))
        if base % 2:
            raise ValueError(
                f"EarthformerUNet expected an even base, got {base}; half the waves of its step are cosines, "
                "half sines."
            )
        depth = check_depth(who, depth)
        film: Shape = (frames + shape[0], channels, size[0], size[1])
        shapes = level_shapes(who, film, stem=(), base=base, levels=len(depth))
        check_windows(who, pattern, shapes, film[0], pad=pad)
        keys = jax.random.split(key, 8)
        # As published, each channel of the film is normalised on its own at first.
        self.first = ResidualBlock(
            in_channels=channels + 1,
            groups=channels + 1,
            out_channels=base,
            kernel=(3, 3, 3),
            still=True,
            dropout=dropout,
            key=keys[0],
        )
        self.positions = PositionEmbedding(base, shape=shapes[0][:3], kind=positions, key=keys[1])
        self.step = StepEmbedding(waves=base, width=4 * base, key=keys[2])
        options = {"heads": heads, "dropout": dropout, "chunk": chunk}
        self.down, self.up = (
            Way(shapes, depth=depth, pattern=pattern, embedding=4 * base, **options, key=k)
            for k in keys[3:5]
        )
        steps = list(itertools.pairwise(shapes))
        self.merges = tuple(
            PatchMerge(fine[3], coarse[3], patch=PATCH, key=k)
            for (fine, coarse), k in zip(steps, jax.random.split(keys[5], len(steps)), strict=True)
        )
        self.enlarge = tuple(
            Enlarge(coarse[3], fine[3], size=fine[1:3], key=k)
            for (fine, coarse), k in zip(steps, jax.random.split(keys[6], len(steps)), strict=True)
        )
        last = Dense(base, channels, bias=True, key=keys[7])
        self.last = jax.tree.map(jnp.zeros_like, last)

    @classmethod
    def preset(cls, name: str, *, key: PRNGKeyArray, **changes: Any) -> "EarthformerUNet":
        """A published model: "sevir-lr", PreDiff's for latents of radar pictures, of 136.8 million parameters.

        Args:
            name: its name.
            key: random key of the initial weights.
            changes: arguments to change.

        Raises:
            ValueError: another name.
        """
        if name != "sevir-lr":
            raise ValueError(
                f"EarthformerUNet.preset expected 'sevir-lr', got {name!r}; for other sizes call "
                "EarthformerUNet itself."
            )
        published = {
            "shape_past": (7, 64, 16, 16),
            "shape": (6, 64, 16, 16),
            "base": 256,
            "depth": (4, 4),
        }
        return cls(**{**published, **changes}, key=key)

    def __call__(
        self,
        x: Float[Array, "time channels height width"],
        step: Int[Array, ""] | int,
        past: Float[Array, "time_past channels height width"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "time channels height width"]:
        """The noise in one sample.

        Args:
            x: noisy frames to come.
            step: t of the diffusion.
            past: the frames before them, without noise.
            key: where given, dropout is on; without it the result is deterministic.

        Raises:
            ValueError: another shape than the model was built for, or whole numbers.
        """
        for name, got, shape in (("x", x, self.shape), ("past", past, self.shape_past)):
            if got.shape != shape:
                raise ValueError(
                    f"EarthformerUNet expected {name} of shape {shape} (time, channels, height, width), got "
                    f"{got.shape}; use jax.vmap for batches."
                )
            check_floating("EarthformerUNet", name, got)
        film = jnp.moveaxis(jnp.concatenate([past.astype(x.dtype), x]), 1, -1)
        known = jnp.arange(len(film)) < len(past)
        known = jnp.broadcast_to(known[:, None, None, None], (*film.shape[:-1], 1))
        first_key, down_key, up_key = key_per(range(3), key)
        tokens = jnp.concatenate([film, known.astype(x.dtype)], axis=-1)
        tokens = self.positions(self.first(tokens, seed=seed_of(first_key)))
        embedding = self.step(step, x.dtype)
        skips = []
        keys = key_per(self.down.stacks, down_key)
        for i in range(len(keys)):
            if i:
                tokens = self.merges[i - 1](tokens)
            tokens = self.down(tokens, embedding, i, key=keys[i])
            skips.append(tokens)
        keys = key_per(self.up.stacks, up_key)
        for i in reversed(range(len(keys))):
            # The coarsest level would add itself.
            if i < len(keys) - 1:
                tokens = tokens + skips[i]
            tokens = self.up(tokens, embedding, i, key=keys[i])
            if i:
                tokens = self.enlarge[i - 1](tokens)
        return jnp.moveaxis(self.last(tokens[len(past) :]), -1, 1)


class Way(Module):
    """What tokens pass on each level, on the way down or up.

    Args:
        shapes: (time, height, width, channels) of the tokens of each level.
        depth: stacks of each level.
        pattern: cuboids of self-attention.
        embedding: entries of the embedding of the step.
        heads: attention heads.
        dropout: share of dropped entries of attention.
        chunk: tokens worked on at once.
        key: random key of the initial weights.
    """

    blocks: tuple[ResidualBlock, ...]
    stacks: tuple[tuple[CuboidStack, ...], ...]

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        *,
        depth: tuple[int, ...],
        pattern: str,
        embedding: int,
        heads: int,
        dropout: float,
        chunk: int | None,
        key: PRNGKeyArray,
    ):
        block_keys, stack_keys = (jax.random.split(k, len(shapes)) for k in jax.random.split(key))
        self.blocks = tuple(
            ResidualBlock(
                in_channels=shape[3],
                out_channels=shape[3],
                kernel=(3, 3, 3),
                embedding=embedding,
                still=True,
                key=k,
            )
            for shape, k in zip(shapes, block_keys, strict=True)
        )
        self.stacks = tuple(
            tuple(
                CuboidStack(
                    shape[3],
                    heads=heads,
                    pattern=self_pattern(pattern, shape[:3]),
                    dropout=dropout,
                    chunk=chunk,
                    key=k,
                )
                for k in jax.random.split(level, stacks)
            )
            for shape, stacks, level in zip(shapes, depth, stack_keys, strict=True)
        )

    def __call__(
        self,
        x: Float[Array, "T h w c"],
        embedding: Float[Array, " e"],
        level: int,
        *,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "T h w c"]:
        """Through one level."""
        stacks = self.stacks[level]
        for stack, k in zip(stacks, key_per(stacks, key), strict=True):
            x = self.blocks[level](x, embedding)
            x, _ = stack(x, key=k)
        return x
