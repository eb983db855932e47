r"""Autoencoder of frames, whose latents a diffusion works on.

    q(z | x) = N(μ(x), σ²(x)),      x̂ = D(z),      L = Σ |x − x̂| + λ KL(q(z | x) ‖ N(0, I))

Encoder and decoder are residual blocks at several resolutions, with attention at the coarsest.

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022,
arXiv:2112.10752, appendix; with the channels of Gao et al., PreDiff, NeurIPS 2023, arXiv:2307.10422. What an
adversary adds to the loss late in their training is left out.
"""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from .._arrays import as_jax, check_floating
from .._checks import check_key, whole
from .._module import Module
from ..nn import Conv
from ..nn.conv_block import GroupNorm
from ..nn.initial import normal
from ..nn.precision import at_least_single
from ..nn.residual_block import ResidualBlock, group_norm
from ..nn.spatial_attention import SpatialAttention

EPSILON = 1e-6
Middle = tuple[ResidualBlock, SpatialAttention, ResidualBlock]
Levels = tuple[tuple[ResidualBlock, ...], ...]


class Latents(Module):
    """The normal distribution of the latents of one frame, each entry on its own.

    Unlike distributions of numpyro, which keep the shape of their batch under `jax.vmap`, many may be one.

    Attributes:
        mean: μ.
        deviation: σ.
    """

    mean: Float[Array, "*batch latent rows columns"]
    deviation: Float[Array, "*batch latent rows columns"]

    def sample(self, *, key: PRNGKeyArray) -> Float[Array, "*batch latent rows columns"]:
        """Latents drawn at random, with gradients with respect to both; all entries differ."""
        check_key("Latents.sample", key)
        mean = self.mean
        return mean + self.deviation * normal(key, mean.shape, mean.dtype)

    def divergence(self) -> Float[Array, ""]:
        """KL(q ‖ N(0, I)), the sum over all entries, in single precision at least."""
        # Squares and sums overflow in half precision.
        precision = at_least_single(self.mean.dtype)
        mean, deviation = self.mean.astype(precision), self.deviation.astype(precision)
        return (0.5 * (mean**2 + deviation**2 - 1) - jnp.log(deviation)).sum()


