"""The precision of sums over many numbers: single at least, double where the numbers are."""

import jax.numpy as jnp


def at_least_single(dtype: jnp.dtype) -> jnp.dtype:
    """The precision in which means, variances and softmax sums of numbers of this one are formed."""
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else dtype
