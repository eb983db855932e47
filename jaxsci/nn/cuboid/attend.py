r"""Attention in parts: what a softmax over several groups of keys is made of.

    softmax([s₁ ‖ s₂]) [v₁ ; v₂] = (e^{m₁−m} e₁ v₁ + e^{m₂−m} e₂ v₂) / (e^{m₁−m} Σe₁ + e^{m₂−m} Σe₂)

with e_i = exp(s_i − m_i), m_i the greatest score of group i and m of all. A group is a cuboid, the global
vectors, or one chunk of all tokens; so no scores outlive their chunk.

Reference: Dao et al., FlashAttention, NeurIPS 2022, arXiv:2205.14135, section 3.1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..dropout import Dropout, Seed
from ..precision import at_least_single
from ..products import small_products

# Far below any score, and finite: a token that may see nothing gets numbers, which are dropped later.
HIDDEN = -1e18


class Part(NamedTuple):
    """One group's share of an attention: its greatest score, its sum of weights, its weighted values."""

    peak: Float[Array, "*batch queries 1"]
    total: Float[Array, "*batch queries 1"]
    weighted: Float[Array, "*batch queries d"]


def part(
    q: Float[Array, "*batch queries d"],
    k: Float[Array, "*shared keys d"],
    v: Float[Array, "*shared keys e"],
    *,
    bias: Float[Array, "*any queries keys"] | None = None,
    seen: Bool[Array, "*every _queries keys"] | None = None,
    dropout: Dropout,
    seed: Seed | None = None,
) -> Part:
    """Weigh one group of keys and values; queries are scaled already."""
    wide = at_least_single(q.dtype)
    scores = small_products(q, k, transposed=True)
    if bias is not None:
        scores = scores + bias.astype(wide)
    if seen is not None:
        scores = jnp.where(seen, scores, HIDDEN)
    # The peaks cancel, so that no derivative passes through them.
    peak = jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True))
    weights = jnp.exp(scores - peak)
    total = weights.sum(axis=-1, keepdims=True)
    kept = dropout(weights, seed=seed).astype(v.dtype)
    weighted = small_products(kept, v)
    return Part(peak, total, weighted)


def combine(parts: Sequence[Part]) -> Float[Array, "*batch queries d"]:
    """The attention over all groups."""
    if len(parts) == 1:
        return parts[0].weighted / parts[0].total
    first, *others = parts
    peak = first.peak
    for other in others:
        peak = jnp.maximum(peak, other.peak)
    scales = [jnp.exp(p.peak - peak) for p in parts]
    weighted, total = scales[0] * first.weighted, scales[0] * first.total
    for scale, p in zip(scales[1:], others, strict=True):
        weighted, total = weighted + scale * p.weighted, total + scale * p.total
    return weighted / total


def collapse(parts: Part) -> Part:
    """One part of many that are stacked along the first axis."""
    peak = parts.peak.max(axis=0)
    scale = jnp.exp(parts.peak - peak)
    return Part(peak, (scale * parts.total).sum(axis=0), (scale * parts.weighted).sum(axis=0))
