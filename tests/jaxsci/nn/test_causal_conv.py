"""Causal convolutions see the present and their reach, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import CausalConv, CausalConvStack


def test_a_layer_is_the_sum_over_its_kernel():
    layer = CausalConv(in_channels=2, out_channels=3, kernel=3, dilation=2, key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (9, 2))
    weight = np.asarray(layer.weight).reshape(3, 2, 3)
    expected = np.zeros((9, 3))
    for t in range(9):
        for j in range(3):
            if t - 2 * j >= 0:
                expected[t] += np.asarray(x[t - 2 * j]) @ weight[j]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_an_output_depends_on_its_reach_alone():
    stack = CausalConvStack(in_channels=1, width=4, dilations=(1, 2, 4), key=jax.random.key(0))
    assert stack.reach == 8
    started = jnp.ones(20, bool)
    jacobian = jax.jacobian(lambda x: stack(x, started))(
        jax.random.normal(jax.random.key(1), (20, 1))
    )
    seen = np.abs(np.asarray(jacobian)).max(axis=(1, 3)) > 0
    back = np.arange(20)[:, None] - np.arange(20)
    np.testing.assert_array_equal(seen, (back >= 0) & (back < 8))


def test_nothing_flows_out_of_what_has_not_begun():
    stack = CausalConvStack(in_channels=1, width=4, dilations=(1, 2), key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (10, 1))
    padded = jnp.concatenate([jnp.full((5, 1), 7.0), x])
    started = jnp.arange(15) >= 5
    np.testing.assert_allclose(stack(padded, started)[5:], stack(x, jnp.ones(10, bool)), rtol=1e-6)
    assert not stack(padded, started)[:5].any()


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="kernel to be a whole number >= 1"):
        CausalConv(in_channels=1, out_channels=1, kernel=0, key=jax.random.key(0))
    with pytest.raises(ValueError, match="at least one dilation"):
        CausalConvStack(in_channels=1, width=1, dilations=(), key=jax.random.key(0))
