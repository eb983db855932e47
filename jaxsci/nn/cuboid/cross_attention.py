r"""Cross-attention from the cuboids of one field to those of another: of a forecast to what was observed.

Both fields have the same height and width and are cut into the same number of cuboids; a query sees the keys of
the cuboid at its own place, over all frames (or every n-th, with n cuboids in time), and global vectors.

Where frames do not divide into n cuboids, the observed ones are filled up before the first and the predicted
ones after the last, so that offsets in time stay right.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.2.
"""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import whole
from ..._module import Module
from ..dropout import Dropout, Seed, derived, seed_of
from .attend import combine, part
from .chunks import chunk_count, over_chunks
from .dense import Dense, TokenNorm
from .fused import fused, has_fused
from .global_vectors import join_heads, scale, split_heads
from .plan import Cuboid, CuboidPlan, Padding, triple
from .self_attention import bias_table, check_heads, lookup, same_region


class CuboidCrossAttention(Module):
    """Multi-head attention of each token to those of a memory's cuboid at the same place.

    Args:
        width: channels of a token, in the field and in the memory.
        heads: number of heads; divides the width.
        cuboid: windows in space, with the number of cuboids in time as first entry of the size.
        frames: most frames of the field and of the memory, for which there is a position bias.
        vectors: whether the memory has global vectors.
        separate: own maps between tokens and vectors, instead of those between tokens.
        padding: "ignore" hides the tokens that fill up the last cuboids; "zeros" does not.
        dropout: share of dropped attention weights and outputs, active only where a call gets a key.
        chunk: tokens worked on at once; None for what suits the device.
        key: random key of the initial weights.

    Raises:
        ValueError: heads that do not divide the width.
    """

    norm: TokenNorm
    query: Dense
    key_value: Dense
    out: Dense
    bias: Float[Array, "offsets heads"]
    vector_query: Dense | None
    vector_key_value: Dense | None
    dropout: Dropout
    heads: int = eqx.field(static=True)
    cuboid: Cuboid = eqx.field(static=True)
    frames: int = eqx.field(static=True)
    vectors: bool = eqx.field(static=True)
    padding: Padding = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        cuboid: Cuboid,
        frames: int,
        vectors: bool = False,
        separate: bool = False,
        padding: Padding = "ignore",
        dropout: float = 0.0,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        check_heads("CuboidCrossAttention", width, heads)
        keys = jax.random.split(key, 6)
        self.norm = TokenNorm(width)
        self.query = Dense(width, width, key=keys[0])
        self.key_value = Dense(width, 2 * width, key=keys[1])
        self.out = Dense(width, width, bias=True, key=keys[2])
        self.bias = bias_table((frames, *cuboid.size[1:]), heads, keys[3])
        separate = vectors and separate
        self.vector_query = Dense(width, width, key=keys[4]) if separate else None
        self.vector_key_value = Dense(width, 2 * width, key=keys[5]) if separate else None
        self.dropout = Dropout(dropout)
        self.heads = heads
        self.cuboid = cuboid
        self.frames = frames
        self.vectors = vectors
        self.padding = padding
        self.chunk = chunk if chunk is None else whole("CuboidCrossAttention", "chunk", chunk)

    def __call__(
        self,
        x: Float[Array, "T H W width"],
        memory: Float[Array, "S H W width"],
        vectors: Float[Array, "P width"] | None = None,
        *,
        then: Callable[..., Array] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "T H W width"]:
        """What the attention finds for each token; nothing is added to the input.

        Args:
            x: the field that asks; normalised here, unlike the memory.
            memory: the field that is asked.
            vectors: global vectors of the memory, where the layer has them.
            then: what to do with each chunk while it is in the cache, `then(x, found, seed=seed)`.
            key: where given, dropout is on.

        Raises:
            ValueError: more frames than there is a bias for, or missing vectors.
        """
        if max(x.shape[0], memory.shape[0]) > self.frames:
            raise ValueError(
                f"CuboidCrossAttention expected at most {self.frames} frames, got {x.shape[0]} that ask and "
                f"{memory.shape[0]} in the memory; build the layer with more frames."
            )
        plans = self._plan(x, early=False), self._plan(memory, early=True)
        made = (self.frames, *self.cuboid.size[1:])
        bias = lookup(self.bias, made, plans[0].size, memory=plans[1].size)
        shared = self._vectors(vectors) if self.vectors else None

        def work(cuboids, seed):
            found = self._chunk(cuboids, bias, shared, seed=derived(seed, 0))
            return (found if then is None else then(cuboids[0], found, seed=derived(seed, 1))), None

        labels = [plan.labels() for plan in plans]
        # Where each token may see all of its cuboid, there is nothing to mask.
        alike = all((label == labels[0][:, :1]).all() for label in labels)
        regions = (None, None) if alike else tuple(labels)
        cuboids = (plans[0].cut(x), plans[1].cut(memory), *regions)
        volume = plans[0].volume + plans[1].volume
        chunks = chunk_count(plans[0].count, volume, x.shape[-1], self.chunk)
        return plans[0].join(over_chunks(work, cuboids, chunks=chunks, seed=seed_of(key))[0])

    def _plan(self, x: Array, *, early: bool) -> CuboidPlan:
        temporal, height, width = self.cuboid.size
        size = (-(-x.shape[0] // temporal), height, width)
        cuboid = Cuboid(size, self.cuboid.shift, self.cuboid.strategy)
        return CuboidPlan(triple(x.shape[:3]), cuboid, self.padding, early)

    def _vectors(self, vectors: Array | None) -> tuple[Array, ...]:
        if vectors is None:
            raise ValueError(
                "CuboidCrossAttention expected global vectors beside the memory, got none; give them, or build "
                "the layer with vectors=False."
            )
        dense = self.key_value if self.vector_key_value is None else self.vector_key_value
        return split_heads(dense(vectors), self.heads, 2)

    def _chunk(self, cuboids, bias, shared, *, seed: Seed | None) -> Array:
        x, memory, regions, memory_regions = cuboids
        x = self.norm(x)
        (q,) = split_heads(self.query(x), self.heads, 1)
        k, v = split_heads(self.key_value(memory), self.heads, 2)
        q = q * scale(q)
        seen = None if regions is None else same_region(regions, memory_regions)
        plain = seed is None or self.dropout.rate == 0
        if shared is None and plain and has_fused(q, k):
            found = fused(q, k, v, bias=bias[None], seen=seen)
        else:
            parts = [
                part(q, k, v, bias=bias, seen=seen, dropout=self.dropout, seed=derived(seed, 0))
            ]
            if shared is not None:
                if self.vector_query is not None:
                    (q,) = split_heads(self.vector_query(x), self.heads, 1)
                    q = q * scale(q)
                parts.append(part(q, *shared, dropout=self.dropout, seed=derived(seed, 1)))
            found = combine(parts)
        return self.dropout(self.out(join_heads(found.astype(x.dtype))), seed=derived(seed, 2))
