r"""Multi-head attention blocks over sets of tokens.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d) V

Reference: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, equation 1.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from .dropout import Dropout, derived, seed_of
from .precision import at_least_single


class CrossAttention(Module):
    """Multi-head attention of queries to keys and values of the same width.

    Args:
        width: channels of a token.
        heads: number of heads; divides the width.
        key: random key of the initial weights.
    """

    query: eqx.nn.Linear
    key_: eqx.nn.Linear
    value: eqx.nn.Linear
    out: eqx.nn.Linear
    heads: int = eqx.field(static=True)

    def __init__(self, *, width: int, heads: int, key: PRNGKeyArray):
        if min(width, heads) < 1 or width % heads:
            raise ValueError(
                f"CrossAttention expected heads to divide the width, got width={width} and "
                f"heads={heads}; choose for example width=64 and heads=4."
            )
        keys = jax.random.split(key, 4)
        self.query, self.key_, self.value, self.out = (
            eqx.nn.Linear(width, width, use_bias=False, key=k) for k in keys
        )
        self.heads = heads

    def __call__(
        self,
        queries: Float[Array, "queries width"],
        keys: Float[Array, "tokens width"],
        values: Float[Array, "tokens width"],
    ) -> Float[Array, "queries width"]:
        """Attend from every query to every token."""
        q, k, v = (
            _tokens(layer, x).reshape(x.shape[0], self.heads, x.shape[1] // self.heads)
            for layer, x in ((self.query, queries), (self.key_, keys), (self.value, values))
        )
        # One head after the other: batched over heads, XLA on CPUs picks layouts that make the
        # gradient of a small network 1.3 to 1.9 times slower.
        attended = jnp.stack([attend(q[:, h], k[:, h], v[:, h]) for h in range(self.heads)], axis=1)
        return _tokens(self.out, attended.reshape(queries.shape))


def attend(
    q: Float[Array, "queries d"], k: Float[Array, "tokens d"], v: Float[Array, "tokens d"]
) -> Float[Array, "queries d"]:
    """One head, softmax(q kᵀ / √d) v."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.T
    # Sums over many tokens overflow in half precision.
    precision = at_least_single(scores.dtype)
    scores = scores.astype(precision)
    # Normalised after the product with v, which has fewer entries than the scores.
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
    found = weights @ v.astype(precision) / weights.sum(axis=-1, keepdims=True)
    return found.astype(v.dtype)


class SelfAttentionBlock(Module):
    """Self-attention and a two-layer perceptron, each added to its input and normalised.

    Args:
        width: channels of a token.
        heads: number of heads.
        dropout: share of dropped entries, active only where a call gets a key.
        key: random key of the initial weights.
    """

    attention: CrossAttention
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear
    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm]
    dropout: Dropout

    def __init__(self, *, width: int, heads: int, dropout: float = 0.0, key: PRNGKeyArray):
        attention_key, hidden_key, out_key = jax.random.split(key, 3)
        self.attention = CrossAttention(width=width, heads=heads, key=attention_key)
        self.hidden = eqx.nn.Linear(width, width, key=hidden_key)
        self.out = eqx.nn.Linear(width, width, key=out_key)
        self.norms = (eqx.nn.LayerNorm(width), eqx.nn.LayerNorm(width))
        self.dropout = Dropout(dropout)

    def __call__(
        self, x: Float[Array, "tokens width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "tokens width"]:
        """Update every token from all of them."""
        seed = seed_of(key)
        attended = self.dropout(self.attention(x, x, x), seed=seed)
        x = jax.vmap(self.norms[0])(x + attended)
        refined = _tokens(self.out, jax.nn.relu(_tokens(self.hidden, x)))
        return jax.vmap(self.norms[1])(x + self.dropout(refined, seed=derived(seed, 1)))


def _tokens(layer: eqx.nn.Linear, x: Float[Array, "tokens in"]) -> Float[Array, "tokens out"]:
    # One product over all tokens instead of a vmapped matrix-vector product.
    y = x @ layer.weight.T.astype(x.dtype)
    return y if layer.bias is None else y + layer.bias.astype(x.dtype)
