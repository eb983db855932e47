"""The two ends of an Earthformer: from frames to tokens, and from tokens to frames.

    Stem:  stages of [conv, norm, leaky ReLU] twice and merging patches
    Head:  stages of enlarging and [conv, norm, leaky ReLU], in the opposite order, and a dense map

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, appendix B.
"""

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ...nn.conv_block import ConvBlock
from ...nn.cuboid.dense import Dense
from ...nn.frames import Enlarge, PatchMerge, merged, over_frames

Stage = tuple[int, tuple[int, int]]


def _blocks(channels: int, out: int, count: int, key: PRNGKeyArray) -> tuple[ConvBlock, ...]:
    """Convolutions, group norms with four channels a group, and leaky ReLUs of slope 0.1."""
    return tuple(
        ConvBlock(
            in_channels=channels if i == 0 else out,
            out_channels=out,
            groups=max(1, out // 4),
            slope=0.1,
            key=k,
        )
        for i, k in enumerate(jax.random.split(key, count))
    )


class Stem(Module):
    """Make tokens of frames.

    Args:
        in_channels: channels of a frame.
        stages: channels and patch of each stage.
        key: random key of the initial weights.
    """

    blocks: tuple[tuple[ConvBlock, ...], ...]
    merges: tuple[PatchMerge, ...]

    def __init__(self, in_channels: int, *, stages: tuple[Stage, ...], key: PRNGKeyArray):
        blocks, merges = [], []
        for k, (channels, patch) in zip(jax.random.split(key, len(stages)), stages, strict=True):
            block_key, merge_key = jax.random.split(k)
            blocks.append(_blocks(in_channels, channels, 2, block_key))
            merges.append(PatchMerge(channels, channels, patch=patch, key=merge_key))
            in_channels = channels
        self.blocks, self.merges = tuple(blocks), tuple(merges)

    def __call__(self, x: Float[Array, "T H W in_channels"]) -> Float[Array, "T h w channels"]:
        """Tokens of the frames."""
        for blocks, merge in zip(self.blocks, self.merges, strict=True):
            for block in blocks:
                x = over_frames(block, x)
            x = merge(x)
        return x


class Head(Module):
    """Make frames of tokens.

    Args:
        out_channels: channels of a frame.
        size: height and width of a frame.
        stages: channels and patch of each stage of the stem.
        convs: convolutions of a stage, beside the one that enlarges.
        key: random key of the initial weights.
    """

    enlarge: tuple[Enlarge, ...]
    blocks: tuple[tuple[ConvBlock, ...], ...]
    out: Dense

    def __init__(
        self,
        out_channels: int,
        *,
        size: tuple[int, int],
        stages: tuple[Stage, ...],
        convs: int,
        key: PRNGKeyArray,
    ):
        out_key, *keys = jax.random.split(key, 1 + len(stages))
        sizes = [size]
        for _, patch in stages[:-1]:
            sizes.append(merged(sizes[-1], patch))
        width = stages[-1][0]
        enlarge, blocks = [], []
        for k, (channels, _), target in zip(keys, stages[::-1], sizes[::-1], strict=True):
            enlarge_key, block_key = jax.random.split(k)
            enlarge.append(Enlarge(width, width, size=target, key=enlarge_key))
            blocks.append(_blocks(width, channels, convs, block_key))
            width = channels if convs else width
        self.enlarge, self.blocks = tuple(enlarge), tuple(blocks)
        self.out = Dense(width, out_channels, bias=True, key=out_key)

    def __call__(self, x: Float[Array, "T h w channels"]) -> Float[Array, "T H W out_channels"]:
        """Frames of the tokens."""
        for enlarge, blocks in zip(self.enlarge, self.blocks, strict=True):
            x = enlarge(x)
            for block in blocks:
                x = over_frames(block, x)
        return self.out(x)
