"""The precision of sums over many numbers: single at least, double where the numbers are."""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

M = TypeVar("M")


def at_least_single(dtype: jnp.dtype) -> jnp.dtype:
    """The precision in which means, variances and softmax sums of numbers of this one are formed."""
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else dtype


def in_precision(module: M, dtype: DTypeLike) -> M:
    """A module with its weights in the precision of the field that it is applied to."""
    arrays, rest = eqx.partition(module, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda w: w.astype(dtype), arrays), rest)
