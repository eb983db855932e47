"""Structured covariances: each projects as the dense matrix does, and draws what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import (
    AffineConstraint,
    Ensemble,
    conservation,
    neumann,
    project,
    stack,
)
from solvers import Grid

T, X = 4, 6
N = T * X
ROWS = np.random.default_rng(0).normal(size=(3, N))
VALUES = np.array([1.0, -2.0, 0.5])


def triangular(rng, *shape):
    n = shape[-1]
    return np.tril(rng.normal(size=shape)) * 0.3 + np.eye(n)


def structured(batch=()):
    """Distributions over N cells and their dense covariances."""
    rng = np.random.default_rng(1)
    loc = rng.normal(size=(*batch, N))
    factor, scale = rng.normal(size=(N, 3)), rng.uniform(0.5, 1.0, size=(*batch, N))
    low_rank = dist.LowRankMultivariateNormal(loc, factor, scale**2)
    yield (
        "low rank",
        low_rank,
        scale[..., None] ** 2 * np.eye(N) + factor @ factor.T,
    )
    first, second = triangular(rng, T, T), triangular(rng, X, X)
    matrix = dist.MatrixNormal(loc.reshape(*batch, T, X), first, second)
    yield "Kronecker", matrix, np.kron(first @ first.T, second @ second.T)
    blocks = triangular(rng, T, X, X)
    dense = np.zeros((N, N))
    for i, block in enumerate(blocks):
        dense[i * X : (i + 1) * X, i * X : (i + 1) * X] = block @ block.T
    yield (
        "blocks",
        dist.MultivariateNormal(loc.reshape(*batch, T, X), scale_tril=blocks).to_event(1),
        dense,
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("noise", "batch"), [(None, ()), (0.3, (5,))])
@pytest.mark.parametrize("which", range(3))
def test_structures_project_as_dense_matrices_do(which, noise, batch):
    _, prior, sigma = list(structured(batch))[which]
    constraint = AffineConstraint(ROWS, VALUES, noise)
    out = jax.jit(lambda: project(prior, constraint))()
    loc = prior.mean.reshape(*batch, N)
    dense = project(
        dist.MultivariateNormal(loc, np.broadcast_to(sigma, (*batch, N, N))), constraint
    )
    # Condition numbers below 1e3 in float64.
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    close(out.mean.reshape(*batch, N), dense.mean)
    close(out.variance.reshape(*batch, N), dense.variance)
    # A covariance that the batch shares is kept once.
    close(np.broadcast_to(out.covariance_matrix, (*batch, N, N)), dense.covariance_matrix)
    u = out.sample(jax.random.key(1), (2,))
    assert u.shape == (2, *out.mean.shape)
    if noise is None:
        assert jnp.abs(u.reshape(-1, N) @ ROWS.T - VALUES).max() < 1e-11
    close(out.log_prob(u), dense.log_prob(u.reshape(2, *batch, N)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("which", range(3))
def test_draws_have_the_covariance(which):
    _, prior, _ = list(structured())[which]
    out = project(prior, AffineConstraint(ROWS, VALUES))
    u = out.sample(jax.random.key(1), (40_000,)).reshape(-1, N)
    sigma = out.covariance_matrix
    deviations = jnp.sqrt(jnp.diagonal(sigma))
    # Six standard errors of the largest of 24² entries.
    bound = 6 * np.sqrt(2 / 40_000) * deviations[:, None] * deviations
    assert jnp.all(jnp.abs(jnp.cov(u.T) - sigma) < bound + 1e-12)


@pytest.mark.usefixtures("x64")
def test_an_ensemble_moves_by_its_own_deviations():
    members = np.random.default_rng(2).normal(size=(7, T, X)) + 1.0
    ensemble = Ensemble(members)
    np.testing.assert_allclose(ensemble.mean, members.mean(0), atol=1e-14)
    np.testing.assert_allclose(ensemble.variance, members.var(0, ddof=1), atol=1e-14)
    constraint = AffineConstraint(ROWS, VALUES)
    out = project(ensemble, constraint)
    flat = out.members.reshape(7, N)
    assert jnp.abs(flat @ ROWS.T - VALUES).max() < 1e-11
    sigma = np.cov(members.reshape(7, N).T)
    gain = sigma @ ROWS.T @ np.linalg.inv(ROWS @ sigma @ ROWS.T)
    before = members.reshape(7, N)
    np.testing.assert_allclose(flat, before - (before @ ROWS.T - VALUES) @ gain.T, atol=1e-10)
    # The moved members have the covariance that the Gaussian would have.
    np.testing.assert_allclose(np.cov(flat.T), sigma - gain @ ROWS @ sigma, atol=1e-10)
    again = project(out, conservation(Grid.uniform((0.0, 0.0), (1.0, 1.0), (T, X)), 1.0))
    np.testing.assert_allclose(again.members.mean((1, 2)), 1.0, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_an_ensemble_with_noisy_rows_has_the_posterior_moments():
    members = 1.0 + np.random.default_rng(3).normal(size=(20_000, 4))
    rows, values = np.array([[1.0, 2.0, 0.0, 1.0]]), np.array([3.0])
    noisy = AffineConstraint(rows, values, 0.5)
    out = jax.jit(project)(Ensemble(members), noisy, key=jax.random.key(0))
    exact = project(dist.MultivariateNormal(members.mean(0), np.cov(members.T)), noisy)
    # Five standard errors of means and variances of at most 1.
    np.testing.assert_allclose(out.mean, exact.mean, atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(out.variance, exact.variance, atol=5 * np.sqrt(2 / 20_000))
    with pytest.raises(ValueError, match="expected a key for an Ensemble"):
        project(Ensemble(members), noisy)


@pytest.mark.usefixtures("x64")
def test_the_gaussian_of_an_ensemble():
    members = np.random.default_rng(4).normal(size=(5, T, X))
    gaussian = Ensemble(members).gaussian(0.2)
    expected = np.cov(members.reshape(5, N).T) + 0.04 * np.eye(N)
    np.testing.assert_allclose(gaussian.covariance_matrix, expected, atol=1e-12)


def test_low_rank_needs_linear_memory():
    n = 100_000

    @jax.jit
    def call(mean, factor, row):
        prior = dist.LowRankMultivariateNormal(mean, factor, jnp.ones(n))
        out = project(prior, AffineConstraint(row, jnp.ones(1)))
        return out.mean, out.variance, out.sample(jax.random.key(0))

    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n,), (n, 8), (1, n))]
    memory = call.lower(*shapes).compile().memory_analysis()
    # Eight directions, the gain, the variance and draws: under sixty vectors of 4 bytes.
    assert memory.temp_size_in_bytes < 60 * 4 * n


def test_what_has_no_meaning_is_refused():
    grid = Grid.uniform(0.0, 1.0, 6)
    with pytest.raises(ValueError, match=r"members >= 2, \*field\), got \(1, 6\)"):
        Ensemble(np.ones((1, 6)))
    with pytest.raises(ValueError, match="finite members, got nan"):
        Ensemble(np.full((2, 6), np.nan))
    with pytest.raises(ValueError, match="fields of n=6 cells"):
        project(Ensemble(np.ones((3, 5))), conservation(grid, 1.0))
    with pytest.raises(Exception, match="a row whose value they share"):  # no direction to move in
        project(Ensemble(np.ones((3, 6))), conservation(grid, 2.0))
    low_rank = dist.LowRankMultivariateNormal(jnp.ones((2, 3)), jnp.ones((3, 1)), jnp.ones(3))
    with pytest.raises(ValueError, match="over all n=6 cells"):
        project(low_rank, conservation(grid, 1.0))
    matrix = dist.MatrixNormal(jnp.ones((2, 6, 6)), jnp.eye(6), jnp.eye(6))
    with pytest.raises(ValueError, match="MatrixNormal over n=6 cells"):
        project(matrix, conservation(grid, 1.0))


@pytest.mark.parametrize("rows", [1, 2])
def test_an_ensemble_that_already_conserves_stays(rows):
    """Its members differ in the row by round-off only, in single precision."""
    grid = Grid.uniform(0.0, 1.0, 64)
    rule = conservation(grid, 1.0)
    if rows == 2:
        rule = stack(rule, neumann(grid, 0.0, side="upper"))
    members = jax.random.uniform(jax.random.key(0), (20, 64)) + 0.5
    once = project(Ensemble(members), rule)
    np.testing.assert_allclose(project(once, rule).members, once.members, atol=1e-5)
    with pytest.raises(Exception, match="a row whose value they share"):
        project(once, conservation(grid, 1.02))


def test_parameters_that_numpyro_broadcasts():
    rule, factor = conservation(Grid.uniform(0.0, 1.0, 6), 1.0), jnp.tril(jnp.ones((3, 3)))
    whole = dist.MultivariateNormal(jnp.zeros((2, 3)), scale_tril=jnp.stack([factor, factor]))
    expected = project(whole, rule).mean
    for loc, part in ((jnp.zeros((2, 3)), factor), (jnp.zeros(3), jnp.stack([factor, factor]))):
        out = project(dist.MultivariateNormal(loc, scale_tril=part), rule).mean
        np.testing.assert_allclose(out, expected, atol=1e-6)
    row = dist.MatrixNormal(jnp.zeros((1, 6)), jnp.eye(1), jnp.eye(6))
    assert project(row, rule).mean.shape == (1, 6)


def test_scales_of_an_ensemble_that_are_no_scales_are_refused():
    ensemble = Ensemble(jax.random.normal(jax.random.key(0), (3, 4)))
    for scale, message in (
        (-0.1, "positive scale, got -0.1"),
        (0.0, "positive scale, got 0.0"),
        (jnp.inf, "finite scale, got inf"),
        (jnp.ones(3), r"scale of shape \(\) or \(4,\), got \(3,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ensemble.gaussian(scale)
