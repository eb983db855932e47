"""Shared test settings: strict promotion, warnings as errors, one random key a test."""

import gc
import os
import signal
from pathlib import Path

# Small factorisations spin all of OpenBLAS' threads against XLA's: 100 times slower on two busy cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_platforms", "cpu")


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory():
    """Drop the compiled programs of files that are done where a worker has grown: two share a machine."""
    yield
    statm = Path("/proc/self/statm")  # where there is none, memory is not looked at
    if statm.exists() and int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") > 4e9:
        jax.clear_caches()
        gc.collect()


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


@pytest.fixture
def filled():
    """Modules with weights of NumPy's making, `filled(cls, **options)`: nothing is compiled for them."""

    def build(cls, *, dtype=np.float32, scale=0.3, **options):
        rng = np.random.default_rng(0)
        module = eqx.filter_eval_shape(lambda k: cls(key=k, **options), jax.random.key(0))

        def fill(leaf):
            if not isinstance(leaf, jax.ShapeDtypeStruct):
                return leaf
            return jnp.asarray(scale * rng.standard_normal(leaf.shape), dtype)

        return jax.tree.map(fill, module)

    return build


@pytest.fixture
def parameters():
    """The number of parameters of `cls(**options)`, without building it."""

    def count(cls, **options):
        module = eqx.filter_eval_shape(lambda k: cls(key=k, **options), jax.random.key(0))
        leaves = jax.tree.leaves(module)
        return sum(leaf.size for leaf in leaves if isinstance(leaf, jax.ShapeDtypeStruct))

    return count


def pytest_configure():
    """Let tests send Ctrl-C where the suite runs in the background of a shell, which ignores it there."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
