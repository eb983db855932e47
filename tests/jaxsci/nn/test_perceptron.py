"""A perceptron maps the last axis, whatever is in front of it."""

import jax
import numpy as np
import pytest

from jaxsci.nn import Perceptron


def test_leading_axes_are_samples():
    layers = Perceptron(in_channels=3, width=8, out_channels=2, key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (4, 5, 3))
    one_by_one = jax.vmap(jax.vmap(layers))(x)
    np.testing.assert_allclose(layers(x), one_by_one, rtol=1e-5, atol=1e-6)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="width to be a whole number >= 1"):
        Perceptron(in_channels=3, width=0, out_channels=2, key=jax.random.key(0))
