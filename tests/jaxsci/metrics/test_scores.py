"""Proper scores against scipy, numerical integration and sampling; coverage of intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from jaxsci.constraints import conservation, project
from jaxsci.metrics import (
    crps_gaussian,
    crps_samples,
    gaussian_log_likelihood,
    interval_coverage,
    relative_l2,
)
from solvers import Grid

ROUND_OFF = 1e-13  # a handful of double-precision operations


@pytest.fixture
def prediction(x64):
    keys = jax.random.split(jax.random.key(0), 3)
    normal = dist.Normal(
        jax.random.normal(keys[0], (2, 4)), 0.2 + jax.random.uniform(keys[1], (2, 4))
    )
    return normal, jax.random.normal(keys[2], (2, 4))


def test_log_likelihood_is_that_of_scipy(prediction):
    normal, target = prediction
    expected = stats.norm.logpdf(target, normal.loc, normal.scale).mean()
    np.testing.assert_allclose(gaussian_log_likelihood(normal, target), expected, rtol=ROUND_OFF)


def test_log_likelihood_uses_marginals(x64):
    covariance = jnp.array([[2.0, 0.9], [0.9, 1.0]])
    joint = dist.MultivariateNormal(jnp.zeros(2), covariance)
    target = jnp.array([0.3, -0.4])
    expected = stats.norm.logpdf(target, 0, np.sqrt([2.0, 1.0])).mean()
    np.testing.assert_allclose(gaussian_log_likelihood(joint, target), expected, rtol=ROUND_OFF)
    projected = project(joint, conservation(Grid.uniform(0.0, 1.0, 2), jnp.asarray(0.1)))
    expected = stats.norm.logpdf(target, projected.mean, np.sqrt(projected.variance)).mean()
    np.testing.assert_allclose(gaussian_log_likelihood(projected, target), expected, rtol=ROUND_OFF)


def test_log_likelihood_under_a_change_of_unit(prediction):
    normal, target = prediction
    scaled = dist.Normal(3 * normal.loc + 1, 3 * normal.scale)
    difference = gaussian_log_likelihood(normal, target) - gaussian_log_likelihood(
        scaled, 3 * target + 1
    )
    np.testing.assert_allclose(difference, np.log(3), rtol=ROUND_OFF)


def test_a_point_without_variance_has_no_plausible_likelihood():
    certain = dist.Normal(jnp.zeros(2), jnp.array([1.0, 0.0]), validate_args=False)
    assert not jnp.isfinite(gaussian_log_likelihood(certain, jnp.zeros(2)))
    assert not jnp.isfinite(gaussian_log_likelihood(certain, jnp.ones(2)))


def test_gaussian_crps_is_its_integral(prediction):
    normal, target = prediction

    def score(mean, scale, y):
        below = integrate.quad(lambda x: stats.norm.cdf(x, mean, scale) ** 2, -np.inf, y)[0]
        above = integrate.quad(lambda x: stats.norm.sf(x, mean, scale) ** 2, y, np.inf)[0]
        return below + above

    expected = np.mean(
        [
            score(*map(float, point))
            for point in zip(normal.loc.ravel(), normal.scale.ravel(), target.ravel(), strict=True)
        ]
    )
    # quad's default absolute tolerance is 1.5e-8.
    np.testing.assert_allclose(crps_gaussian(normal, target), expected, atol=1e-7)


def test_gaussian_crps_under_a_change_of_unit_and_at_the_ends(prediction):
    normal, target = prediction
    scaled = dist.Normal(1 - 3 * normal.loc, 3 * normal.scale)
    np.testing.assert_allclose(
        crps_gaussian(scaled, 1 - 3 * target), 3 * crps_gaussian(normal, target), rtol=ROUND_OFF
    )
    certain = dist.Normal(normal.loc, jnp.zeros((2, 4)), validate_args=False)
    np.testing.assert_allclose(
        crps_gaussian(certain, target), jnp.abs(target - normal.loc).mean(), rtol=ROUND_OFF
    )
    # At y = mu the score is sigma (sqrt 2 - 1)/sqrt pi.
    exact = float(normal.scale.mean()) * (np.sqrt(2) - 1) / np.sqrt(np.pi)
    np.testing.assert_allclose(crps_gaussian(normal, normal.loc), exact, rtol=ROUND_OFF)


def test_gaussian_crps_is_proper_and_differentiable(x64):
    """The expected score is least at the true spread, and its gradient there is 0."""
    draws = jnp.asarray(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000))

    @jax.jit
    def expected(scale):
        ones = jnp.ones_like(draws)
        return crps_gaussian(dist.Normal(0 * ones, scale * ones), draws)

    assert expected(1.0) < expected(0.9)
    assert expected(1.0) < expected(1.1)
    # The quantile grid cuts the tails beyond 1/40000: an error of about 1e-4 in the gradient.
    assert abs(jax.grad(expected)(1.0)) < 1e-3
    slope = jax.grad(
        lambda s: crps_gaussian(dist.Normal(jnp.zeros(1), s, validate_args=False), jnp.ones(1))
    )
    assert jnp.isfinite(slope(jnp.zeros(1))).all()


@pytest.mark.parametrize("fair", [True, False])
def test_sample_crps_is_its_double_sum(fair, x64):
    samples = jax.random.normal(jax.random.key(1), (6, 2, 3))
    target = jax.random.normal(jax.random.key(2), (2, 3))
    first = jnp.abs(samples - target).mean(axis=0)
    pairs = jnp.abs(samples[:, None] - samples[None]).sum(axis=(0, 1)) / (6 * (5 if fair else 6))
    np.testing.assert_allclose(
        crps_samples(samples, target, fair=fair), (first - 0.5 * pairs).mean(), rtol=ROUND_OFF
    )
    shuffled = samples[jnp.array([3, 1, 5, 0, 2, 4])]
    assert crps_samples(shuffled, target, fair=fair) == crps_samples(samples, target, fair=fair)


def test_plain_sample_crps_is_the_integral_of_the_empirical_distribution():
    samples, y = np.array([0.1, 0.4, 1.3, -0.7]), 0.25
    x = np.linspace(-2, 3, 500_001)
    steps = (samples[:, None] <= x).mean(axis=0) - (x >= y)
    # Six jumps, each placed to within one spacing of 1e-5.
    expected = float(np.sum(steps**2) * (x[1] - x[0]))
    got = crps_samples(jnp.asarray(samples, jnp.float32)[:, None], jnp.full(1, y), fair=False)
    np.testing.assert_allclose(got, expected, atol=6e-5)


@pytest.mark.parametrize("size", [2, 5])
def test_fair_crps_does_not_depend_on_the_ensemble_size_and_plain_does(size, x64):
    """The mean over many small ensembles is the Gaussian's own score, or off by E|X-X'|/(2M)."""
    n = 200_000
    samples = jax.random.normal(jax.random.key(size), (size, n))
    target = jnp.full(n, 0.3)
    exact = float(crps_gaussian(dist.Normal(jnp.zeros(1), jnp.ones(1)), jnp.full(1, 0.3)))
    # A single fair score has a spread below 1: four standard errors.
    noise = 4 / np.sqrt(n)
    np.testing.assert_allclose(crps_samples(samples, target), exact, atol=noise)
    bias = 1 / np.sqrt(np.pi) / size
    np.testing.assert_allclose(crps_samples(samples, target, fair=False), exact + bias, atol=noise)
    assert bias > 5 * noise


def test_sample_crps_survives_an_offset():
    samples, target = jnp.array([[0.0], [1.0], [3.0]]), jnp.array([1.5])
    plain = crps_samples(samples, target)
    # 4096 + small multiples of 1/2 are exact in float32; x^2 sums would not be.
    np.testing.assert_array_equal(crps_samples(samples + 4096, target + 4096), plain)


def test_one_plain_sample_scores_its_absolute_error():
    np.testing.assert_allclose(crps_samples(jnp.array([[2.0]]), jnp.array([0.5]), fair=False), 1.5)


def test_interval_coverage():
    lower, upper = jnp.array([0.0, 0.0, 0.0, 2.0, jnp.nan]), jnp.array([1.0, 1.0, 1.0, 1.0, 1.0])
    target = jnp.array([0.5, 1.0, 1.5, 1.5, 0.5])  # inside, on the end, outside, crossed, unknown
    np.testing.assert_allclose(interval_coverage(lower, upper, target), 0.4, rtol=1e-6)
    assert jnp.isnan(interval_coverage(lower, upper, target.at[0].set(jnp.nan)))


def test_bad_shapes_are_refused():
    normal, three = dist.Normal(jnp.zeros(3), jnp.ones(3)), jnp.zeros(3)
    for score in (gaussian_log_likelihood, crps_gaussian):
        with pytest.raises(
            ValueError, match=rf"{score.__name__} expected a target of shape \(3,\)"
        ):
            score(normal, jnp.zeros(4))
    with pytest.raises(ValueError, match="interval_coverage expected a target"):
        interval_coverage(three, three, jnp.zeros(4))
    with pytest.raises(ValueError, match="at least 2 samples with fair=True, got 1; draw more"):
        crps_samples(three[None], three)
    with pytest.raises(ValueError, match="crps_samples expected a target"):
        crps_samples(jnp.zeros((2, 3)), jnp.zeros((3, 1)))


@pytest.mark.usefixtures("unchecked")
def test_lists_are_arrays():
    assert crps_samples([[0.0, 0.0], [2.0, 2.0]], [1.0, 1.0], fair=False) == 0.5
    np.testing.assert_allclose(relative_l2([[3.0, 0.0]], [[3.0, 4.0]]), 0.8, rtol=1e-6)
    with pytest.raises(ValueError, match=r"expected a target of shape \(2,\)"):
        crps_samples([[0.0, 0.0], [2.0, 2.0]], [1.0])
