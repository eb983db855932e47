"""One suite for every affine constraint and every covariance that `project` knows."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import AffineConstraint, conservation, project
from solvers import Grid

N = 12


def constraints():
    rows = jax.random.normal(jax.random.key(5), (2, N))
    return {
        "conservation": conservation(Grid.uniform(0.0, 1.0, N), 0.7),
        "conservation, stretched": conservation(
            Grid.from_faces(np.linspace(0.0, 1.0, N + 1) ** 2), 0.7
        ),
        "end values": AffineConstraint(jnp.eye(N)[jnp.array([0, N - 1])], jnp.array([1.0, -1.0])),
        "user rows": AffineConstraint(rows, jnp.array([0.3, -0.4])),
    }


def priors(mean):
    root = jax.random.normal(jax.random.key(6), (N, N)) / N
    return {
        "diagonal": dist.Normal(mean, 0.1 + jnp.linspace(0.0, 1.0, N)),
        "dense": dist.MultivariateNormal(mean, root @ root.T + 0.1 * jnp.eye(N)),
    }


@pytest.fixture
def mean():
    return jax.random.normal(jax.random.key(7), (N,))


@pytest.mark.parametrize("structure", ["diagonal", "dense"])
@pytest.mark.parametrize("name", constraints())
def test_the_constraint_holds_and_uncertainty_does_not_grow(name, structure, mean):
    constraint, prior = constraints()[name], priors(mean)[structure]
    out = jax.jit(lambda m: project(priors(m)[structure], constraint).mean)(mean)
    # Float32: values of order one, sums of a dozen terms.
    assert jnp.abs(constraint.residual(out)).max() < 2e-6
    projected = project(prior, constraint)
    assert jnp.all(projected.variance <= prior.variance * (1 + 1e-5))
    samples = projected.sample(jax.random.key(8), (5,))
    assert jnp.abs(constraint.residual(samples)).max() < 5e-6


@pytest.mark.parametrize("structure", ["diagonal", "dense"])
@pytest.mark.parametrize("name", constraints())
def test_gradient_is_the_oblique_projection(name, structure, mean):
    """d mean / d mu = P: linear, idempotent, and A P = 0."""
    constraint = constraints()[name]
    p = jax.jacobian(lambda m: project(priors(m)[structure], constraint).mean)(mean)
    np.testing.assert_allclose(p @ p, p, atol=1e-4)
    assert jnp.abs(constraint.rows @ p).max() < 1e-5
