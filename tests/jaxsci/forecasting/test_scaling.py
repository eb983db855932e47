"""Level and scale of a series: from the past alone, in its units, and sensible with little history."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsci.forecasting.scaling import Prior, Typical, causal_normal, learn_prior

PRIOR = Prior(jnp.float32(7.0), jnp.float32(3.0), jnp.float32(0.5))


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
    # One value has no spread: half of the typical one, r |y| = 2, as the prior counts as one more.
    np.testing.assert_allclose(normal.scale, [3.0, 3.0, 1.0], rtol=1e-6)
    assert normal.started.tolist() == [False, False, True]


def test_zeros_and_constants_have_a_positive_scale():
    observed = jnp.ones(20, bool)
    assert (causal_normal(jnp.zeros(20), observed, PRIOR, half_life=5.0).scale == 3.0).all()
    assert (causal_normal(jnp.full(20, 8.0), observed, PRIOR, half_life=5.0).scale > 0).all()


def test_the_prior_is_typical_of_the_series():
    y = jnp.stack([jnp.full(30, 10.0), jnp.full(30, 20.0), jnp.full(30, 30.0), jnp.zeros(30)])
    y = y * (1 + 0.1 * jax.random.normal(jax.random.key(0), y.shape))
    observed = jnp.ones(y.shape, bool)
    normal = jax.vmap(lambda a, b: causal_normal(a, b, Prior.neutral(), half_life=1e6))(y, observed)
    prior = learn_prior([Typical.of(normal, jnp.abs(y), observed)])
    # The median of the three that are not zero: 20, a mean deviation of 0.08 of it, and one part in 31 more
    # from the neutral prior's ratio of 1.
    np.testing.assert_allclose(prior.level, 20.0, rtol=0.1)
    np.testing.assert_allclose(prior.ratio, 0.08 + 1 / 31, rtol=0.3)


def test_series_without_values_leave_the_prior_neutral():
    y, observed = jnp.zeros((2, 5)), jnp.zeros((2, 5), bool)
    normal = jax.vmap(lambda a, b: causal_normal(a, b, Prior.neutral(), half_life=9.0))(y, observed)
    prior = learn_prior([Typical.of(normal, y, observed)])
    assert (prior.level, prior.scale, prior.ratio) == (0.0, 1.0, 1.0)
