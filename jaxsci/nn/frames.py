"""Layers on films, (time, height, width, channels): merging and enlarging patches, frame by frame.

Channels come last, as convolutions on CPUs want them.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from ._rows import in_rows
from .conv import Conv
from .cuboid.dense import Dense, TokenNorm
from .initial import normal

Frames = Float[Array, "T H W channels"]


class PatchMerge(Module):
    """Make one token of each patch: its points' channels side by side, normed, and mapped.

    Where patches do not divide a frame, zeros fill up the last ones.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        patch: points of a patch along height and width.
        key: random key of the initial weights.

    Reference: Liu et al., Swin Transformer, ICCV 2021, arXiv:2103.14030, section 3.1.
    """

    norm: TokenNorm
    reduce: Dense
    patch: tuple[int, int] = eqx.field(static=True)

    def __init__(
        self, in_channels: int, out_channels: int, *, patch: tuple[int, int], key: PRNGKeyArray
    ):
        channels = math.prod(patch) * in_channels
        self.norm = TokenNorm(channels)
        self.reduce = Dense(channels, out_channels, key=key)
        self.patch = patch

    def __call__(self, x: Frames) -> Float[Array, "T h w out_channels"]:
        """Merge the patches of every frame."""
        t, h, w, c = x.shape
        p, q = self.patch
        if h % p or w % q:
            x = jnp.pad(x, ((0, 0), (0, -h % p), (0, -w % q), (0, 0)))
        h, w = merged((h, w), self.patch)
        x = x.reshape(t, h, p, w, q, c).transpose(0, 1, 3, 2, 4, 5)
        return self.reduce(self.norm(x.reshape(t, h, w, p * q * c)))


class Enlarge(Module):
    """Repeat points up to a given size, then convolve.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        size: height and width of the output; point i is point ⌊i n / size⌋ of the n before.
        key: random key of the initial weights.
    """

    conv: Conv
    size: tuple[int, int] = eqx.field(static=True)

    def __init__(
        self, in_channels: int, out_channels: int, *, size: tuple[int, int], key: PRNGKeyArray
    ):
        conv = Conv(in_channels=in_channels, out_channels=out_channels, kernel=(3, 3), key=key)
        # Weights that keep the variance backwards through a leaky ReLU of slope 0.1.
        std = math.sqrt(2 / (1 + 0.1**2) / (9 * out_channels))
        weight = std * normal(key, conv.weight.shape)
        self.conv = eqx.tree_at(
            lambda c: (c.weight, c.bias), conv, (weight, jnp.zeros(out_channels))
        )
        self.size = size

    def __call__(self, x: Frames) -> Float[Array, "T height width out_channels"]:
        """Enlarge every frame."""
        frames, *size, _ = x.shape
        if any(n % m for n, m in zip(self.size, size, strict=True)):
            return over_frames(self.conv, nearest(x, (frames, *self.size)))
        factors = tuple(n // m for n, m in zip(self.size, size, strict=True))
        return over_frames(lambda frame: self.conv.on_repeated(frame, factors), x)


def over_frames(layer: Callable[[Array], Array], x: Frames) -> Float[Array, "T h w out_channels"]:
    """Apply a layer to every frame: on CPUs one after the other, so that its copies stay in the cache.

    Args:
        layer: from a frame to a frame.
        x: the frames.
    """
    return jax.lax.map(layer, x) if in_rows() else jax.vmap(layer)(x)


def merged(size: tuple[int, int], patch: tuple[int, int]) -> tuple[int, int]:
    """Height and width after patches have been merged."""
    h, w = (-(-n // p) for n, p in zip(size, patch, strict=True))
    return h, w


def nearest(x: Frames, shape: tuple[int, int, int]) -> Float[Array, "t h w channels"]:
    """Resample time, height and width by the nearest earlier point, ⌊i n / m⌋."""
    for axis, m in enumerate(shape):
        n = x.shape[axis]
        if m % n == 0:
            # A broadcast, whose reverse is a sum and not a scatter.
            x = x if m == n else jnp.repeat(x, m // n, axis=axis)
        else:
            x = jnp.take(x, jnp.arange(m) * n // m, axis=axis)
    return x
