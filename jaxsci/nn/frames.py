"""Layers on films, (time, height, width, channels): convolutions frame by frame, merging and enlarging patches.

Channels come last, as convolutions on CPUs want them.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .cuboid.dense import Dense, TokenNorm, at_least_single

Frames = Float[Array, "T H W channels"]


class FrameConv(eqx.Module):
    """A convolution of each frame with 3 x 3 weights and zeros around it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        normal: initial weights that keep the variance backwards through a leaky ReLU of slope 0.1
            (normal, offsets zero) instead of uniform ones in ±1/√(9 in_channels).
        key: random key of the initial weights.
    """

    weight: Float[Array, "3 3 in_channels out_channels"]
    bias: Float[Array, " out_channels"]

    def __init__(
        self, in_channels: int, out_channels: int, *, normal: bool = False, key: PRNGKeyArray
    ):
        weight_key, bias_key = jax.random.split(key)
        shape = (3, 3, in_channels, out_channels)
        if normal:
            std = math.sqrt(2 / (1 + 0.1**2) / (9 * out_channels))
            self.weight, self.bias = (
                std * jax.random.normal(weight_key, shape),
                jnp.zeros(out_channels),
            )
        else:
            bound = 1 / math.sqrt(9 * in_channels)
            uniform = lambda k, s: jax.random.uniform(k, s, minval=-bound, maxval=bound)
            self.weight, self.bias = uniform(weight_key, shape), uniform(bias_key, (out_channels,))

    def __call__(self, x: Float[Array, "T H W in_channels"]) -> Float[Array, "T H W out_channels"]:
        """Convolve every frame."""
        y = jax.lax.conv_general_dilated(
            x,
            self.weight.astype(x.dtype),
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y + self.bias.astype(x.dtype)


class FrameNorm(eqx.Module):
    """Group norm of each frame: statistics over its points and the channels of a group.

    Reference: Wu and He, Group Normalization, ECCV 2018, arXiv:1803.08494; ε = 1e-5.
    """

    weight: Float[Array, " channels"]
    bias: Float[Array, " channels"]
    groups: int = eqx.field(static=True)

    def __init__(self, channels: int, *, groups: int):
        if groups < 1 or channels % groups:
            raise ValueError(
                f"FrameNorm expected groups to divide the channels, got channels={channels} and "
                f"groups={groups}; a group of four channels is usual."
            )
        self.weight, self.bias = jnp.ones(channels), jnp.zeros(channels)
        self.groups = groups

    def __call__(self, x: Frames) -> Frames:
        """Normalise each frame; statistics at least in single precision."""
        wide = x.astype(at_least_single(x.dtype))
        wide = wide.reshape(x.shape[0], -1, self.groups, x.shape[-1] // self.groups)
        centred = wide - wide.mean(axis=(1, 3), keepdims=True)
        scale = jax.lax.rsqrt((centred**2).mean(axis=(1, 3), keepdims=True) + 1e-5)
        y = (centred * scale).astype(x.dtype).reshape(x.shape)
        return y * self.weight.astype(x.dtype) + self.bias.astype(x.dtype)


class PatchMerge(eqx.Module):
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


class Enlarge(eqx.Module):
    """Repeat points up to a given size, then convolve.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        size: height and width of the output; point i is point ⌊i n / size⌋ of the n before.
        key: random key of the initial weights.
    """

    conv: FrameConv
    size: tuple[int, int] = eqx.field(static=True)

    def __init__(
        self, in_channels: int, out_channels: int, *, size: tuple[int, int], key: PRNGKeyArray
    ):
        self.conv = FrameConv(in_channels, out_channels, normal=True, key=key)
        self.size = size

    def __call__(self, x: Frames) -> Float[Array, "T height width out_channels"]:
        """Enlarge every frame."""
        return self.conv(nearest(x, (x.shape[0], *self.size)))


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
