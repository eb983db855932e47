r"""Self-attention inside cuboids of a space-time field, with relative position bias and global vectors.

    y_i = W Σ_j softmax_j(q_i·k_j/√d + b_{i−j}) v_j + c,      j in the cuboid and the region of i

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.1, equations 1 to 5. Bias: Liu et
al., Swin Transformer, ICCV 2021, arXiv:2103.14030, equation 4.
"""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ..._checks import whole
from ..._module import Module
from ..dropout import Dropout, Seed, derived, seed_of
from ..initial import normal
from .attend import Part, collapse, combine, part
from .chunks import chunk_count, over_chunks
from .dense import Dense, TokenNorm
from .fused import fused, has_fused
from .global_vectors import GlobalVectors, Heads, join_heads, scale, split_heads
from .plan import Cuboid, CuboidPlan, Padding, relative_index, triple

Compat = Literal["earthformer"]


class CuboidSelfAttention(Module):
    """Multi-head attention of each token to those of its cuboid, and to global vectors.

    Args:
        width: channels of a token.
        heads: number of heads; divides the width.
        cuboid: how fields are cut.
        vectors: whether there are global vectors.
        separate: own maps for each direction between tokens and vectors, instead of one for all.
        vector_attention: whether vectors see each other.
        padding: "ignore" hides the tokens that fill up the last cuboids; "zeros" does not.
        dropout: share of dropped attention weights and outputs, active only where a call gets a key.
        compat: "earthformer" keeps two slips of the published code: masks of the global vectors in the order of
            the field, and a bias index that is the corner of the unclipped one.
        chunk: tokens worked on at once; None for what suits the device.
        key: random key of the initial weights.

    Raises:
        ValueError: heads that do not divide the width.
    """

    norm: TokenNorm
    qkv: Dense
    out: Dense
    bias: Float[Array, "offsets heads"]
    vectors: GlobalVectors | None
    dropout: Dropout
    heads: int = eqx.field(static=True)
    cuboid: Cuboid = eqx.field(static=True)
    padding: Padding = eqx.field(static=True)
    compat: Compat | None = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        cuboid: Cuboid,
        vectors: bool = False,
        separate: bool = False,
        vector_attention: bool = False,
        padding: Padding = "ignore",
        dropout: float = 0.0,
        compat: Compat | None = None,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        check_heads("CuboidSelfAttention", width, heads)
        qkv_key, out_key, bias_key, vector_key = jax.random.split(key, 4)
        self.norm = TokenNorm(width)
        self.qkv = Dense(width, 3 * width, key=qkv_key)
        self.out = Dense(width, width, bias=True, key=out_key)
        self.bias = bias_table(cuboid.size, heads, bias_key)
        self.vectors = None
        if vectors:
            self.vectors = GlobalVectors(
                width,
                heads=heads,
                separate=separate,
                self_attention=vector_attention,
                key=vector_key,
            )
        self.dropout = Dropout(dropout)
        self.heads = heads
        self.cuboid = cuboid
        self.padding = padding
        self.compat = compat
        self.chunk = chunk if chunk is None else whole("CuboidSelfAttention", "chunk", chunk)

    def __call__(
        self,
        x: Float[Array, "T H W width"],
        vectors: Float[Array, "P width"] | None = None,
        *,
        then: Callable[..., Array] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "T H W width"], Float[Array, "P width"] | None]:
        """What the attention finds for each token and vector; nothing is added to the input.

        Args:
            x: the field.
            vectors: the global vectors, where the layer has them.
            then: what to do with each chunk while it is in the cache, `then(x, found, seed=seed)`.
            key: where given, dropout is on.
        """
        seed = seed_of(key)
        plan = CuboidPlan(triple(x.shape[:3]), self.cuboid, self.padding)
        bias = lookup(self.bias, self.cuboid.size, plan.size, sliced=self.compat is not None)
        shared = None
        if self.vectors is not None:
            if vectors is None:
                raise ValueError(
                    "CuboidSelfAttention expected global vectors beside the field, got none; give them, or "
                    "build the layer with vectors=False."
                )
            shared = self.vectors.project(vectors, dropout=self.dropout, seed=derived(seed, 1))

        def work(cuboids, seed):
            found, seen = self._chunk(cuboids, bias, shared, seed=derived(seed, 0))
            return (found if then is None else then(cuboids[0], found, seed=derived(seed, 1))), seen

        chunks = chunk_count(plan.count, plan.volume, x.shape[-1], self.chunk)
        valid = None if shared is None else plan.valid(scrambled=self.compat is not None)
        # Zeros that can be seen are zeros after the norm, which would otherwise give them its offset.
        inside = plan.inside() if self.padding == "zeros" else None
        cuboids = (plan.cut(x), plan.regions(), valid, inside)
        y, seen = over_chunks(work, cuboids, chunks=chunks, seed=derived(seed, 0))
        if shared is None or self.vectors is None or vectors is None:
            return plan.join(y), None
        parts = [collapse(seen)] if shared.own is None else [collapse(seen), shared.own]
        found = self.vectors.out(join_heads(combine(parts)).astype(vectors.dtype))
        return plan.join(y), self.dropout(found, seed=derived(seed, 2))

    def _chunk(
        self, cuboids, bias, shared: Heads | None, *, seed: Seed | None
    ) -> tuple[Array, Part | None]:
        x, regions, valid, inside = cuboids
        x = self.norm(x)
        if inside is not None:
            x = jnp.where(jnp.asarray(inside)[..., None], x, 0)
        q, k, v = split_heads(self.qkv(x), self.heads, 3)
        q = q * scale(q)
        seen = None if regions is None else same_region(regions, regions)
        if shared is None or self.vectors is None:
            if (seed is None or self.dropout.rate == 0) and has_fused(q, k):
                found = fused(q, k, v, bias=bias[None], seen=seen)
            else:
                drop = {"dropout": self.dropout, "seed": derived(seed, 0)}
                found = combine([part(q, k, v, bias=bias, seen=seen, **drop)])
            part_of_vectors = None
        else:
            local = part(q, k, v, bias=bias, seen=seen, dropout=self.dropout, seed=derived(seed, 0))
            q, k, v = self.vectors.tokens(x, q, k, v)
            other = part(q, shared.keys, shared.values, dropout=self.dropout, seed=derived(seed, 1))
            found = combine([local, other])
            # For the vectors the tokens of a chunk are one group.
            k, v = (a.swapaxes(0, 1).reshape(self.heads, -1, a.shape[-1]) for a in (k, v))
            there = None if valid is None else jnp.asarray(valid).reshape(1, 1, -1)
            part_of_vectors = part(
                shared.queries, k, v, seen=there, dropout=self.dropout, seed=derived(seed, 2)
            )
        y = self.out(join_heads(found.astype(x.dtype)))
        return self.dropout(y, seed=derived(seed, 3)), part_of_vectors


def check_heads(who: str, width: int, heads: int) -> None:
    """Refuse heads that do not divide the width."""
    if min(width, heads) < 1 or width % heads:
        raise ValueError(
            f"{who} expected heads to divide the width, got width={width} and heads={heads}; "
            "choose for example width=64 and heads=4."
        )


def bias_table(size: tuple[int, int, int], heads: int, key: PRNGKeyArray) -> Array:
    """A bias for every offset inside a cuboid, small at first."""
    t, h, w = (2 * b - 1 for b in size)
    return 0.02 * normal(key, (t * h * w, heads))


def lookup(
    table: Float[Array, "offsets heads"], made: tuple, size: tuple, **options
) -> Float[Array, "heads queries keys"]:
    """The bias of each pair of tokens."""
    index = relative_index(made, size, **options)
    return jnp.moveaxis(table[index], -1, 0)


def same_region(
    queries: Int[Array | np.ndarray, "count queries"], keys: Int[Array | np.ndarray, "count keys"]
) -> Bool[Array, "count 1 queries keys"]:
    """Which tokens may see each other, (cuboids, 1, queries, keys)."""
    return (jnp.asarray(queries)[:, :, None] == jnp.asarray(keys)[:, None, :])[:, None]
