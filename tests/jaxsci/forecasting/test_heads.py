"""Heads give quantiles that fit their distribution, do not cross, and are scored by proper scores."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from jaxsci.forecasting import (
    FreeQuantiles,
    IncrementalQuantiles,
    NegativeBinomial,
    QuantileFunction,
    StudentT,
)

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
ONE = jnp.ones(())


@pytest.mark.parametrize("head", [IncrementalQuantiles(LEVELS), QuantileFunction(LEVELS)])
def test_quantiles_do_not_cross(head):
    """Not for ten thousand random outputs, large ones among them."""
    raw = 10 * jax.random.normal(jax.random.key(0), (10_000, head.outputs))
    values = head.quantiles(raw, jnp.zeros(10_000), jnp.ones(10_000))
    assert (jnp.diff(values) >= 0).all()


def test_free_quantiles_are_what_the_network_says():
    raw = jnp.array([3.0, 1.0, 2.0, 0.0, 5.0])
    values = FreeQuantiles(LEVELS).quantiles(raw, 10 * ONE, 2 * ONE)
    np.testing.assert_allclose(values, 10 + 2 * raw)


def test_steps_vanish_where_the_target_is_constant():
    """The quantiles of a constant target close up."""
    head = IncrementalQuantiles(LEVELS)

    def loss(raw):
        return head.loss(raw, 0 * ONE, ONE, 0.3 * ONE)

    raw = jnp.zeros(head.outputs)
    start = head.quantiles(raw, 0 * ONE, ONE)
    optimizer = optax.adam(0.05)

    def step(state, _):
        raw, moments = state
        with jax.numpy_dtype_promotion("standard"):  # which optax needs
            update, moments = optimizer.update(jax.grad(loss)(raw), moments)
        return (raw + update, moments), None

    (raw, _), _ = jax.lax.scan(step, (raw, optimizer.init(raw)), length=1000)
    end = head.quantiles(raw, 0 * ONE, ONE)
    assert end[-1] - end[0] < 0.05 * (start[-1] - start[0])
    np.testing.assert_allclose(end, 0.3, atol=0.05)


def test_the_quantile_function_goes_through_its_knots():
    head = QuantileFunction((0.3, 0.35, 0.4), knots=(0.1, 0.3, 0.4, 0.9))
    raw = jax.random.normal(jax.random.key(0), (head.outputs,))
    at_knots = head.at(raw, head.knots)
    values = head.quantiles(raw, 0 * ONE, ONE)
    np.testing.assert_allclose(values[jnp.array([0, 2])], at_knots[1:3], rtol=1e-6)
    np.testing.assert_allclose(values[1], at_knots[1:3].mean(), rtol=1e-6)
    # Exponential tails: each tenth of the probability is as far again.
    tail = head.at(raw, (0.001, 0.01, 0.1))
    np.testing.assert_allclose(tail[1] - tail[0], tail[2] - tail[1], rtol=1e-5)
    assert tail[0] < tail[1] < tail[2]


def test_student_t_quantiles_are_those_of_scipy():
    head = StudentT(LEVELS)
    raw = jnp.array([0.3, -0.5, 1.0])
    one = head.distribution(raw, 5 * ONE, 2 * ONE)
    expected = scipy.stats.t.ppf(LEVELS, float(one.df), float(one.loc), float(one.scale))
    # The incomplete beta function in float32.
    np.testing.assert_allclose(head.quantiles(raw, 5 * ONE, 2 * ONE), expected, rtol=2e-4)


def test_counts_have_the_quantiles_of_scipy():
    head = NegativeBinomial(LEVELS)
    raw = jnp.array([[1.0, 0.2], [3.0, 2.0], [-4.0, 0.0]])
    level = jnp.array([5.0, 400.0, 0.2])
    one = head.distribution(raw, level, jnp.ones(3))
    mean, size = np.asarray(one.mean, np.float64), np.asarray(one.concentration, np.float64)
    expected = scipy.stats.nbinom.ppf(np.array(LEVELS)[:, None], size, size / (size + mean)).T
    values = np.asarray(head.quantiles(raw, level, jnp.ones(3)))
    # Round-off of the distribution function may move a quantile among many counts by one.
    assert (np.abs(values - expected) <= 1).all()
    np.testing.assert_array_equal(values[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("level", [10.0, 100.0, 300.0])
def test_counts_spread_in_units_of_the_scale(level):
    """Steady series are as easy to fit as erratic ones: equal outputs, equal variance beyond Poisson's."""
    one = NegativeBinomial(LEVELS).distribution(jnp.array([0.5, 0.0]), level * ONE, 10 * ONE)
    mean, variance = (np.asarray(x, np.float64) for x in (one.mean, one.variance))
    expected = 100 * np.logaddexp(0, 0.5) ** 2 / (1e-3 + np.log(2))
    # The variance is a difference of numbers up to a few times as large.
    np.testing.assert_allclose(variance - mean, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "head", [StudentT(LEVELS), QuantileFunction(LEVELS), IncrementalQuantiles(LEVELS)]
)
def test_losses_are_in_units_of_the_scale(head):
    """A series a thousand times as large has the same loss."""
    raw = jax.random.normal(jax.random.key(0), (head.outputs,))
    small = head.loss(raw, 1 * ONE, 2 * ONE, 2.5 * ONE)
    large = head.loss(raw, 1e3 * ONE, 2e3 * ONE, 2.5e3 * ONE)
    np.testing.assert_allclose(small, large, rtol=1e-5)


def test_levels_and_knots_are_checked():
    with pytest.raises(ValueError, match="increase between 0 and 1, got"):
        IncrementalQuantiles((0.5, 0.1))
    with pytest.raises(ValueError, match="at least 2 knots"):
        QuantileFunction((0.5,), knots=(0.5,))
