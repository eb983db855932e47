r"""Dropout whose random bits cost a few integer operations an entry.

    keep entry i  where  mix(mix(i ⊕ a) + b) ≥ rate 2³²,        (a, b) the seed

JAX's own bits take as long as the attention itself on a CPU, and longer to compile. A hash of the entry's
index is random enough to drop entries, and needs no memory: it is fused with what follows and the same when
repeated.

Reference: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, doi:10.1145/2063384.2063405
(counters instead of states); the mixing function is Wellons' `lowbias32`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from .._module import Module

Seed = UInt32[Array, "2"]


class Dropout(Module):
    """Zero a share `rate` of the entries and rescale the rest; the identity without a seed.

    Args:
        rate: share of the entries to drop, in [0, 1).

    Raises:
        ValueError: another rate.
    """

    rate: float = eqx.field(static=True)

    def __check_init__(self):
        if not 0 <= self.rate < 1:
            raise ValueError(
                f"Dropout expected a rate in [0, 1), got {self.rate}; it is the share of entries to "
                "drop, as in 0.1."
            )

    def __call__(self, x: Float[Array, "..."], *, seed: Seed | None) -> Float[Array, "..."]:
        """Drop entries of `x` where a seed is given."""
        if seed is None or self.rate == 0:
            return x
        index = jax.lax.iota(jnp.uint32, x.size).reshape(x.shape)
        bits = _mix(_mix(index ^ seed[0]) + seed[1])
        keep = bits >= jnp.uint32(round(self.rate * 2**32))
        return jnp.where(keep, x / (1 - self.rate), 0)


def seed_of(key: PRNGKeyArray | None) -> Seed | None:
    """A seed from a random key, or none."""
    if key is None:
        return None
    words = jax.random.key_data(key).reshape(2, -1)
    seed = jnp.zeros(2, jnp.uint32)
    for i in range(words.shape[1]):
        seed = _step(seed ^ words[:, i], i)
    return seed


def derived(seed: Seed | None, number: int | UInt32[Array, ""]) -> Seed | None:
    """Another seed for each number, or none."""
    return None if seed is None else _step(seed, number)


def _step(seed: Seed, number: int | UInt32[Array, ""]) -> Seed:
    # The words change places, so that both depend on the whole seed after two steps.
    step = jnp.uint32(0x9E3779B9) * (jnp.asarray(number).astype(jnp.uint32) + jnp.uint32(1))
    return _mix(seed[::-1] + step)


def _mix(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
