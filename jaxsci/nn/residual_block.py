r"""Residual block: two convolutions that are added to their input, and that may read a vector.

    y = S x + W₂ * drop(silu(GN(W₁ * silu(GN(x)) + V silu(e))))

S is the identity, or a map of channels where their number changes. The vector e tells all points the same
thing, such as the step of a diffusion.

Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
appendix B.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from .conv import Conv, odd
from .conv_block import GroupNorm
from .cuboid.dense import Dense
from .dropout import Dropout, Seed


class ResidualBlock(Module):
    """Two convolutions, each behind a normalisation and an activation; channels come last.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size along every axis, each odd.
        embedding: entries of the vector that it reads; 0 for none.
        groups: groups of the normalisation of the input; see `group_norm` for the default.
        epsilon: added to the variances of the normalisations.
        still: whether the second convolution is zero at first, so that the block is S at first.
        dropout: share of dropped entries, active only where a call gets a seed.
        key: random key of the initial weights.

    Raises:
        ValueError: sizes that are not positive, even ones of the kernel, or an embedding for one channel.
        TypeError: a key that is none.
    """

    norms: tuple[GroupNorm, GroupNorm]
    convs: tuple[Conv, Conv]
    shortcut: Conv | None
    embedding: Dense | None
    dropout: Dropout

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        embedding: int = 0,
        groups: int | None = None,
        epsilon: float = 1e-5,
        still: bool = False,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        who = "ResidualBlock"
        if not isinstance(kernel, Sequence):
            raise ValueError(
                f"ResidualBlock expected kernel as a sequence with one size for each axis, got {kernel!r}; "
                "write for example (3, 3)."
            )
        kernel = [odd(who, "each size of the kernel", size) for size in kernel]
        embedding = whole(who, "embedding", embedding, 0)
        if embedding and out_channels == 1:
            raise ValueError(
                "ResidualBlock expected more than one output channel where it reads an embedding, got 1; one "
                "that is normalised on its own loses what is added to all its points."
            )
        check_key(who, key)
        keys = jax.random.split(key, 4)
        self.norms = (
            group_norm(in_channels, epsilon, groups=groups),
            group_norm(out_channels, epsilon),
        )
        first = Conv(in_channels=in_channels, out_channels=out_channels, kernel=kernel, key=keys[0])
        second = Conv(
            in_channels=out_channels, out_channels=out_channels, kernel=kernel, key=keys[1]
        )
        if still:
            second = jax.tree.map(jnp.zeros_like, second)
        self.convs = (first, second)
        self.shortcut = (
            None
            if in_channels == out_channels
            else Conv(
                in_channels=in_channels,
                out_channels=out_channels,
                kernel=[1] * len(kernel),
                key=keys[2],
            )
        )
        self.embedding = (
            Dense(embedding, out_channels, bias=True, key=keys[3]) if embedding else None
        )
        self.dropout = Dropout(dropout)

    def __call__(
        self,
        x: Float[Array, "*space in_channels"],
        embedding: Float[Array, " embedding"] | None = None,
        *,
        seed: Seed | None = None,
    ) -> Float[Array, "*space out_channels"]:
        """Apply the block to one sample; with a seed, dropout is on.

        Raises:
            ValueError: an embedding for a block that reads none, or none for one that does; another length of
                it, or fields of other channels.
        """
        if (embedding is None) != (self.embedding is None):
            raise ValueError(
                f"ResidualBlock expected {'no embedding' if self.embedding is None else 'an embedding'}, got "
                f"{'none' if embedding is None else 'one'}; build it with embedding=<its entries>."
            )
        y = self.convs[0](jax.nn.silu(self.norms[0](x)))
        if self.embedding is not None and embedding is not None:
            entries = self.embedding.weight.shape[-1]
            if embedding.shape != (entries,):
                raise ValueError(
                    f"ResidualBlock expected an embedding of shape ({entries},), got {embedding.shape}; use "
                    "jax.vmap for batches."
                )
            y = y + self.embedding(jax.nn.silu(embedding))
        y = self.dropout(jax.nn.silu(self.norms[1](y)), seed=seed)
        return (x if self.shortcut is None else self.shortcut(x)) + self.convs[1](y)


def group_norm(channels: int, epsilon: float = 1e-5, *, groups: int | None = None) -> GroupNorm:
    """The normalisation of diffusion models: up to 32 groups, of four channels at least.

    A channel on its own would lose what an embedding adds to it, the same number at all points. Published
    models have 32 groups of four to 16 channels.
    """
    if groups is None:
        channels = whole("GroupNorm", "channels", channels)
        groups = math.gcd(channels, min(32, max(1, channels // 4)))
    return GroupNorm(channels=channels, groups=groups, epsilon=epsilon)
