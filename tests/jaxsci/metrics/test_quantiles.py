"""Quantile scores: exact values, properness, what is missing, coverage and widths, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsci.metrics import (
    crps_quantiles,
    quantile_coverage,
    quantile_loss,
    sharpness,
    weighted_quantile_loss,
)

ROUND_OFF = 1e-13  # a handful of double-precision operations
LEVELS = (0.1, 0.5, 0.9)
PERCENT = np.arange(1, 100) / 100


@pytest.fixture
def window(x64):
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3, 5))
    predicted = np.sort(rng.normal(size=(3, 5, 3)), axis=-1)
    return jnp.asarray(predicted), jnp.asarray(target)


def by_hand(predicted, target):
    """ρ_q in NumPy, from the definition by cases."""
    error = np.asarray(target)[..., None] - np.asarray(predicted)
    return np.where(error >= 0, np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error)


def test_the_loss_is_minimal_at_the_quantile(x64):
    y = np.arange(1.0, 11.0)

    def total(c, q):
        return 10 * quantile_loss(c * jnp.ones((10, 1)), (q,), jnp.asarray(y))

    low = jax.jit(jax.vmap(lambda c: total(c, 0.25)))(jnp.asarray(y))
    assert np.argmin(low) == 2  # y = 3
    high = jax.jit(jax.vmap(lambda c: total(c, 0.9)))(jnp.array([8.9, 9.0, 9.3, 10.0, 10.1]))
    np.testing.assert_allclose(high[1:4], high[1], rtol=ROUND_OFF)
    assert high[0] > high[1] < high[4]
    for q, c in ((0.25, 3.5), (0.9, 1.5)):  # off ties: #(y < c) − nq
        np.testing.assert_allclose(jax.grad(total)(c, q), (y < c).sum() - 10 * q, atol=ROUND_OFF)


@pytest.fixture
def normal(x64):
    """The middles of equal shares of N(0, 1), and its percentiles as the forecast for each."""
    n = 20_000
    target = jnp.asarray(stats.norm.ppf((np.arange(n) + 0.5) / n))
    return target, jnp.broadcast_to(stats.norm.ppf(PERCENT), (n, 99))


def test_true_quantiles_have_the_known_score_and_others_a_larger_one(normal):
    target, percentiles = normal
    # The tails within half a share of the ends: about 1e-5 of the mean.
    best = quantile_loss(percentiles, PERCENT, target)
    np.testing.assert_allclose(2 * best, 0.56978, atol=2e-5)
    # By parts E 2ρ_q = 2φ(z_q); the sum is that of the trapezoid rule.
    exact = 0.02 * stats.norm.pdf(stats.norm.ppf(PERCENT)).sum()
    crps = crps_quantiles(percentiles, PERCENT, target)
    np.testing.assert_allclose(crps, exact, atol=2e-5)
    np.testing.assert_allclose(
        crps, 1 / np.sqrt(np.pi), rtol=3e-4
    )  # its bias, 1.9e-4, and the tails
    for shift, scale in ((0.05, 1.0), (-0.05, 1.0), (0.0, 1.05), (0.0, 0.95)):
        assert quantile_loss(shift + scale * percentiles, PERCENT, target) > best
        assert crps_quantiles(shift + scale * percentiles, PERCENT, target) > crps


def test_the_bias_of_few_levels_is_as_stated(normal):
    target, _ = normal
    for levels, missing in (((0.1, 0.5, 0.9), 0.123), (np.arange(1, 10) / 10, 0.015)):
        predicted = jnp.broadcast_to(stats.norm.ppf(levels), (target.size, len(levels)))
        share = crps_quantiles(predicted, levels, target) * np.sqrt(np.pi)
        np.testing.assert_allclose(1 - share, missing, atol=5e-4)  # digits of the docstring


def test_losses_by_hand(window):
    predicted, target = window
    rho = by_hand(predicted, target)
    np.testing.assert_allclose(quantile_loss(predicted, LEVELS, target), rho.mean(), rtol=ROUND_OFF)
    risk = 2 * rho.sum((0, 1)) / np.abs(target).sum()
    ours = weighted_quantile_loss(predicted, LEVELS, target, per_quantile=True)
    np.testing.assert_allclose(ours, risk, rtol=ROUND_OFF)
    np.testing.assert_allclose(
        weighted_quantile_loss(predicted, LEVELS, target), risk.mean(), rtol=ROUND_OFF
    )
    # At the median it is the absolute error, the factor 2 and all.
    np.testing.assert_allclose(
        risk[1], np.abs(target - predicted[..., 1]).sum() / np.abs(target).sum(), rtol=ROUND_OFF
    )
    weights = np.array([0.25, 0.4, 0.25])
    np.testing.assert_allclose(
        crps_quantiles(predicted, LEVELS, target), (2 * rho @ weights).mean(), rtol=ROUND_OFF
    )


@pytest.mark.parametrize("metric", [quantile_loss, weighted_quantile_loss, crps_quantiles])
def test_missing_targets_are_left_out_and_have_no_gradient(window, metric):
    predicted, target = window
    some = np.arange(15).reshape(3, 5) % 4 > 0
    kept = metric(
        jnp.asarray(np.asarray(predicted)[some]), LEVELS, jnp.asarray(np.asarray(target)[some])
    )
    assert kept != metric(predicted, LEVELS, target)
    observed, missing = jnp.asarray(some), jnp.asarray(np.where(some, target, np.nan))
    for mask, y in ((observed, target), (observed, missing), (None, missing)):
        np.testing.assert_allclose(metric(predicted, LEVELS, y, mask), kept, rtol=ROUND_OFF)
    slope = np.asarray(jax.grad(metric)(predicted, LEVELS, missing))
    assert np.isfinite(slope).all()
    assert (slope[~some] == 0).all()
    assert (slope[some] != 0).all()
    # What is called observed and is not a number stays visible, and so does a forecast without a number.
    assert jnp.isnan(metric(predicted, LEVELS, missing, jnp.ones((3, 5), bool)))
    assert jnp.isnan(metric(predicted.at[1, 1, 1].set(jnp.nan), LEVELS, target))


@pytest.mark.parametrize("metric", [quantile_loss, weighted_quantile_loss, crps_quantiles])
def test_losses_scale_with_the_unit_and_have_right_slopes(window, metric):
    predicted, target = window
    factor = 1.0 if metric is weighted_quantile_loss else 3.0
    np.testing.assert_allclose(
        metric(3 * predicted, LEVELS, 3 * target),
        factor * metric(predicted, LEVELS, target),
        rtol=ROUND_OFF,
    )
    step = jnp.asarray(np.random.default_rng(1).normal(size=predicted.shape))
    f = lambda t: metric(predicted + t * step, LEVELS, target)
    slope, ends = jax.grad(f)(0.0), [float(f(t)) for t in (-1e-6, 1e-6)]
    # Piecewise linear: differences are exact up to the cancellation of 1e-16 over 1e-6.
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 2e-6, atol=1e-9)


def test_inside_jit_nothing_observed_is_nan():
    predicted, target = jnp.zeros((2, 3)), jnp.array([jnp.nan, jnp.nan])
    for metric in (quantile_loss, weighted_quantile_loss, crps_quantiles, quantile_coverage):
        assert jnp.isnan(jax.jit(metric, static_argnums=1)(predicted, LEVELS, target)).all()
    zeros = jax.jit(weighted_quantile_loss, static_argnums=1)(1 + predicted, LEVELS, jnp.zeros(2))
    assert jnp.isnan(zeros)


def test_single_precision_stays_single():
    predicted, target = jnp.zeros((4, 3), jnp.float32), jnp.ones(4, jnp.float32)
    for metric in (quantile_loss, weighted_quantile_loss, crps_quantiles, quantile_coverage):
        assert metric(predicted, LEVELS, target).dtype == jnp.float32
    assert sharpness(predicted, LEVELS).dtype == jnp.float32


def test_coverage_of_the_true_quantiles_is_their_level(normal):
    target, percentiles = normal
    # 20 000 equal shares: one of them on either side.
    np.testing.assert_allclose(
        quantile_coverage(percentiles, PERCENT, target), PERCENT, atol=1.1 / 20_000
    )
    low = quantile_coverage(percentiles - 10, PERCENT, target)
    np.testing.assert_array_equal(low, 0.0)


def test_coverage_counts_ties_and_leaves_out_what_is_missing():
    predicted = jnp.broadcast_to(jnp.array([1.0, 2.0, 3.0]), (4, 3))
    target = jnp.array([1.0, 2.0, 3.5, jnp.nan])
    np.testing.assert_allclose(
        quantile_coverage(predicted, LEVELS, target), [1 / 3, 2 / 3, 2 / 3], rtol=1e-6
    )
    unknown = quantile_coverage(predicted.at[0, 1].set(jnp.nan), LEVELS, target)
    np.testing.assert_array_equal(jnp.isnan(unknown), [False, True, False])


def test_sharpness_is_the_width_of_central_intervals():
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    predicted = jnp.array([[0.0, 2.0, 3.0, 5.0, 10.0], [1.0, 2.0, 2.0, 3.0, 13.0]])
    np.testing.assert_allclose(sharpness(predicted, levels), [11.0, 2.0])
    one = sharpness(predicted, jnp.asarray(levels), jnp.array([True, False]))
    np.testing.assert_allclose(one, [10.0, 3.0])
    np.testing.assert_allclose(sharpness(predicted[:, ::4], (0.05, 0.95)), [11.0])
    np.testing.assert_allclose(sharpness(predicted[:, ::-1], levels), [-11.0, -2.0])


def test_bad_input_is_refused():
    predicted, target = jnp.zeros((2, 4, 3)), jnp.ones((2, 4))
    for metric in (quantile_loss, weighted_quantile_loss, crps_quantiles, quantile_coverage):
        name = metric.__name__

        def refused(match, *arguments, metric=metric, name=name):
            with pytest.raises(ValueError, match=f"^{name} expected {match}"):
                metric(*arguments)

        for levels in ((0.1, 0.9, 0.5), (0.1, 0.5, 0.5), (0.0, 0.5, 0.9), (10.0, 50.0, 90.0)):
            refused(r"levels that increase inside \(0, 1\)", predicted, levels, target)
        refused("levels that increase", predicted, (0.1, float("nan"), 0.9), target)
        refused(r"a level for each of 3 quantiles, got shape \(2,\)", predicted, (0.1, 0.9), target)
        refused(r"quantiles of shape \(2, 3, 'quantile'\)", predicted, LEVELS, target[:, 1:])
        mask = jnp.ones((2, 4))
        with pytest.raises(ValueError, match=r"booleans of shape \(2, 4\)|jaxtyping|observed"):
            metric(predicted, LEVELS, target, mask[0] > 0)
        refused("at least one observed target, got none of 8", predicted, LEVELS, target, mask < 0)
        refused("at least one observed target", predicted, LEVELS, jnp.nan * target)
    with pytest.raises(ValueError, match="a target that is not zero everywhere"):
        weighted_quantile_loss(predicted, LEVELS, 0 * target)
    with pytest.raises(ValueError, match=r"levels in pairs q and 1 − q, got \[0.1, 0.5, 0.8\]"):
        sharpness(predicted, (0.1, 0.5, 0.8))
    with pytest.raises(ValueError, match="levels in pairs"):
        sharpness(predicted[..., :1], (0.5,))
    with pytest.raises(ValueError, match="known when it is traced"):
        jax.jit(quantile_loss)(predicted, jnp.array(LEVELS), target)


def test_a_mask_of_numbers_is_refused_for_users_too(unchecked):
    with pytest.raises(ValueError, match="booleans of shape"):
        quantile_loss(jnp.zeros((4, 3)), LEVELS, jnp.ones(4), jnp.ones(4))
