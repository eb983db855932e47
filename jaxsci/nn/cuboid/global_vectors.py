r"""Global vectors: a few learned vectors that see the whole field, and that every token sees.

    token:   softmax over [keys of its cuboid ‖ keys of G]
    vector:  softmax over [keys of all tokens ‖ keys of G, if asked]

The second group has no position bias. The vectors' queries see all tokens; their share of the work is done
with the chunk that holds the tokens, and the shares are combined.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.1, equations 4 and 5.
"""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ..dropout import Dropout, Seed
from .attend import Part, part
from .dense import Dense, TokenNorm


class Heads(NamedTuple):
    """The vectors' keys, values and queries by head, and what they saw of each other."""

    keys: Float[Array, "heads vectors d"]
    values: Float[Array, "heads vectors d"]
    queries: Float[Array, "heads vectors d"]
    own: Part | None


class SeparateMaps(Module):
    """Own maps for each direction: token to vector, vector to token, vector to vector."""

    token_query: Dense
    token_key: Dense
    token_value: Dense
    query: Dense
    key_value: Dense
    own: Dense | None

    def __init__(self, width: int, *, own: bool, key: PRNGKeyArray):
        keys = jax.random.split(key, 6)
        self.token_query, self.token_key, self.token_value, self.query = (
            Dense(width, width, key=k) for k in keys[:4]
        )
        self.key_value = Dense(width, 2 * width, key=keys[4])
        self.own = Dense(width, 3 * width, key=keys[5]) if own else None


class GlobalVectors(Module):
    """The maps that let global vectors and tokens see each other.

    Args:
        width: channels of a vector, and of a token.
        heads: number of heads.
        separate: own maps for each direction (token to vector, vector to token, vector to vector)
            instead of one for all.
        self_attention: whether vectors see each other.
        key: random key of the initial weights.
    """

    norm: TokenNorm
    maps: Dense | SeparateMaps
    out: Dense
    heads: int = eqx.field(static=True)
    self_attention: bool = eqx.field(static=True)

    def __init__(
        self, width: int, *, heads: int, separate: bool, self_attention: bool, key: PRNGKeyArray
    ):
        maps_key, out_key = jax.random.split(key)
        self.norm = TokenNorm(width)
        self.maps = (
            SeparateMaps(width, own=self_attention, key=maps_key)
            if separate
            else Dense(width, 3 * width, key=maps_key)
        )
        self.out = Dense(width, width, bias=True, key=out_key)
        self.heads = heads
        self.self_attention = self_attention

    def project(
        self,
        vectors: Float[Array, "vectors width"],
        *,
        dropout: Dropout,
        seed: Seed | None,
    ) -> Heads:
        """Keys, values and queries of the vectors."""
        vectors = self.norm(vectors)
        if isinstance(self.maps, Dense):
            own = q, k, v = split_heads(self.maps(vectors), self.heads, 3)
        else:
            (q,) = split_heads(self.maps.query(vectors), self.heads, 1)
            k, v = split_heads(self.maps.key_value(vectors), self.heads, 2)
            own = None
            if self.maps.own is not None:
                own = split_heads(self.maps.own(vectors), self.heads, 3)
        seen = None
        if self.self_attention and own is not None:
            own_q, own_k, own_v = own
            seen = part(own_q * scale(own_q), own_k, own_v, dropout=dropout, seed=seed)
        return Heads(k, v, q * scale(q), seen)

    def tokens(
        self, x: Float[Array, "*cuboids volume width"], q: Array, k: Array, v: Array
    ) -> tuple[Array, Array, Array]:
        """Queries, keys and values of (normalised) tokens for the vectors: their own, or the local ones."""
        if isinstance(self.maps, Dense):
            return q, k, v
        maps = (self.maps.token_query, self.maps.token_key, self.maps.token_value)
        own_q, own_k, own_v = (split_heads(dense(x), self.heads, 1)[0] for dense in maps)
        return own_q * scale(own_q), own_k, own_v


def split_heads(
    x: Float[Array, "*batch tokens channels"], heads: int, times: int
) -> tuple[Float[Array, "*batch heads tokens d"], ...]:
    """Channels as `times` groups of heads, the heads in front of the tokens."""
    x = x.reshape(*x.shape[:-1], times, heads, -1)
    *batch, tokens, _, _, _ = range(x.ndim)
    x = x.transpose(x.ndim - 3, *batch, x.ndim - 2, tokens, x.ndim - 1)
    return tuple(x[i] for i in range(times))


def join_heads(
    x: Float[Array, "*batch heads tokens d"],
) -> Float[Array, "*batch tokens channels"]:
    """The inverse of `split_heads` for one group."""
    x = x.swapaxes(-2, -3)
    return x.reshape(*x.shape[:-2], -1)


def scale(q: Float[Array, "*batch d"]) -> float:
    """1/√d, the scale of queries."""
    return q.shape[-1] ** -0.5
