r"""A random permutation of `n` items that is evaluated one index at a time.

Drawing a batch from a shuffled data set needs only `batch_size` entries of the permutation, and a
sort of all `n` keys at every step would cost more than the step itself. A Feistel network of a few
rounds,

    (L, R) -> (R, L xor F_k(R)),

permutes the integers below ``2**bits``; indices that land at or above `n` are sent through it again
until they fall below (cycle walking), which leaves a permutation of `n` items at a cost that does
not depend on `n`.

Reference: Black and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002,
doi:10.1007/3-540-45760-7_9. The round function is the 32-bit finaliser of MurmurHash3: the purpose
is shuffling, not secrecy.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

# Eight would do from ten items on; fewer items need more rounds to look uniform (see the tests).
_ROUNDS = 24


def round_keys(key: Array) -> UInt32[Array, " rounds"]:
    """Hash the words of a random key into the round keys that fix one permutation."""
    # A generator call would do as well, but compiles five times slower than the rest together.
    mixed = jnp.arange(_ROUNDS, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
    for word in jax.random.key_data(key):
        mixed = _mix(mixed ^ word)
    return mixed


def permute(
    index: Int32[Array, " batch"], n: int, keys: UInt32[Array, "batch rounds"]
) -> Int32[Array, " batch"]:
    """Send each index to its place under the permutation of ``range(n)`` that its keys fix.

    Args:
        index: values in ``[0, n)``.
        n: number of items, at least one.
        keys: round keys of each index, from `round_keys`.
    """
    bits = max(2, (n - 1).bit_length())

    def walk(carry):
        x, outside = carry
        x = jnp.where(outside, _feistel(x, bits, keys), x)
        return x, x >= n

    start = (index.astype(jnp.uint32), jnp.ones(index.shape, bool))
    x, _ = jax.lax.while_loop(lambda carry: jnp.any(carry[1]), walk, start)
    return x.astype(jnp.int32)


def _feistel(
    x: UInt32[Array, " batch"], bits: int, keys: UInt32[Array, "batch rounds"]
) -> UInt32[Array, " batch"]:
    low = bits // 2
    high = bits - low

    def one(x, key, low, high):
        left, right = x >> low, x & ((1 << low) - 1)
        left = left ^ (_mix(right ^ key) >> (32 - high))
        return (right << high) | left

    def two(i, x):
        # With an odd number of bits the halves differ by one and swap sizes at every round.
        x = one(x, keys[:, 2 * i], low, high)
        return one(x, keys[:, 2 * i + 1], high, low)

    return jax.lax.fori_loop(0, _ROUNDS // 2, two, x)


def _mix(h: UInt32[Array, " n"]) -> UInt32[Array, " n"]:
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
