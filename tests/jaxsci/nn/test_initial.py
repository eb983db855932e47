"""Numbers drawn in a row are those that JAX draws in a shape, whatever the precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn.initial import normal, uniform

SHAPES = [(), (5,), (3, 4), (3, 3, 2, 4)]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_are_those_of_jax(key, shape):
    for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
        found = normal(key, shape, dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, jax.random.normal(key, shape, dtype))
    expected = jax.random.uniform(key, shape, minval=-0.3, maxval=0.3)
    np.testing.assert_array_equal(uniform(key, shape, bound=0.3), expected)
