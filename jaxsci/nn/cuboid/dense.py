"""Layers on tokens: dense maps, layer norm and the feed-forward network of a transformer.

All work on two-dimensional arrays (tokens, channels): on a CPU the gradient of a feed-forward network on
a five-dimensional array takes twice as long.

Reference: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, section 3.3.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ..dropout import Dropout, Seed, derived
from ..initial import normal
from ..precision import at_least_single


class Dense(Module):
    """The same affine map for every token: y = W x + b.

    Args:
        in_channels: channels of a token.
        out_channels: channels of a mapped token.
        bias: whether there is a b, zero at first.
        key: random key of the initial weights, normal with variance 1 / in_channels.
    """

    weight: Float[Array, "out_channels in_channels"]
    bias: Float[Array, " out_channels"] | None

    def __init__(
        self, in_channels: int, out_channels: int, *, bias: bool = False, key: PRNGKeyArray
    ):
        self.weight = normal(key, (out_channels, in_channels)) / math.sqrt(in_channels)
        self.bias = jnp.zeros(out_channels) if bias else None

    def __call__(self, x: Float[Array, "*tokens in_channels"]) -> Float[Array, "*tokens out"]:
        """Map each token."""
        y = x.reshape(-1, x.shape[-1]) @ self.weight.T.astype(x.dtype)
        if self.bias is not None:
            y = y + self.bias.astype(x.dtype)
        return y.reshape(*x.shape[:-1], -1)


class TokenNorm(Module):
    """Layer norm of every token, with a scale and an offset per channel.

    Reference: Ba et al., Layer Normalization, 2016, arXiv:1607.06450; ε = 1e-5.
    """

    weight: Float[Array, " channels"]
    bias: Float[Array, " channels"]

    def __init__(self, channels: int):
        self.weight, self.bias = jnp.ones(channels), jnp.zeros(channels)

    def __call__(self, x: Float[Array, "*tokens channels"]) -> Float[Array, "*tokens channels"]:
        """Normalise each token; statistics at least in single precision."""
        wide = x.astype(at_least_single(x.dtype))
        centred = wide - wide.mean(axis=-1, keepdims=True)
        scale = jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        y = (centred * scale).astype(x.dtype)
        return y * self.weight.astype(x.dtype) + self.bias.astype(x.dtype)


class FeedForward(Module):
    """Norm, a hidden layer of four times the width with GELU, and a map back; nothing added.

    Args:
        width: channels of a token.
        dropout: share of dropped entries, of the hidden layer and of the output.
        key: random key of the initial weights.
    """

    norm: TokenNorm
    hidden: Dense
    out: Dense
    dropout: Dropout

    def __init__(self, width: int, *, dropout: float, key: PRNGKeyArray):
        hidden_key, out_key = jax.random.split(key)
        self.norm = TokenNorm(width)
        self.hidden = Dense(width, 4 * width, bias=True, key=hidden_key)
        self.out = Dense(4 * width, width, bias=True, key=out_key)
        self.dropout = Dropout(dropout)

    def __call__(
        self, x: Float[Array, "*tokens width"], *, seed: Seed | None = None
    ) -> Float[Array, "*tokens width"]:
        """What is to be added to each token; with a seed, dropout is on."""
        tokens = x.reshape(-1, x.shape[-1])
        hidden = jax.nn.gelu(self.hidden(self.norm(tokens)), approximate=False)
        y = self.out(self.dropout(hidden, seed=derived(seed, 0)))
        return self.dropout(y, seed=derived(seed, 1)).reshape(x.shape)
