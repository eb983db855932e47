"""Low-rank and mixture heads: what they read, their moments, and how they are conditioned."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from jaxsci.constraints import AffineConstraint, conservation, project
from jaxsci.probabilistic import (
    GaussianHead,
    LowRankHead,
    MixtureHead,
    mean_and_scale,
    moment_match,
    moment_match_low_rank,
)
from solvers import Grid

FLOAT32 = 1e-5  # sums of tens of numbers of order 1 in single precision


Z = stats.norm.ppf([[0.75], [0.95]])  # ends of the central bands of 50 % and 90 %


def softplus(x):
    return np.log1p(np.exp(np.asarray(x)))


def test_low_rank_head_reads_its_channels(key):
    head = LowRankHead(channels=2, rank=3, floor=0.01)
    raw = jax.random.normal(key, (head.outputs, 4, 5))
    field = jax.jit(head)(raw)
    assert (field.batch_shape, field.event_shape) == ((2,), (20,))
    directions = np.asarray(raw[4:]).reshape(2, 3, 20) / np.sqrt(3)
    dense = np.einsum("crn,crm->cnm", directions, directions)
    scale = 0.01 + softplus(raw[2:4]).reshape(2, 20)
    dense += scale[:, :, None] ** 2 * np.eye(20)
    np.testing.assert_allclose(field.covariance_matrix, dense, atol=FLOAT32)
    u = np.zeros((2, 20))
    exact = [
        stats.multivariate_normal.logpdf(u[c], np.asarray(raw[c]).ravel(), dense[c])
        for c in range(2)
    ]
    np.testing.assert_allclose(field.log_prob(jnp.asarray(u, jnp.float32)), exact, rtol=1e-4)


def test_low_rank_head_projects_each_channel_and_trains(key):
    head = LowRankHead(channels=2, rank=2)
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))
    raw = jax.random.normal(key, (head.outputs, 4, 4))
    constraint = conservation(grid, jnp.array([0.5, -1.0]))
    projected = jax.jit(lambda raw: project(head(raw), constraint))(raw)
    np.testing.assert_allclose(projected.mean.mean(-1), [0.5, -1.0], atol=FLOAT32)
    slope = jax.jit(jax.grad(lambda r: head(r).log_prob(jnp.zeros((2, 16))).sum()))(raw)
    assert jnp.isfinite(slope).all()
    assert (jnp.abs(slope).max(axis=(1, 2)) > 0).all()


@pytest.mark.parametrize("head", [GaussianHead(1, 0.1), LowRankHead(1, 2, 0.1)])
def test_bands_of_a_right_model_stay_right_after_projection(head, key, x64):
    # Truths are drawn from the prediction; each is predicted again with its own total.
    n, draws = 8, 20_000
    prediction = head(jax.random.normal(key, (head.outputs, n)))
    truths = prediction.sample(jax.random.key(1), (draws,)).reshape(draws, n)
    grid = Grid.uniform(0.0, 1.0, n)

    def covered(truth):
        moved = project(prediction, conservation(grid, truth.mean(keepdims=True)))
        both = (mean_and_scale(field) for field in (prediction, moved))
        return [jnp.abs(truth - mean) <= jnp.array(Z) * scale for mean, scale in both]

    before, after = jax.jit(jax.vmap(covered))(truths)
    # Binomial error sqrt(0.9 · 0.1 / 20000) = 0.2 % of each cell: every one within 1 %.
    for inside in (before, after):
        np.testing.assert_allclose(inside.reshape(draws, 2, n).mean(0)[1], 0.9, atol=0.01)
        np.testing.assert_allclose(inside.reshape(draws, 2, n).mean(0)[0], 0.5, atol=0.02)


def test_point_mixture_has_the_moments_of_its_components(key):
    head = MixtureHead(channels=2, components=3, floor=0.01)
    raw = jax.random.normal(key, (head.outputs, 5))
    field = jax.jit(head)(raw)
    assert (field.batch_shape, field.event_shape) == ((2, 5), ())
    mean, scale, logits = np.asarray(raw).reshape(3, 3, 2, 5)
    weights = np.exp(logits) / np.exp(logits).sum(0)
    scale = 0.01 + softplus(scale)
    first = (weights * mean).sum(0)
    second = (weights * (scale**2 + mean**2)).sum(0)
    got_mean, got_scale = jax.jit(mean_and_scale)(field)
    np.testing.assert_allclose(got_mean, first, atol=FLOAT32)
    np.testing.assert_allclose(got_scale**2, second - first**2, rtol=1e-4)
    density = (weights * stats.norm.pdf(0.3, mean, scale)).sum(0)
    np.testing.assert_allclose(field.log_prob(jnp.float32(0.3)), np.log(density), atol=1e-4)


def test_point_mixture_is_refused_and_its_moments_project(key):
    head = MixtureHead(channels=1, components=2)
    field = head(jax.random.normal(key, (head.outputs, 8)))
    constraint = conservation(Grid.uniform(0.0, 1.0, 8), 0.25)
    with pytest.raises(ValueError, match=r"dist\.Normal\(\*mean_and_scale\(mixture\)\)"):
        project(field, constraint)
    moved = jax.jit(lambda f: project(dist.Normal(*mean_and_scale(f)), constraint))(field)
    np.testing.assert_allclose(moved.mean.mean(), 0.25, atol=FLOAT32)


@pytest.mark.slow
def test_the_projected_moments_are_the_best_linear_estimate(x64):
    # Among all û = μ + g (b − A u) the gain of `project` has the least error over draws of the mixture.
    mixture = MixtureHead(channels=1, components=2)(jax.random.normal(jax.random.key(3), (6, 4)))
    draws = mixture.sample(jax.random.key(1), (400_000,))[:, 0]
    row = np.array([[1.0, 2.0, -1.0, 0.5]])
    total = draws @ row[0]
    moved = project(dist.Normal(*mean_and_scale(mixture)), AffineConstraint(row, np.zeros(1)))
    best = np.cov(draws.T, total)[:4, 4] / np.var(total)
    # Standard error of a regression coefficient of order 1 over 4e5 draws is below 2e-3: four of them.
    np.testing.assert_allclose(moved._gain[0, :, 0], best, atol=8e-3)


@pytest.mark.parametrize("noise", [None, pytest.param(0.2, marks=pytest.mark.slow)])
def test_field_mixture_is_conditioned_exactly(noise, x64):
    # Bayes by brute force: draws of the mixture whose row lies close to its value.
    head = MixtureHead(channels=1, components=2, whole_field=True, floor=0.3)
    raw = 0.7 * jax.random.normal(jax.random.key(5), (head.outputs, 2))
    mixture = head(raw)
    assert (mixture.batch_shape, mixture.event_shape) == ((), (1, 2))
    row, value = np.array([[1.0, 0.5]]), np.array([0.4])
    density = jax.jit(mixture.log_prob)

    @jax.jit
    def conditioned():
        out = project(mixture, AffineConstraint(row, value, noise))
        draws = out.sample(jax.random.key(1), (1000,))
        return out.mean[0], out.variance[0], draws, out.log_prob(draws)

    first, second, draws, log_prob = conditioned()
    # Quadrature of p(u) over the plane, or of p(u) p(b|u).
    nodes = np.linspace(-12, 12, 2401)
    if noise is None:
        u = np.stack([nodes, (value[0] - nodes) / 0.5], -1)
        weight = np.exp(density(u[:, None]))
    else:
        grid = np.linspace(-12, 12, 481)
        u = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
        weight = np.exp(density(u[:, None]))
        weight = weight * stats.norm.pdf(value[0], u @ row[0], np.sqrt(noise))
    weight = weight / weight.sum()
    mean = weight @ u
    # The trapezoid rule converges spectrally on Gaussians of scale > 0.3 with steps of 0.05 and less.
    np.testing.assert_allclose(first, mean, atol=1e-8)
    np.testing.assert_allclose(second, weight @ (u - mean) ** 2, atol=1e-8)
    assert draws.shape == (1000, 1, 2)
    if noise is None:
        np.testing.assert_allclose(draws[:, 0] @ row[0], value[0], atol=1e-12)
    # Five standard errors of a mean of scale below 1.
    np.testing.assert_allclose(draws.mean(0)[0], first, atol=5 / np.sqrt(1000))
    assert log_prob.shape == (1000,)
    assert jnp.isfinite(log_prob).all()


@pytest.mark.slow
def test_field_mixture_conditions_every_channel(key):
    head = MixtureHead(channels=2, components=3, whole_field=True)
    mixture = jax.jit(head)(jax.random.normal(key, (head.outputs, 4, 4)))
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))
    posterior = jax.jit(project)(mixture, conservation(grid, jnp.array([0.5, -1.0])))
    assert posterior.event_shape == (2, 4, 4)
    np.testing.assert_allclose(posterior.mean.mean((1, 2)), [0.5, -1.0], atol=FLOAT32)
    logits = jnp.log(posterior.mixing_distribution.probs)
    evidence = posterior.component_distribution.base_dist.log_evidence.sum(1)
    np.testing.assert_allclose(
        logits - logits[0],
        (mixture.mixing_distribution.logits + evidence)
        - (mixture.mixing_distribution.logits + evidence)[0],
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("head", "sizes"),
    [(LowRankHead, {"rank": 0}), (MixtureHead, {"components": 0}), (LowRankHead, {"rank": 2})],
)
def test_heads_refuse(head, sizes):
    if 0 in sizes.values():
        with pytest.raises(ValueError, match="whole number >= 1"):
            head(channels=1, **sizes)
        return
    with pytest.raises(ValueError, match="positive, finite floor"):
        head(channels=1, floor=0.0, **sizes)
    with pytest.raises(ValueError, match=r"output of shape \(8, \*space\)"):
        head(channels=2, **sizes)(jnp.zeros((7, 5)))


def test_moments_of_distributions_that_left_a_vmap(key):
    low_rank, points = LowRankHead(1, 2), MixtureHead(1, 2)
    fields = MixtureHead(2, 2, whole_field=True)
    for head in (low_rank, points, fields):
        raw = jax.random.normal(key, (3, head.outputs, 4))
        mean, scale = jax.jit(lambda raw, head=head: mean_and_scale(jax.vmap(head)(raw)))(raw)
        one = jax.jit(lambda raw, head=head: mean_and_scale(head(raw)))(raw[1])
        assert mean.shape == scale.shape == (3, head.channels, 4)
        np.testing.assert_allclose(mean[1], one[0], atol=FLOAT32)
        np.testing.assert_allclose(scale[1], one[1], rtol=FLOAT32)


def test_the_low_rank_match_is_the_covariance_of_the_mixture(x64):
    rng = np.random.default_rng(0)
    mean, scale = rng.normal(size=(7, 2, 3, 2)), rng.uniform(0.1, 0.5, size=(7, 2, 3, 2))
    field = jax.jit(moment_match_low_rank)(dist.Normal(mean, scale))
    flat = mean.reshape(7, 2, 6)
    for c in range(2):
        sigma = np.cov(flat[:, c].T, bias=True)
        sigma = sigma + np.diag((scale**2).mean(0)[c].ravel())
        np.testing.assert_allclose(field.covariance_matrix[c], sigma, atol=1e-14)
    np.testing.assert_allclose(field.mean, flat.mean(0), atol=1e-14)
    marginal = moment_match(dist.Normal(mean, scale))
    np.testing.assert_allclose(field.variance, marginal.variance.reshape(2, 6), atol=1e-14)
    with pytest.raises(ValueError, match=r"\(samples >= 1, channels, \*space\)"):
        moment_match_low_rank(dist.Normal(jnp.zeros((2, 3)), 1.0))
