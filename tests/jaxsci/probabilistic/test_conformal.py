"""Conformal bands cover what they promise, for any model, and their quantile is the finite-sample one."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import conservation, project
from jaxsci.metrics import interval_coverage
from jaxsci.probabilistic import conformal, mean_and_scale
from solvers import Grid

TRIALS = 20_000


def test_the_quantile_is_the_order_statistic():
    # n = 9 and level 0.8: the ceil(10 · 0.8) = 8th smallest of the largest errors of each field.
    errors = jnp.array([5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0])
    target = jnp.stack([errors, -errors / 2], axis=1)
    band = conformal(jnp.zeros((9, 2)), target, level=0.8)
    assert band.radius == 8.0
    scale = jnp.ones((9, 2))
    points = conformal(jnp.zeros((9, 2)), target, scale, level=0.8, simultaneous=False)
    np.testing.assert_array_equal(points.radius, [8.0, 4.0])
    # Half of two points: the smaller error of each field, which is half the larger one.
    assert conformal(jnp.zeros((9, 2)), target, level=0.8, share=0.5).radius == 4.0
    lower, upper = points(jnp.ones(2), 2.0)
    np.testing.assert_array_equal(lower, [-15.0, -7.0])
    np.testing.assert_array_equal(upper, [17.0, 9.0])


def fields(*shape):
    """Predictions whose scales are wrong, and errors that are correlated and have heavy tails."""
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(*shape, 6)).astype(np.float32)
    scale = rng.uniform(0.2, 1.2, size=(*shape, 6)).astype(np.float32)
    error = np.cumsum(rng.standard_t(3, size=(*shape, 6)), axis=-1).astype(np.float32)
    return jnp.asarray(mean), jnp.asarray(mean + scale * error), jnp.asarray(scale)


N = 19
# Ranks 1 to 18 of 20 are inside: 0.9 exactly. Four binomial errors, 4 · sqrt(0.9 · 0.1 / 2e4).
ERROR = 0.0085


@pytest.mark.parametrize("options", [{}, {"share": 0.5}, {"simultaneous": False}])
def test_coverage_is_exact_on_exchangeable_fields(options):
    def trial(mean, target, scale):
        band = conformal(mean[:N], target[:N], scale[:N], level=0.9, **options)
        lower, upper = band(mean[N], scale[N])
        inside = (lower <= target[N]) & (target[N] <= upper)
        if "simultaneous" in options:
            return inside.astype(float)
        return (inside.mean() >= options.get("share", 1.0)).astype(float)

    covered = jax.jit(jax.vmap(trial))(*fields(TRIALS, N + 1)).mean(0)
    np.testing.assert_allclose(covered, 0.9, atol=ERROR)


def test_projected_predictions_have_their_own_band():
    # A model with a bias, that is projected onto the total of each truth; the band keeps its promise.
    grid = Grid.uniform(0.0, 1.0, 6)

    def trial(mean, target, scale):
        total = target.mean(1)
        moved = project(dist.Normal(mean + 0.3, scale), conservation(grid, total))
        mean, scale = mean_and_scale(moved)
        band = conformal(mean[:N], target[:N], scale[:N], level=0.9)
        ends = band(mean[N], scale[N])
        return interval_coverage(*ends, target[N]) == 1.0, jnp.mean(mean[N]) - total[N]

    covered, error = jax.jit(jax.vmap(trial))(*fields(TRIALS, N + 1))
    np.testing.assert_allclose(covered.astype(float).mean(), 0.9, atol=ERROR)
    # Round-off of numbers of up to some thousands, the tails of the errors.
    assert jnp.abs(error).max() < 1e-3


def test_bands_scale_with_the_unit():
    mean, target, scale = fields(30)
    band = conformal(mean, target, scale)
    same = conformal(1 + 8 * mean, 1 + 8 * target, 8 * scale)
    np.testing.assert_allclose(band.radius, same.radius, rtol=1e-4)  # cancellation of 1 + 8 y


def test_refusals():
    zeros, ones = jnp.zeros((8, 3)), jnp.ones((8, 3))
    with pytest.raises(ValueError, match=r"at least 9 calibration fields for level=0.9, got 8"):
        conformal(zeros, ones)
    conformal(jnp.zeros((9, 3)), jnp.ones((9, 3)))
    with pytest.raises(ValueError, match="of one shape"):
        conformal(zeros, jnp.ones((8, 4)), level=0.5)
    with pytest.raises(ValueError, match="0 < level < 1"):
        conformal(zeros, ones, level=90.0)
    with pytest.raises(ValueError, match="0 < share <= 1"):
        conformal(zeros, ones, level=0.5, share=0.0)
    with pytest.raises(ValueError, match=r"positive scales, got 0\.0"):
        conformal(zeros, ones, zeros, level=0.5)
    with pytest.raises(ValueError, match="expected finite target"):
        conformal(zeros, ones * jnp.nan, level=0.5)
    with pytest.raises(ValueError, match=r"use jax\.vmap"):
        conformal(zeros, ones, level=0.5, simultaneous=False)(jnp.zeros(4))


def test_a_scale_is_given_to_both_or_to_none():
    mean = jnp.arange(20.0).reshape(10, 2)
    scaled = conformal(mean, mean + 1, 100 * jnp.ones_like(mean), level=0.8)
    with pytest.raises(ValueError, match="expected a scale"):
        scaled(mean[0])
    with pytest.raises(ValueError, match="expected no scale"):
        conformal(mean, mean + 1, level=0.8)(mean[0], jnp.ones(2))
    with pytest.raises(ValueError, match="share=1"):
        conformal(mean, mean + 1, level=0.8, simultaneous=False, share=0.5)


def test_bands_are_those_of_the_calibration():
    """A mean in whole numbers keeps the radius; another shape, or a scale of the wrong sign, is refused."""
    mean = jnp.zeros((20, 5))
    band = conformal(mean, mean + jnp.linspace(0.05, 0.9, 20)[:, None], level=0.9)
    lower, upper = band(jnp.zeros(5, int))
    assert lower.dtype == jnp.float32
    assert (upper > 0.5).all()
    with pytest.raises(ValueError, match="the shape that it was calibrated for"):
        band(jnp.zeros((3, 5)))
    scaled = conformal(mean, mean + 1.0, jnp.ones((20, 5)), level=0.9)
    with pytest.raises(ValueError, match="ConformalBand expected positive scales"):
        scaled(jnp.zeros(5), -jnp.ones(5))
    with pytest.raises(ValueError, match="that holds points"):
        conformal(jnp.zeros((10, 0)), jnp.zeros((10, 0)))
