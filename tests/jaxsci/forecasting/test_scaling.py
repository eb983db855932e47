"""Level and scale of a series: from the past alone, in its units, and sensible with little history."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsci.forecasting.scaling import Prior, Typical, causal_normal, learn_prior

PRIOR = Prior(level=7.0, scale=3.0, size=6.0)


def test_without_forgetting_the_level_is_the_mean():
    y = jax.random.normal(jax.random.key(0), (50,)) + 3
    observed = jnp.ones(50, bool)
    level = causal_normal(y, observed, PRIOR, half_life=1e9).level
    expected = np.cumsum(np.asarray(y)) / np.arange(1, 51)
    np.testing.assert_allclose(level, expected, rtol=1e-5)


def test_a_large_offset_costs_no_digits():
    """The level of y + 1e6 in float32 is that of y to the spacing of numbers near 1e6."""
    y = jnp.asarray(np.random.default_rng(0).normal(size=400), jnp.float32)
    observed = jnp.ones(400, bool)
    plain = causal_normal(y, observed, PRIOR, half_life=50.0)
    moved = causal_normal(y + 1e6, observed, PRIOR, half_life=50.0)
    np.testing.assert_allclose(moved.level - 1e6, plain.level, atol=0.13)


def test_missing_values_do_not_count():
    y = jnp.array([1.0, jnp.nan, 3.0])
    normal = causal_normal(y, jnp.array([True, False, True]), PRIOR, half_life=1e9)
    np.testing.assert_allclose(normal.level, [1.0, 1.0, 2.0], rtol=1e-6)
    assert jnp.isfinite(normal.scale).all()


def test_before_the_first_value_the_prior_holds():
    y, observed = jnp.array([0.0, 0.0, 4.0]), jnp.array([False, False, True])
    normal = causal_normal(y, observed, PRIOR, half_life=10.0)
    np.testing.assert_allclose(normal.level, [7.0, 7.0, 4.0])
    # One value has no spread: half of the typical one, 4 · 3/6 = 2, as the prior counts as one more.
    np.testing.assert_allclose(normal.scale, [3.0, 3.0, 1.0], rtol=1e-6)
    assert normal.started.tolist() == [False, False, True]


def test_zeros_and_constants_have_a_positive_scale():
    observed = jnp.ones(20, bool)
    assert (causal_normal(jnp.zeros(20), observed, PRIOR, half_life=5.0).scale == 3.0).all()
    assert (causal_normal(jnp.full(20, 8.0), observed, PRIOR, half_life=5.0).scale > 0).all()


def typical_of(y, observed):
    normal = jax.vmap(lambda a, b: causal_normal(a, b, Typical.ALONE, half_life=1e6))(y, observed)
    return learn_prior([Typical.of(normal, np.abs(y), np.asarray(observed))])


def noisy(sizes, spreads, *, seed=0):
    noise = np.random.default_rng(seed).normal(size=(len(sizes), 200))
    y = np.asarray(sizes, float)[:, None] + np.asarray(spreads, float)[:, None] * noise
    return jnp.asarray(y, jnp.float32), jnp.ones(y.shape, bool)


def test_the_prior_is_typical_of_the_series():
    y, observed = noisy([10.0, 20.0, 30.0, 0.0], [1.0, 2.0, 3.0, 0.0])
    prior = typical_of(y, observed)
    # The median of the three that are not zero: 20, and a mean deviation of 0.08 of it.
    np.testing.assert_allclose(prior[:3], [20.0, 1.6, 20.0], rtol=0.1)
    np.testing.assert_allclose(prior.power, 1.0, atol=0.1)


def test_spread_grows_with_size_as_it_does_among_the_series():
    """Of sizes from 100 to 10⁶, all with the same spread, one without history has no spread of 10⁵."""
    y, observed = noisy(10.0 ** np.arange(2, 7), np.full(5, 2.0))
    prior = typical_of(y, observed)
    assert prior.power < 0.05
    value = jnp.array([1e6])
    scale = causal_normal(value, jnp.ones(1, bool), prior, half_life=9.0).scale
    assert 0.4 < float(scale[0]) < 1.6  # half of a mean deviation of 1.6, up to Taylor's law


def test_constants_and_series_without_values_leave_a_prior():
    y, observed = jnp.full((2, 5), 8.0), jnp.ones((2, 5), bool)
    assert typical_of(y, observed) == Prior(8.0, 8.0, 8.0)
    assert typical_of(jnp.zeros((2, 5)), jnp.zeros((2, 5), bool)) == Prior()
