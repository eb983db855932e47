"""Shared test settings: strict promotion, warnings as errors, one random key a test."""

import os

# Small factorisations spin all of OpenBLAS' threads against XLA's: 100 times slower on two busy cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_platforms", "cpu")


@pytest.fixture
def x64():
    """Double precision for the length of one test (off by default, as for a user)."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def unchecked():
    """The annotations unchecked, as for a user: what the library itself says to a wrong type."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def key():
    return jax.random.key(0)
