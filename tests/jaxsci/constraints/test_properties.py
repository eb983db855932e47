"""What every projection must be, over random rows, covariances and grids."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsci.constraints import AffineConstraint, conservation, project, stack
from solvers import Grid

CELLS = 9
seeds = st.integers(0, 2**31 - 1)
structures = st.sampled_from(["diagonal", "low rank", "dense"])
noises = st.sampled_from([None, 1e-3, 1.0])
few = settings(max_examples=20, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def drawn(seed, structure, noise):
    """A field, its covariance and a constraint: the volumes of a random grid, and a random row."""
    rng = np.random.default_rng(seed)
    grid = Grid(np.cumsum(rng.uniform(0.1, 1.0, CELLS + 1)))
    constraint = stack(
        conservation(grid, rng.normal(), noise=noise),
        AffineConstraint(rng.normal(size=(1, CELLS)), rng.normal(size=1), noise),
    )
    mean, scale = rng.normal(size=CELLS), rng.uniform(0.1, 2.0, CELLS)
    factor = rng.normal(size=(CELLS, 2 if structure == "low rank" else CELLS))
    if structure == "diagonal":
        return mean, np.diag(scale**2), dist.Normal(mean, scale), constraint
    sigma = factor @ factor.T + np.diag(scale**2)
    if structure == "low rank":
        return mean, sigma, dist.LowRankMultivariateNormal(mean, factor, scale**2), constraint
    return mean, sigma, dist.MultivariateNormal(mean, sigma), constraint


@few
@given(seeds, structures, noises)
def test_it_is_optimal(seed, structure, noise):
    """The gradient of |u − μ|²_{Σ⁻¹} (+ |A u − b|²_{R⁻¹}) vanishes (on the plane A u = b)."""
    mean, sigma, prior, constraint = drawn(seed, structure, noise)
    out = project(prior, constraint)
    rows, residual = np.asarray(constraint.rows), np.asarray(constraint.residual(out.mean))
    pull = np.linalg.solve(sigma, out.mean - mean)
    # Condition numbers of Σ and S up to 1e4, and float64.
    if noise is None:
        assert np.abs(residual).max() < 1e-11
        left = pull - rows.T @ np.linalg.lstsq(rows.T, pull, rcond=None)[0]
    else:
        left = pull + rows.T @ (residual / noise)
    assert np.abs(left).max() < 1e-8 * max(1.0, np.abs(pull).max())


@few
@given(seeds, structures, noises)
def test_uncertainty_never_grows(seed, structure, noise):
    _, sigma, prior, constraint = drawn(seed, structure, noise)
    out = project(prior, constraint)
    after = np.asarray(out.covariance_matrix)
    slack = 1e-9 * np.linalg.norm(sigma)
    assert np.linalg.eigvalsh(sigma - after).min() > -slack
    assert np.linalg.eigvalsh(after).min() > -slack
    np.testing.assert_allclose(out.variance, np.diag(after), atol=slack)


@few
@given(seeds, structures)
def test_once_is_enough(seed, structure):
    _, sigma, prior, constraint = drawn(seed, structure, None)
    once = project(prior, constraint).mean
    twice = project(dist.MultivariateNormal(once, sigma), constraint).mean
    np.testing.assert_allclose(twice, once, atol=1e-10)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(seeds, structures, noises)
def test_gradients_are_those_of_differences(seed, structure, noise):
    """Through the mean, the spread, the values and the rows at once."""
    mean, _, prior, constraint = drawn(seed, structure, noise)
    rng = np.random.default_rng(seed + 1)
    parameters, tree = jax.tree.flatten((prior, constraint))
    ways = [rng.normal(size=jnp.shape(p)) * 0.1 for p in parameters]

    def loss(step):
        moved = [p + step * w for p, w in zip(parameters, ways, strict=True)]
        field, rule = jax.tree.unflatten(tree, moved)
        out = project(field, rule)
        return jnp.sum(out.mean**3) + jnp.sum(jnp.sqrt(out.variance + 1.0))

    size, at = 1e-5, jnp.zeros(())
    exact = jax.grad(jax.jit(loss))(at)
    difference = (jax.jit(loss)(at + size) - jax.jit(loss)(at - size)) / (2 * size)
    # Truncation size² times third derivatives, round-off 1e-16 / size; both below 1e-6 of the loss.
    np.testing.assert_allclose(exact, difference, rtol=1e-5, atol=1e-5 * (1 + abs(float(loss(at)))))
    assert np.isfinite(mean).all()
