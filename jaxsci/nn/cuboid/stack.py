r"""Stacks of cuboid attention and feed-forward layers, each added to its input.

    x ← x + Attention_i(x),    x ← x + FeedForward_i(x),        i over the cuboids of a pattern

Both act cuboid by cuboid, so a chunk of cuboids passes through both before the next one is touched. The layers
are unrolled: for the up to four equal stacks of the published models, a scan over stacked weights neither
trains nor compiles much faster on a CPU (`experiments/speed/stacks.py`), and each layer is a leaf of its own.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, figure 2.
"""

from collections.abc import Sized
from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._module import Module
from ..dropout import derived, seed_of
from .cross_attention import CuboidCrossAttention
from .dense import FeedForward
from .plan import Cuboid, Padding
from .self_attention import Compat, CuboidSelfAttention


class CuboidStack(Module):
    """Self-attention over the cuboids of a pattern, one after the other, each with its feed-forward layer.

    Args:
        width: channels of a token.
        heads: number of heads; divides the width.
        pattern: the cuboids, such as those of `self_pattern`.
        vectors: whether there are global vectors.
        separate: own maps for each direction between tokens and vectors.
        vector_attention: whether vectors see each other.
        vector_feed_forward: whether vectors have feed-forward layers.
        padding: "ignore" hides the tokens that fill up the last cuboids; "zeros" does not.
        dropout: share of dropped entries, active only where a call gets a key.
        compat: "earthformer" for the slips of the published code.
        chunk: tokens worked on at once; None for what suits the device.
        key: random key of the initial weights.
    """

    attentions: tuple[CuboidSelfAttention, ...]
    feed_forwards: tuple[FeedForward, ...]
    vector_feed_forwards: tuple[FeedForward, ...] | None

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        pattern: tuple[Cuboid, ...],
        vectors: bool = False,
        separate: bool = False,
        vector_attention: bool = False,
        vector_feed_forward: bool = False,
        padding: Padding = "ignore",
        dropout: float = 0.0,
        compat: Compat | None = None,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        attention_key, local_key, vector_key = jax.random.split(key, 3)
        self.attentions = tuple(
            CuboidSelfAttention(
                width,
                heads=heads,
                cuboid=cuboid,
                vectors=vectors,
                separate=separate,
                vector_attention=vector_attention,
                padding=padding,
                dropout=dropout,
                compat=compat,
                chunk=chunk,
                key=k,
            )
            for cuboid, k in zip(
                pattern, jax.random.split(attention_key, len(pattern)), strict=True
            )
        )
        layers = lambda key: tuple(
            FeedForward(width, dropout=dropout, key=k) for k in jax.random.split(key, len(pattern))
        )
        self.feed_forwards = layers(local_key)
        self.vector_feed_forwards = layers(vector_key) if vectors and vector_feed_forward else None

    def __call__(
        self,
        x: Float[Array, "T H W width"],
        vectors: Float[Array, "P width"] | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "T H W width"], Float[Array, "P width"] | None]:
        """The field, and the vectors where there are any, after all layers."""
        keys = key_per(self.attentions, key)
        for i, (attention, feed_forward) in enumerate(
            zip(self.attentions, self.feed_forwards, strict=True)
        ):
            x, found = attention(x, vectors, then=_add(feed_forward), key=keys[i])
            if vectors is not None and found is not None:
                vectors = vectors + found
                if self.vector_feed_forwards is not None:
                    seed = derived(seed_of(keys[i]), 3)
                    vectors = vectors + self.vector_feed_forwards[i](vectors, seed=seed)
        return x, vectors


class CuboidCrossStack(Module):
    """Cross-attention over the windows of a pattern, one after the other, each with its feed-forward layer.

    Args:
        width: channels of a token.
        heads: number of heads; divides the width.
        pattern: the windows, such as those of `cross_pattern`.
        frames: most frames of the field and of the memory.
        vectors: whether the memory has global vectors.
        separate: own maps between tokens and vectors.
        padding: "ignore" hides the tokens that fill up the last windows; "zeros" does not.
        dropout: share of dropped entries, active only where a call gets a key.
        chunk: tokens worked on at once; None for what suits the device.
        key: random key of the initial weights.
    """

    attentions: tuple[CuboidCrossAttention, ...]
    feed_forwards: tuple[FeedForward, ...]

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        pattern: tuple[Cuboid, ...],
        frames: int,
        vectors: bool = False,
        separate: bool = False,
        padding: Padding = "ignore",
        dropout: float = 0.0,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        attention_keys, local_keys = (
            jax.random.split(k, len(pattern)) for k in jax.random.split(key)
        )
        self.attentions = tuple(
            CuboidCrossAttention(
                width,
                heads=heads,
                cuboid=cuboid,
                frames=frames,
                vectors=vectors,
                separate=separate,
                padding=padding,
                dropout=dropout,
                chunk=chunk,
                key=k,
            )
            for cuboid, k in zip(pattern, attention_keys, strict=True)
        )
        self.feed_forwards = tuple(FeedForward(width, dropout=dropout, key=k) for k in local_keys)

    def __call__(
        self,
        x: Float[Array, "T H W width"],
        memory: Float[Array, "S H W width"],
        vectors: Float[Array, "P width"] | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "T H W width"]:
        """The field after all layers."""
        keys = key_per(self.attentions, key)
        for i, (attention, feed_forward) in enumerate(
            zip(self.attentions, self.feed_forwards, strict=True)
        ):
            x = attention(x, memory, vectors, then=_add(feed_forward), key=keys[i])
        return x


def _add(feed_forward: FeedForward):
    def then(x, found, *, seed):
        x = x + found
        return x + feed_forward(x, seed=seed)

    return then


def key_per(things: Sized, key: PRNGKeyArray | None) -> Any:
    """A key for each of several things, or none for each."""
    return [None] * len(things) if key is None else jax.random.split(key, len(things))
