"""Shifted arrays: their values, and the derivatives that are written another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers.finite_volume.shifts import shifts


@pytest.mark.parametrize(("cells", "count"), [(9, 2), (9, 4), (6, 4), (5, 5), (12, 6)])
def test_shifts_and_their_derivatives_are_those_of_slices(cells, count):
    rng = np.random.default_rng(0)
    x, change = (jnp.asarray(rng.normal(size=(2, cells, 3))) for _ in range(2))
    size = cells - count + 1
    weights = jnp.asarray(rng.normal(size=(count, 2, size, 3)))

    def slices(x):
        return jnp.stack([x[:, j : j + size] for j in range(count)])

    def stacked(x):
        return jnp.stack(shifts(x, 0, count))

    np.testing.assert_array_equal(stacked(x), slices(x))
    for one, other in zip(
        jax.jvp(stacked, (x,), (change,)), jax.jvp(slices, (x,), (change,)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    total = lambda f: jax.grad(lambda x: jnp.sum(weights * f(x) ** 2))
    # Sums of up to six terms in another order.
    np.testing.assert_allclose(total(stacked)(x), total(slices)(x), rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(jax.vmap(stacked)(x[None])[0], slices(x))