class Autoencoder(Module):
    """Frames to distributions of latents, and latents to frames.

    Frames and latents are (channels, height, width); each level but the last halves height and width.

    Args:
        channels: channels of a frame.
        latent: channels of a latent.
        widths: hidden channels of each level, the finest first.
        blocks: residual blocks of each level of the encoder; the decoder has one more.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive.
        TypeError: a key that is none.
    """

    encoder: "Encoder"
    decoder: "Decoder"
    channels: int = eqx.field(static=True)
    latent: int = eqx.field(static=True)
    levels: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        channels: int,
        latent: int,
        widths: tuple[int, ...] = (128, 256, 512, 512),
        blocks: int = 2,
        key: PRNGKeyArray,
    ):
        who = "Autoencoder"
        check_key(who, key)
        self.channels = whole(who, "channels", channels)
        self.latent = whole(who, "latent", latent)
        blocks = whole(who, "blocks", blocks)
        if not isinstance(widths, tuple) or not widths:
            raise ValueError(
                f"Autoencoder expected widths as a tuple with one entry per level, got {widths!r}; write "
                "widths=(32, 64)."
            )
        widths = tuple(whole(who, "each width", width) for width in widths)
        self.levels = len(widths)
        keys = jax.random.split(key)
        self.encoder = Encoder(channels, latent, widths=widths, blocks=blocks, key=keys[0])
        self.decoder = Decoder(channels, latent, widths=widths, blocks=blocks + 1, key=keys[1])

    @classmethod
    def preset(cls, name: str, *, key: PRNGKeyArray, **changes: Any) -> "Autoencoder":
        """A published model: "sevir-lr", PreDiff's for radar pictures, of 84.5 million parameters.

        Args:
            name: its name.
            key: random key of the initial weights.
            changes: arguments to change.

        Raises:
            ValueError: another name.
        """
        if name != "sevir-lr":
            raise ValueError(
                f"Autoencoder.preset expected 'sevir-lr', got {name!r}; for other sizes call "
                "Autoencoder itself."
            )
        return cls(**{"channels": 1, "latent": 64, **changes}, key=key)

    def encode(self, x: Float[Array, "channels height width"]) -> Latents:
        """The distribution of the latents of one frame; its mean stands for the frame where nothing is random.

        Args:
            x: the frame; height and width are multiples of 2^(levels − 1).

        Raises:
            ValueError: another shape, or whole numbers.
        """
        x = as_jax("Autoencoder.encode", "x", x)
        check_floating("Autoencoder.encode", "x", x)
        multiple = 2 ** (self.levels - 1)
        fits = x.ndim == 3 and x.shape[0] == self.channels and x.size
        if not fits or any(n % multiple for n in x.shape[1:]):
            raise ValueError(
                f"Autoencoder.encode expected a frame (channels={self.channels}, height, width) with sides "
                f"that are multiples of {multiple}, got shape {x.shape}; use jax.vmap for films and batches."
            )
        mean, log_variance = jnp.split(self.encoder(jnp.moveaxis(x, 0, -1)), 2, axis=-1)
        # As in the authors' code: no infinities early in training.
        deviation = jnp.exp(jnp.clip(log_variance, -30, 20) / 2)
        return Latents(*(jnp.moveaxis(v, -1, 0) for v in (mean, deviation)))

    def decode(
        self, z: Float[Array, "latent rows columns"]
    ) -> Float[Array, "channels height width"]:
        """The frame of one latent.

        Raises:
            ValueError: another shape, or whole numbers.
        """
        z = as_jax("Autoencoder.decode", "z", z)
        check_floating("Autoencoder.decode", "z", z)
        if z.ndim != 3 or z.shape[0] != self.latent or not z.size:
            raise ValueError(
                f"Autoencoder.decode expected a latent (channels={self.latent}, height, width), got shape "
                f"{z.shape}; use jax.vmap for films and batches."
            )
        return jnp.moveaxis(self.decoder(jnp.moveaxis(z, 0, -1)), -1, 0)

    def __call__(
        self, x: Float[Array, "channels height width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "channels height width"]:
        """Encode and decode one frame: through a random latent with a key, through the mean without."""
        latent = self.encode(x)
        return self.decode(latent.mean if key is None else latent.sample(key=key))


def autoencoder_loss(
    model: Autoencoder,
    x: Float[Array, "channels height width"],
    *,
    weight: float | Float[Array, ""] = 1e-6,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """Sum of the absolute errors of one frame, and the weighted divergence of its latents from normal ones.

    In single precision at least.

    Args:
        model: the autoencoder.
        x: the frame.
        weight: λ of the divergence; may be traced.
        key: random key of the latent.

    Raises:
        ValueError: a weight that is negative or not finite, or a frame of another shape.
        TypeError: a key that is none.
    """
    if not isinstance(weight, Tracer) and not 0 <= weight < float("inf"):
        raise ValueError(
            f"autoencoder_loss expected a weight >= 0, got {weight}; 1e-6 is the published one."
        )
    check_key("autoencoder_loss", key)
    latent = model.encode(x)
    precision = at_least_single(x.dtype)
    found = model.decode(latent.sample(key=key))
    error = jnp.abs(found.astype(precision) - x.astype(precision)).sum()
    return error + weight * latent.divergence()


class Encoder(Module):
    """A frame to mean and logarithm of the variance of its latents; channels come last."""

    first: Conv
    levels: Levels
    halve: tuple[Conv, ...]
    middle: Middle
    norm: GroupNorm
    last: Conv
    moments: Conv

    def __init__(
        self, channels: int, latent: int, *, widths: tuple[int, ...], blocks: int, key: PRNGKeyArray
    ):
        keys = jax.random.split(key, 6)
        self.first = _conv(channels, widths[0], keys[0])
        self.levels = _levels((widths[0], *widths), blocks, keys[1])
        # As published, the last point of a row sees zeros and the first one does not.
        self.halve = tuple(
            Conv(in_channels=w, out_channels=w, kernel=(3, 3), stride=2, ahead=True, key=k)
            for w, k in zip(widths[:-1], jax.random.split(keys[2], len(widths))[1:], strict=True)
        )
        self.middle = _middle(widths[-1], keys[3])
        self.norm = group_norm(widths[-1], EPSILON)
        self.last = _conv(widths[-1], 2 * latent, keys[4])
        self.moments = _conv(2 * latent, 2 * latent, keys[5], size=1)

    def __call__(
        self, x: Float[Array, "height width channels"]
    ) -> Float[Array, "rows columns moments"]:
        """Encode one frame."""
        x = self.first(x)
        for i, blocks in enumerate(self.levels):
            for block in blocks:
                x = block(x)
            if i < len(self.halve):
                x = self.halve[i](x)
        for layer in self.middle:
            x = layer(x)
        return self.moments(self.last(jax.nn.silu(self.norm(x))))


class Decoder(Module):
    """A latent to its frame; channels come last."""

    latent: Conv
    first: Conv
    middle: Middle
    levels: Levels
    double: tuple[Conv, ...]
    norm: GroupNorm
    last: Conv

    def __init__(
        self, channels: int, latent: int, *, widths: tuple[int, ...], blocks: int, key: PRNGKeyArray
    ):
        keys = jax.random.split(key, 6)
        coarse = widths[::-1]
        self.latent = _conv(latent, latent, keys[0], size=1)
        self.first = _conv(latent, coarse[0], keys[1])
        self.middle = _middle(coarse[0], keys[2])
        self.levels = _levels((coarse[0], *coarse), blocks, keys[3])
        self.double = tuple(
            _conv(w, w, k)
            for w, k in zip(coarse[:-1], jax.random.split(keys[4], len(coarse))[1:], strict=True)
        )
        self.norm = group_norm(coarse[-1], EPSILON)
        self.last = _conv(coarse[-1], channels, keys[5])

    def __call__(
        self, z: Float[Array, "rows columns latent"]
    ) -> Float[Array, "height width channels"]:
        """Decode one latent."""
        x = self.first(self.latent(z))
        for layer in self.middle:
            x = layer(x)
        for i, blocks in enumerate(self.levels):
            for block in blocks:
                x = block(x)
            if i < len(self.double):
                x = self.double[i].on_repeated(x, (2, 2))
        return self.last(jax.nn.silu(self.norm(x)))


def _conv(inputs: int, outputs: int, key: PRNGKeyArray, *, size: int = 3) -> Conv:
    return Conv(in_channels=inputs, out_channels=outputs, kernel=(size, size), key=key)


def _block(inputs: int, outputs: int, key: PRNGKeyArray) -> ResidualBlock:
    return ResidualBlock(
        in_channels=inputs, out_channels=outputs, kernel=(3, 3), epsilon=EPSILON, key=key
    )


def _levels(widths: tuple[int, ...], blocks: int, key: PRNGKeyArray) -> Levels:
    return tuple(
        tuple(
            _block(inputs if i == 0 else outputs, outputs, k)
            for i, k in enumerate(jax.random.split(level, blocks))
        )
        for (inputs, outputs), level in zip(
            itertools.pairwise(widths), jax.random.split(key, len(widths) - 1), strict=True
        )
    )


def _middle(width: int, key: PRNGKeyArray) -> Middle:
    keys = jax.random.split(key, 3)
    return (
        _block(width, width, keys[0]),
        SpatialAttention(width, epsilon=EPSILON, key=keys[1]),
        _block(width, width, keys[2]),
    )
