"""Quotients and roots at zero and near it, and the formulas that rest on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import GaussianRandomField, Grid, darcy, exact
from solvers.guarded import quotient, root
from solvers.laws import Acoustics, ShallowWater


def test_derivatives_of_a_quotient_whose_square_underflows():
    value, slopes = jax.value_and_grad(quotient, (0, 1))(jnp.float32(2e-25), jnp.float32(1e-25))
    np.testing.assert_allclose(value, 2.0, rtol=1e-6)
    np.testing.assert_allclose(slopes, [1e25, -2e25], rtol=1e-6)  # by hand
    x, y = jnp.float32(0.7), jnp.float32(0.3)
    bend = jax.grad(jax.grad(quotient, 1), 1)(x, y)
    np.testing.assert_allclose(bend, 2 * 0.7 / 0.3**3, rtol=1e-5)


@pytest.mark.parametrize("zero", [0.0, -0.0, 1e-39])
def test_nothing_divided_by_nothing_is_nothing(zero):
    y = jnp.float32(zero)
    value, slopes = jax.value_and_grad(quotient, (0, 1))(jnp.zeros_like(y), y)
    assert value == 0.0
    assert jnp.all(jnp.isfinite(jnp.stack(slopes)))
    assert root(y) == jax.grad(root)(y) == 0.0


def test_nan_is_not_taken_for_nothing():
    nan = jnp.float32(jnp.nan)
    for value in (quotient(nan, 1.0 + 0 * nan), quotient(jnp.float32(1), nan), root(nan)):
        assert jnp.isnan(value)


def test_the_gradient_of_a_random_field_without_mean(key):
    def size(sigma):
        field = GaussianRandomField((8,), alpha=2.0, tau=0.0, sigma=sigma, zero_mean=True)
        return jnp.sum(field(key=key) ** 2)

    value, slope = jax.value_and_grad(size)(jnp.float32(1.5))
    np.testing.assert_allclose(slope, 2 * value / 1.5, rtol=1e-4)  # a quadratic function of sigma


def test_the_gradient_of_a_dam_break_onto_dry_ground_exactly():
    def depth(h):
        return exact.riemann(ShallowWater(9.81), (h, 0.0), (0.0, 0.0)).sample(jnp.zeros(()))[0]

    value, slope = jax.value_and_grad(depth)(jnp.float32(1.5))
    np.testing.assert_allclose(
        [value, slope], [1.5 * 4 / 9, 4 / 9], rtol=1e-5
    )  # Ritter, at the dam


def test_the_gradient_of_flow_through_a_barely_permeable_layer():
    def flow(a):
        return jnp.sum(darcy(a * jnp.ones(4), Grid.uniform(0.0, 1.0, 4), source=a))

    value, slope = jax.value_and_grad(flow)(jnp.float32(1e-22))
    np.testing.assert_allclose(slope * 1e-22, 0.0, atol=1e-4 * value)  # u does not depend on a


def test_a_standing_wave_without_waves_is_at_rest():
    wave = lambda k: Acoustics(1.0).standing_wave(0.3, jnp.ones(2), wavenumbers=k)
    np.testing.assert_allclose(wave(jnp.zeros(1)), [[1.0, 1.0], [0.0, 0.0]])
    assert jnp.all(jnp.isfinite(jax.jacrev(wave)(jnp.zeros(1))))
