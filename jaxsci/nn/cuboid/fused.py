"""One fused kernel for the attention inside cuboids, where the device has it.

cuDNN's kernel never writes the scores to memory. It takes half precision only, heads of at most 128 channels in
multiples of 8, and, with a trained bias, even numbers of tokens; and it knows neither our dropout nor a second
group of keys. Elsewhere `attend.part` is as fast, or all there is.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def has_fused(q: Float[Array, "n heads queries d"], k: Float[Array, "n heads keys d"]) -> bool:
    """Whether the default device has a fused kernel for these queries and keys."""
    fits = q.shape[-1] <= 128 and q.shape[-1] % 8 == 0
    even = q.shape[2] % 2 == 0 and k.shape[2] % 2 == 0
    half = q.dtype in (jnp.bfloat16, jnp.float16)
    return half and fits and even and jax.default_backend() == "gpu"


def fused(
    q: Float[Array, "n heads queries d"],
    k: Float[Array, "n heads keys d"],
    v: Float[Array, "n heads keys d"],
    *,
    bias: Float[Array, "1 heads queries keys"],
    seen: Bool[Array, "n 1 queries keys"] | None,
    implementation: Literal["cudnn", "xla"] = "cudnn",
) -> Float[Array, "n heads queries d"]:
    """The attention inside each of n cuboids; queries are scaled already."""
    # Cuboids are the batch: batching this kernel by vmap is newer than the oldest JAX that we run on.
    q, k, v = (a.transpose(0, 2, 1, 3) for a in (q, k, v))
    y = jax.nn.dot_product_attention(
        q, k, v, bias=bias.astype(q.dtype), mask=seen, scale=1.0, implementation=implementation
    )
    return y.transpose(0, 2, 1, 3)
