"""Matrices of the truncated Fourier transform of a real field, exact for any resolution."""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=256)
def dft_matrices(n: int, m: int, two_sided: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2πks/n, shape (n, kept), for the kept frequencies k of one axis."""
    k = np.concatenate([np.arange(m), np.arange(-m, 0)]) if two_sided else np.arange(m)
    # The phase is reduced modulo n in integers first: exact for any resolution.
    angle = 2 * np.pi * ((np.arange(n)[:, None] * k) % n) / n
    return np.cos(angle), np.sin(angle)


@lru_cache(maxsize=256)
def conjugate_weights(n: int, m: int) -> np.ndarray:
    """How often each kept frequency of the last axis counts in a real inverse transform."""
    weights = np.full(m, 2.0)
    weights[0] = 1.0
    if n % 2 == 0 and m == n // 2 + 1:
        weights[-1] = 1.0
    return weights


@lru_cache(maxsize=256)
def conjugate_pairs(n: int, m: int, two_sided: bool) -> np.ndarray:
    """The matrix, of kept frequencies by kept ones, with 1 where their sum is a multiple of n."""
    k = np.concatenate([np.arange(m), np.arange(-m, 0)]) if two_sided else np.arange(m)
    return ((k[:, None] + k) % n == 0).astype(float)
