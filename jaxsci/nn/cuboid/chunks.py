"""Work on some cuboids after the other, so that what lies in between stays in the cache.

The cuboids of a layer know nothing of each other. `lax.map` over chunks of them, each recomputed in the
reverse pass, divides the memory for what lies in between by the number of chunks; nothing of the size of all
scores ever exists. On a CPU this costs little or gains, as chunks stay in the cache: the axial stack that
`experiments/speed` measures has a tenth of the temporaries, in 1.1 of the time for one film and 0.9 for four.

Reference: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016, arXiv:1604.06174.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..dropout import Seed, derived

# Numbers of one chunk's activations on a CPU: with the four times wider hidden layer, and a few films at once,
# they fill a few MB.
CACHED = 2**16
# Scores of one chunk and head elsewhere, which would all exist at once where attention is not fused.
_SCORES = 2**26


def chunk_count(count: int, tokens: int, width: int, chunk: int | None) -> int:
    """Into how many equal chunks to part `count` cuboids of `tokens` tokens.

    Args:
        count: number of cuboids.
        tokens: tokens of a cuboid.
        width: channels of a token.
        chunk: tokens of a chunk; None for what suits the device: the cache of a CPU, elsewhere as many as
            have a quarter of a GB of scores a head.
    """
    if chunk is None:
        chunk = CACHED // width if jax.default_backend() == "cpu" else _SCORES // tokens
    wanted = max(count * tokens / chunk, 1.0)
    divisors = (d for d in range(1, count + 1) if count % d == 0)
    return min(divisors, key=lambda d: abs(math.log(d / wanted)))


def over_chunks(
    work: Callable[..., tuple[Any, Any]], cuboids: Any, *, chunks: int, seed: Seed | None
) -> tuple[Any, Any]:
    """Apply `work(cuboids, seed)` to equal chunks of the first axis of `cuboids`.

    Returns:
        What `work` returns first, joined along its first axis, and what it returns second, stacked.
    """
    if chunks == 1:
        first, second = work(cuboids, seed)
        return first, jax.tree.map(lambda a: a[None], second)
    parted = jax.tree.map(lambda a: a.reshape(chunks, a.shape[0] // chunks, *a.shape[1:]), cuboids)
    seeds = None
    if seed is not None:
        seeds = jax.vmap(lambda i: derived(seed, i))(jnp.arange(chunks, dtype=jnp.uint32))
    # Inside a loop nothing can be merged with the first computation, so there is nothing to prevent.
    again = jax.checkpoint(lambda slices: work(*slices), prevent_cse=False)
    first, second = jax.lax.map(again, (parted, seeds))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), first), second
