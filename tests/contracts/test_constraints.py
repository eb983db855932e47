"""One suite for every affine constraint and every covariance that `project` knows."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import (
    AffineConstraint,
    Ensemble,
    Invariant,
    Monotone,
    Nonnegative,
    TotalVariation,
    conservation,
    dirichlet,
    divergence_free,
    neumann,
    periodic,
    project,
    robin,
    stack,
)
from jaxsci.constraints.covariance import moments
from solvers import Grid
from solvers.incompressible import StaggeredGrid

N = 12
STRUCTURES = ["diagonal", "dense", "low rank", "Kronecker", "blocks"]
NAMES = [
    "conservation",
    "conservation, stretched",
    "control volumes",
    "boundary conditions",
    "Robin",
    "periodic",
    "end values",
    "user rows",
]
# Every constraint and every covariance, not every pair of them: rows meet covariances in one product.
PAIRS = [(name, "diagonal") for name in NAMES]
PAIRS += [("boundary conditions", structure) for structure in STRUCTURES[1:]]


def constraints():
    rows = jax.random.normal(jax.random.key(5), (2, N))
    grid = Grid.uniform(0.0, 1.0, N)
    return {
        "conservation": conservation(grid, 0.7),
        "conservation, stretched": conservation(
            Grid.from_faces(np.linspace(0.0, 1.0, N + 1) ** 2), 0.7
        ),
        "control volumes": conservation(grid, jnp.array([0.1, 0.2, -0.3]), blocks=3),
        "boundary conditions": stack(
            dirichlet(grid, 1.0, side="lower"), neumann(grid, -0.5, side="upper")
        ),
        "Robin": robin(grid, 1.0, 0.1, 0.3, side="upper"),
        "periodic": periodic(grid),
        "end values": AffineConstraint(jnp.eye(N)[jnp.array([0, N - 1])], jnp.array([1.0, -1.0])),
        "user rows": AffineConstraint(rows, jnp.array([0.3, -0.4])),
    }


def priors(mean):
    root = jax.random.normal(jax.random.key(6), (N, N)) / N
    first = 0.5 * jnp.eye(3) + jnp.tril(root[:3, :3])
    second = 0.5 * jnp.eye(4) + jnp.tril(root[3:7, 3:7])
    return {
        "diagonal": dist.Normal(mean, 0.1 + jnp.linspace(0.0, 1.0, N)),
        "dense": dist.MultivariateNormal(mean, root @ root.T + 0.1 * jnp.eye(N)),
        "low rank": dist.LowRankMultivariateNormal(mean, root[:, :2], jnp.full(N, 0.1)),
        "Kronecker": dist.MatrixNormal(mean.reshape(3, 4), first, second),
        "blocks": dist.MultivariateNormal(
            mean.reshape(3, 4), scale_tril=jnp.stack([second, 2 * second, 3 * second])
        ),
    }


@pytest.fixture
def mean():
    return jax.random.normal(jax.random.key(7), (N,))


def test_the_suite_is_complete():
    assert list(constraints()) == NAMES
    assert list(priors(jnp.zeros(N))) == STRUCTURES


@pytest.mark.parametrize(("name", "structure"), PAIRS)
def test_the_constraint_holds_and_uncertainty_does_not_grow(name, structure, mean):
    constraint, prior = constraints()[name], priors(mean)[structure]
    out = jax.jit(lambda m: project(priors(m)[structure], constraint).mean)(mean)
    # Float32: values of order one, sums of a dozen terms; slopes are differences over a cell's width.
    size = jnp.maximum(jnp.abs(constraint.rows).sum(1), 1.0)
    assert jnp.all(jnp.abs(constraint.residual(out)) < 2e-6 * size)
    projected = project(prior, constraint)
    before = moments(prior, N)[1].diagonal().reshape(projected.variance.shape)
    assert jnp.all(projected.variance <= before * (1 + 1e-5))
    samples = projected.sample(jax.random.key(8), (5,))
    assert jnp.all(jnp.abs(constraint.residual(samples)) < 5e-6 * size)


@pytest.mark.parametrize(("name", "structure"), PAIRS)
def test_gradient_is_the_oblique_projection(name, structure, mean):
    """d mean / d mu = P: linear, idempotent, and A P = 0."""
    constraint = constraints()[name]
    p = jax.jacobian(lambda m: project(priors(m)[structure], constraint).mean.ravel())(mean)
    size = jnp.maximum(jnp.abs(constraint.rows).sum(1), 1.0)
    np.testing.assert_allclose(p @ p, p, atol=1e-4)
    assert jnp.all(jnp.abs(constraint.rows @ p).max(1) < 1e-5 * size)


@pytest.mark.slow  # compiles three programs a pair
@pytest.mark.parametrize(("name", "structure"), PAIRS)
def test_batches_are_loops(name, structure, mean):
    constraint = constraints()[name]
    means = jnp.stack([mean, 2.0 * mean - 1.0])
    call = lambda m: project(priors(m)[structure], constraint).mean
    looped = jnp.stack([call(m) for m in means])
    np.testing.assert_allclose(jax.vmap(call)(means), looped, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_members_of_an_ensemble_are_moved_alike(name):
    constraint = constraints()[name]
    ensemble = Ensemble(jax.random.normal(jax.random.key(9), (20, N)))
    out = jax.jit(project)(ensemble, constraint)
    size = jnp.maximum(jnp.abs(constraint.rows).sum(1), 1.0)
    assert jnp.all(jnp.abs(constraint.residual(out.members)) < 5e-6 * size)
    assert jnp.all(out.variance <= ensemble.variance * (1 + 1e-5))


def sets():
    """Sets that are not planes, each with its total, and whether a field is in it."""
    grid = Grid.uniform(0.0, 1.0, N)
    total = conservation(grid, 0.3)
    energy = lambda u: jnp.sum(u**2)
    return {
        "Nonnegative": (Nonnegative(total), lambda u: u.min() >= 0),
        "Invariant": (
            Invariant(energy, 5.0, shape=(N,), rows=total),
            lambda u: jnp.abs(energy(u) - 5.0) < 1e-5,
        ),
        "Monotone": (Monotone(total), lambda u: jnp.diff(u).min() > -1e-6),
        "TotalVariation": (
            TotalVariation(total, 1.5),
            lambda u: jnp.abs(jnp.diff(u)).sum() < 1.5 + 1e-5,
        ),
    }


@pytest.mark.parametrize("name", ["Nonnegative", "Invariant", "Monotone", "TotalVariation"])
def test_sets_are_reached_once_and_uncertainty_does_not_grow(name, mean):
    rule, member = sets()[name]
    scale = 0.2 + jnp.linspace(0.0, 1.0, N)
    call = jax.jit(lambda m: project(dist.Normal(m, scale), rule))
    out = call(mean)
    assert not member(mean)
    assert member(out.mean)
    # Float32: a mean of a dozen values of order one.
    np.testing.assert_allclose(out.mean.mean(), 0.3, atol=1e-6)
    assert jnp.all(out.variance >= 0)
    assert jnp.all(out.variance <= scale**2 * (1 + 1e-5))
    # A field of the set stays, up to round-off.
    np.testing.assert_allclose(call(out.mean).mean, out.mean, atol=2e-5)


def test_rows_of_a_velocity_leave_a_projection():
    """divergence_free has faces for cells, so it is not among the constraints above."""
    cells = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))
    rows = divergence_free(StaggeredGrid(cells, periodic=(True, False)))
    n = rows.rows.shape[1]
    p = jax.jit(jax.jacobian(lambda m: project(dist.Normal(m, 1.0), rows).mean))(jnp.zeros(n))
    np.testing.assert_allclose(p @ p, p, atol=1e-4)
    np.testing.assert_allclose(jnp.trace(p), n - rows.rows.shape[0], rtol=1e-4)
