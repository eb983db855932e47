"""Heads, mixtures and calibration against definitions, sampling and scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from jaxsci.constraints import conservation, project
from jaxsci.probabilistic import GaussianHead, calibration, mean_and_scale, moment_match
from solvers import Grid

FLOAT32 = 1e-6  # a few roundings of numbers of order 1 in single precision


def test_head_splits_means_and_scales(key):
    raw = jax.random.normal(key, (4, 5, 6))
    normal = GaussianHead(channels=2, floor=0.01)(raw)
    assert normal.batch_shape == (2, 5, 6)
    np.testing.assert_array_equal(normal.loc, raw[:2])
    np.testing.assert_allclose(
        normal.scale, 0.01 + np.log1p(np.exp(np.asarray(raw[2:]))), rtol=FLOAT32
    )


def test_head_keeps_its_floor_and_a_finite_gradient():
    # softplus(-200) underflows in float32: the floor is all that is left.
    raw = jnp.array([[0.3], [-200.0]])
    assert GaussianHead(channels=1)(raw).scale.item() == pytest.approx(1e-3, rel=FLOAT32)
    slope = jax.grad(lambda r: GaussianHead(channels=1)(r).log_prob(jnp.zeros((1, 1))).sum())(raw)
    assert jnp.isfinite(slope).all()


def test_head_works_under_vmap_and_jit(key):
    raw = jax.random.normal(key, (3, 2, 8))
    mean, scale = mean_and_scale(jax.jit(jax.vmap(GaussianHead(channels=1)))(raw))
    one = GaussianHead(channels=1)(raw[1])
    assert mean.shape == scale.shape == (3, 1, 8)
    np.testing.assert_allclose(scale[1], one.scale, rtol=FLOAT32)


@pytest.mark.parametrize("channels", [0, 1.5])
def test_head_refuses_bad_channels(channels):
    with pytest.raises((ValueError, TypeError), match="channels"):
        GaussianHead(channels=channels)


@pytest.mark.parametrize("floor", [0.0, -1.0, float("nan"), float("inf")])
def test_head_refuses_bad_floors(floor):
    with pytest.raises(ValueError, match="expected a positive, finite floor"):
        GaussianHead(channels=1, floor=floor)


def test_head_refuses_an_output_of_other_channels():
    with pytest.raises(
        ValueError, match=r"expected an output of shape \(4, \*space\).*out_channels=4"
    ):
        GaussianHead(channels=2)(jnp.zeros((3, 8)))


def test_moments_are_those_of_the_mixture(key):
    keys = jax.random.split(key, 4)
    parts = dist.Normal(
        jax.random.normal(keys[0], (5, 3)), 0.1 + jax.random.uniform(keys[1], (5, 3))
    )
    draws = parts.sample(keys[2], (200_000,)).reshape(-1, 3)
    matched = moment_match(jax.vmap(dist.Normal)(parts.loc, parts.scale))
    # Standard errors of mean and variance over 1e6 draws of spread ~1 are below 2e-3: four of them.
    np.testing.assert_allclose(matched.mean, draws.mean(axis=0), atol=8e-3)
    np.testing.assert_allclose(matched.variance, draws.var(axis=0), atol=8e-3)


def test_moments_of_one_sample_are_its_own_and_order_does_not_matter(key):
    parts = dist.Normal(jax.random.normal(key, (4, 3)), jnp.full((4, 3), 0.2))
    single = moment_match(dist.Normal(parts.loc[:1], parts.scale[:1]))
    np.testing.assert_allclose(single.mean, parts.loc[0], rtol=FLOAT32)
    np.testing.assert_allclose(single.scale, parts.scale[0], rtol=FLOAT32)
    swapped = moment_match(dist.Normal(parts.loc[::-1], parts.scale[::-1]))
    np.testing.assert_allclose(swapped.scale, moment_match(parts).scale, rtol=FLOAT32)


def test_moments_keep_small_spreads_on_large_means():
    # E[mu^2] - E[mu]^2 would lose all digits here; the two-pass variance keeps them.
    parts = dist.Normal(jnp.array([[1000.0], [1000.5]]), jnp.full((2, 1), 1e-3))
    np.testing.assert_allclose(moment_match(parts).variance, 0.0625 + 1e-6, rtol=1e-5)


def test_moments_of_projected_samples_keep_the_total(key, x64):
    grid = Grid.uniform(0.0, 1.0, 16)
    parts = dist.Normal(jax.random.normal(key, (7, 1, 16)), jnp.full((7, 1, 16), 0.3))
    matched = moment_match(project(parts, conservation(grid, jnp.asarray(0.25))))
    assert matched.batch_shape == (1, 16)
    # Round-off of 16 numbers of order 1 in double precision.
    np.testing.assert_allclose(grid.integrate(matched.mean), 0.25, atol=1e-14)


def test_variance_floor():
    certain = dist.Normal(jnp.ones((2, 3)), jnp.full((2, 3), 1e-6))
    np.testing.assert_allclose(moment_match(certain, variance_floor=1e-8).scale, 1e-4, rtol=FLOAT32)


def test_moment_match_refuses():
    with pytest.raises(ValueError, match="expected a leading axis of at least 1 sample"):
        moment_match(dist.Normal(jnp.zeros((0, 3)), jnp.ones((0, 3))))
    with pytest.raises(ValueError, match="variance_floor >= 0"):
        moment_match(dist.Normal(jnp.zeros((2, 3)), 1.0), variance_floor=-1.0)


def test_calibration_of_a_calibrated_and_an_overconfident_prediction(key):
    n, levels = 100_000, (0.5, 0.9, 0.99)
    target = jax.random.normal(key, (n,))
    right = calibration(dist.Normal(jnp.zeros(n), jnp.ones(n)), target, levels)
    # Binomial standard error at most 0.5/sqrt(n) = 1.6e-3: four of them.
    np.testing.assert_allclose(right, levels, atol=6.4e-3)
    narrow = calibration(dist.Normal(jnp.zeros(n), jnp.full(n, 0.5)), target, levels)
    expected = 2 * stats.norm.cdf(0.5 * stats.norm.ppf(0.5 + np.array(levels) / 2)) - 1
    np.testing.assert_allclose(narrow, expected, atol=6.4e-3)
    assert (narrow < right - 0.1).all()


def test_calibration_is_affine_invariant_and_counts_fixed_points():
    mean, scale = jnp.array([0.0, 1.0, 2.0]), jnp.array([1.0, 0.5, 0.0])
    target = jnp.array([0.6, 3.0, 2.0])
    # 0.6 lies inside the half interval +-0.674, 3.0 is four scales off, 2.0 is its fixed mean.
    plain = calibration(dist.Normal(mean, scale, validate_args=False), target, (0.5,))
    moved = calibration(
        dist.Normal(8 * mean + 4, 8 * scale, validate_args=False), 8 * target + 4, (0.5,)
    )
    np.testing.assert_allclose(plain, 2 / 3, rtol=FLOAT32)
    np.testing.assert_array_equal(plain, moved)


def test_calibration_refuses():
    normal = dist.Normal(jnp.zeros(3), jnp.ones(3))
    with pytest.raises(ValueError, match=r"target of shape \(3,\)"):
        calibration(normal, jnp.zeros((3, 1)))
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        calibration(normal, jnp.zeros(3), (95.0,))


def test_mean_and_scale_of_every_kind(key):
    covariance = jnp.array([[4.0, 1.0], [1.0, 9.0]])
    mean, scale = mean_and_scale(dist.MultivariateNormal(jnp.zeros(2), covariance))
    np.testing.assert_allclose(scale, [2.0, 3.0], rtol=FLOAT32)
    assert mean.shape == (2,)
    # A Normal keeps a scale whose square is 0 in float32, and broadcasts it.
    mean, scale = mean_and_scale(dist.Normal(jnp.zeros(3), jnp.float32(1e-30)))
    np.testing.assert_array_equal(scale, np.full(3, 1e-30, np.float32))
    # Two cells of equal scale with a known sum: var = s^2/2 each.
    fixed = project(
        dist.Normal(jnp.zeros(2), jnp.ones(2)), conservation(Grid.uniform(0.0, 1.0, 2), 1.0)
    )
    np.testing.assert_allclose(mean_and_scale(fixed)[1], np.sqrt([0.5, 0.5]), rtol=FLOAT32)


def test_scale_has_a_finite_gradient_where_the_variance_is_zero():
    def total(root):
        normal = dist.MultivariateNormal(jnp.zeros(2), scale_tril=root, validate_args=False)
        return mean_and_scale(normal)[1].sum()

    assert jnp.isfinite(jax.grad(total)(jnp.zeros((2, 2)))).all()


def test_moments_of_half_precision_are_formed_in_single():
    """300² is beyond the range of float16."""
    normal = dist.Normal(jnp.full((4, 3), 300, jnp.float16), jnp.full((4, 3), 300, jnp.float16))
    np.testing.assert_allclose(moment_match(normal).scale, 300.0, rtol=1e-6)
