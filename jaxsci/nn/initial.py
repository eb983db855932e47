"""Random numbers of any shape, drawn in a row: the same ones, compiled sooner.

XLA on CPUs takes seconds to compile the draw of an array of four or five axes, as most time goes into the
arithmetic of its indices, and less than half a second for the same numbers in a row.
"""

import math

import jax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray


def normal(
    key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike = float
) -> Float[Array, "..."]:
    """Standard normal numbers, those of `jax.random.normal`."""
    return jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], *, bound: float) -> Float[Array, "..."]:
    """Uniform numbers between −bound and bound, those of `jax.random.uniform`."""
    row = jax.random.uniform(key, (math.prod(shape),), minval=-bound, maxval=bound)
    return row.reshape(shape)
