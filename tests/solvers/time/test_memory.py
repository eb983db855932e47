"""The reverse pass through equal steps keeps the square root of their number of states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import FiniteVolume, Grid, Periodic, solve
from solvers.laws import Burgers
from solvers.time.explicit import checkpointed_scan

CELLS = 1000


def temporary_bytes(steps):
    grid = Grid.uniform(0.0, 1.0, CELLS)
    field = FiniteVolume(law=Burgers(), grid=grid, boundary=Periodic())

    def energy(u0):
        return jnp.sum(solve(field, u0, t1=0.1, steps=steps, throw=False).states[-1] ** 2)

    compiled = jax.jit(jax.grad(energy)).lower(jnp.ones((1, CELLS), jnp.float32)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_grows_like_the_square_root_of_the_steps():
    # Differences drop what a single step needs. A factor of four between each: √ doubles, linear would
    # quadruple; a fifth above for the padding of buffers.
    first, second, third = (temporary_bytes(steps) for steps in (256, 1024, 4096))
    assert (third - second) < 2.4 * (second - first)
    # Two levels of √4096 states, and a few for one step.
    assert third < 4 * (2 * 64 + 100) * CELLS * 4


@pytest.mark.parametrize("length", [1, 2, 7, 16, 23])
def test_a_checkpointed_scan_is_a_scan(length, x64):
    step = lambda x, i: (jnp.sin(x + 0.1 * i.astype(x.dtype)), None)
    plain = lambda x: jax.lax.scan(step, x, jnp.arange(length))[0].sum()
    ours = lambda x: checkpointed_scan(step, x, length).sum()
    x = jnp.linspace(0.0, 1.0, 5)
    for f in (lambda g: g, jax.grad, jax.jacfwd):
        # The same operations in the same order; fusion may round the last bit otherwise.
        np.testing.assert_allclose(f(ours)(x), f(plain)(x), rtol=1e-14)
