"""Relative L2 and MSE: definitions, invariances, gradients, extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from jaxsci.metrics import mse, relative_l2
from solvers import Grid

FLOAT32 = 1e-5  # sums of a hundred float32 terms


def fields(seed=0, shape=(2, 6, 7)):
    a, b = jax.random.normal(jax.random.key(seed), (2, *shape))
    return a, b


def test_definitions():
    u, v = fields()
    a, b = np.asarray(u, np.float64), np.asarray(v, np.float64)
    expected = np.linalg.norm((a - b).ravel()) / np.linalg.norm(b.ravel())
    np.testing.assert_allclose(relative_l2(u, v), expected, rtol=FLOAT32)
    np.testing.assert_allclose(mse(u, v), np.mean((a - b) ** 2), rtol=FLOAT32)


@settings(deadline=None, max_examples=25)
@given(st.floats(-30, 30), st.booleans(), st.integers(0, 100))
def test_relative_l2_does_not_depend_on_the_unit(exponent, negative, seed):
    u, v = fields(seed, (1, 16))
    factor = jnp.float32((-1.0 if negative else 1.0) * 10.0**exponent)
    np.testing.assert_allclose(relative_l2(factor * u, factor * v), relative_l2(u, v), rtol=FLOAT32)


def test_permutation_and_shift():
    u, v = fields()
    order = jax.random.permutation(jax.random.key(3), 7)
    np.testing.assert_allclose(
        relative_l2(u[..., order], v[..., order]), relative_l2(u, v), rtol=FLOAT32
    )
    np.testing.assert_allclose(mse(u + 0.5, v + 0.5), mse(u, v), rtol=FLOAT32)
    np.testing.assert_allclose(mse(4 * u, 4 * v), 16 * mse(u, v), rtol=FLOAT32)


@pytest.mark.parametrize("n", [15, 16])
def test_parseval(n, x64):
    """The unitary Fourier transform keeps the norm, for odd and even lengths."""
    u, v = fields(shape=(1, n))

    def spectrum(w):
        full = jnp.fft.fft(w, norm="ortho")
        return jnp.concatenate([full.real, full.imag])

    # Round-off of a transform of 16 points in double precision.
    np.testing.assert_allclose(relative_l2(spectrum(u), spectrum(v)), relative_l2(u, v), rtol=1e-13)


@pytest.mark.parametrize("metric", [relative_l2, mse])
def test_gradients(metric, x64):
    # Central differences: step^2 = 1e-12 and round-off 1e-16/1e-6 = 1e-10.
    check_grads(jax.jit(metric), fields(shape=(1, 5)), order=1, eps=1e-6, atol=1e-8, rtol=1e-8)


def test_a_perfect_prediction_has_no_error_and_no_gradient():
    v = fields()[1]
    assert relative_l2(v, v) == 0
    np.testing.assert_array_equal(jax.grad(relative_l2)(v, v), jnp.zeros_like(v))


def test_a_zero_target_is_refused_or_nan():
    u, zero = jnp.ones((1, 4)), jnp.zeros((1, 4))
    with pytest.raises(ValueError, match="not zero everywhere, got zeros; use mse"):
        relative_l2(u, zero)
    assert jnp.isnan(jax.jit(relative_l2)(u, zero))
    assert jnp.isnan(jax.jit(relative_l2)(zero, zero))


def test_non_finite_values_stay_visible():
    v = jnp.ones((1, 4))
    for bad in (jnp.nan, jnp.inf):
        u = v.at[0, 1].set(bad)
        assert not jnp.isfinite(relative_l2(u, v))
        assert not jnp.isfinite(mse(u, v))
        assert not jnp.isfinite(relative_l2(v, u))


def test_double_precision_is_kept(x64):
    u = jnp.array([[1.0 + 1e-12, 1.0]])
    # Twelve digits below 1 leave four digits of the difference.
    np.testing.assert_allclose(mse(u, jnp.ones((1, 2))), 5e-25, rtol=1e-3)
    assert relative_l2(u, jnp.ones((1, 2))).dtype == jnp.float64


def test_shapes_that_would_broadcast_are_refused():
    for metric in (mse, relative_l2):
        with pytest.raises(
            ValueError, match=rf"{metric.__name__} expected a target of shape \(1, 4\)"
        ):
            metric(jnp.ones((1, 4)), jnp.ones((4,)))
        with pytest.raises(ValueError, match="expected at least one value"):
            metric(jnp.ones((1, 0)), jnp.ones((1, 0)))


def test_batches_by_vmap():
    grid = Grid.uniform(0.0, 1.0, 8)
    u = jnp.sin(jnp.asarray(grid.centers[0], jnp.float32)) * jnp.ones((3, 1, 1))
    np.testing.assert_allclose(jax.vmap(relative_l2)(1.5 * u, u), 0.5 * jnp.ones(3), rtol=FLOAT32)
