"""Conservation, boundary and shock metrics on exact solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from jaxsci.constraints import NeumannEnds, PeriodicEnds, conservation, project
from jaxsci.metrics import boundary_error, conservation_error, shock_position, shock_samples
from solvers import Grid, trapezoid_weights
from solvers.laws import Stefan

NODES = np.linspace(0.0, 1.0, 201)


@pytest.mark.parametrize(
    ("m", "error"), [(1, 0.0), (2, -1.01860e-4), (3, -3.40404e-4), (6, -1.032459e-3)]
)
def test_trapezoid_error_of_the_exact_porous_medium_wave(m, error, x64):
    """Published error of 201 trapezoid nodes at t = 0.5: u = (m (t - x)_+)^(1/m)."""
    t = 0.5
    u = jnp.asarray((m * np.maximum(t - NODES, 0)) ** (1 / m))
    total = m ** (1 + 1 / m) * t ** (1 + 1 / m) / (m + 1)
    got = conservation_error(u, total, trapezoid_weights(NODES))
    np.testing.assert_allclose(got, error, atol=1e-8)  # the digits quoted


@pytest.mark.parametrize(("threshold", "error"), [(0.5, 1.05439e-4), (0.6, 1.449226e-3)])
def test_trapezoid_error_of_the_exact_stefan_solution_and_none_of_cell_averages(
    threshold, error, x64
):
    law, t = Stefan(threshold), 0.05
    total = law.similarity_mass(t)
    at_nodes = law.similarity(t, jnp.asarray(NODES))
    got = conservation_error(at_nodes, total, trapezoid_weights(NODES))
    np.testing.assert_allclose(got, error, atol=1e-8)  # the digits quoted
    grid = Grid.uniform(0.0, 1.0, 200)
    averages = law.similarity_averages(t, jnp.asarray(grid.faces[0]))
    # Round-off of 200 terms; the front is inside, so nothing has left the domain.
    assert abs(conservation_error(averages, total, grid)) < 1e-14


def test_conservation_error_is_signed_and_has_the_leading_shape():
    grid = Grid(np.array([0.0, 0.1, 0.4, 1.0]), np.array([0.0, 2.0, 3.0]))
    u = jnp.ones((4, 2, 3, 2)) * jnp.arange(4.0)[:, None, None, None]
    totals = jnp.full((4, 2), 3.0)
    # The volume is 3, so constant fields 0, 1, 2, 3 miss a total of 3 by -3, 0, 3, 6.
    expected = np.array([-3.0, 0.0, 3.0, 6.0])[:, None] * np.ones(2)
    np.testing.assert_allclose(conservation_error(u, totals, grid), expected, atol=1e-6)
    np.testing.assert_allclose(conservation_error(u, 3.0, grid.volumes), expected, atol=1e-6)


def test_star_imports_keep_the_constraint():
    names = {}
    exec("from jaxsci.constraints import *\nfrom jaxsci.metrics import *", names)
    assert names["conservation"] is conservation


@pytest.mark.parametrize("double", [False, True])
def test_conservation_error_after_projection(double, request):
    if double:
        request.getfixturevalue("x64")
    grid = Grid.uniform(0.0, 1.0, 1000)
    mean, scale = jax.random.uniform(jax.random.key(0), (2, 1, 1000))

    @jax.jit
    def projected(mean, scale):
        return project(dist.Normal(mean, scale), conservation(grid, 0.75)).mean

    # The required bounds; without the projection the error is about 0.25.
    assert abs(conservation_error(projected(mean, 0.1 + scale), 0.75, grid)).max() < (
        1e-12 if double else 1e-6
    )
    assert abs(conservation_error(mean, 0.75, grid)).max() > 0.1


def test_conservation_error_refuses():
    grid = Grid.uniform(0.0, 1.0, 8)
    with pytest.raises(ValueError, match=r"fields with trailing axes \(8,\), got \(8, 1\)"):
        conservation_error(jnp.zeros((8, 1)), 0.0, grid)
    with pytest.raises(ValueError, match=r"total of shape \(\) or \(2,\), got \(3,\)"):
        conservation_error(jnp.zeros((2, 8)), jnp.zeros(3), grid)


def test_boundary_error_of_each_condition(x64):
    x = jnp.linspace(0.0, 2.0, 41)
    u = jnp.stack([x**3, 1 + x])
    assert boundary_error(u, jnp.array([[0.0, 8.0], [1.0, 3.0]])) < 1e-14  # round-off of 2^3
    np.testing.assert_allclose(boundary_error(u, np.array([0.0, 8.0])), 5.0)  # |3 - 8|
    slopes = np.array([[0.0, 12.0], [1.0, 1.0]])
    # The one-sided differences of third order are exact for cubics, up to round-off over h.
    assert boundary_error(u, slopes, NeumannEnds(length=2.0)) < 1e-11
    np.testing.assert_allclose(boundary_error(u, slopes + 0.5, NeumannEnds(length=2.0)), 0.5)
    np.testing.assert_allclose(boundary_error(u, None, PeriodicEnds()), 8.0)


def test_boundary_error_works_in_single_precision_and_refuses_missing_values():
    u = jnp.ones((1, 8))
    assert boundary_error(u, np.array([1.0, 1.0])) == 0
    with pytest.raises(ValueError, match="DirichletEnds expected"):
        boundary_error(u, None)


def test_shock_position_of_the_stefan_front(x64):
    law, times = Stefan(0.6), jnp.array([0.01, 0.05])
    x = jnp.asarray(NODES)
    profiles = jax.vmap(law.similarity, (0, None))(times, x)
    found = shock_position(x, profiles)
    front = jax.vmap(law.front)(times)
    # The first node behind the front, at most one spacing of 1/200 away.
    assert ((found >= front) & (found - front <= 1 / 200)).all()
    np.testing.assert_allclose(front[1], 0.235086681143, atol=1e-12)  # the digits quoted


def test_shock_position_of_odd_profiles():
    x = jnp.array([0.0, 0.5, 1.0])
    profiles = jnp.array(
        [
            [1.0, 1.0, 1.0],  # never reaches the level
            [0.0, 1.0, 1.0],  # is there at once
            [1.0, 0.0, 1.0],  # the first time counts
            [1.0, jnp.nan, 0.0],  # unknown
        ]
    )
    np.testing.assert_array_equal(shock_position(x, profiles), [np.nan, 0.0, 0.5, np.nan])
    np.testing.assert_array_equal(shock_position(x, profiles[2] + 2, level=2.0), 0.5)


def test_sampled_positions_follow_the_marginals():
    """P(x_s = x_i) = F_i prod_{j<i} (1 - F_j) with F = Phi(-mu/sigma), for independent points.

    With sigma taken for the variance the same test fails, by far more than its tolerance.
    """
    x = jnp.arange(6.0)
    mean, scale = jnp.array([0.5, 0.4, 0.3, 0.1, -0.1, -0.5]), jnp.full(6, 0.2)
    positions = shock_samples(dist.Normal(mean, scale), x, samples=40_000, key=jax.random.key(0))

    def probabilities(sigma):
        below = stats.norm.cdf(-np.asarray(mean) / sigma)
        return below * np.cumprod(np.append(1, 1 - below[:-1]))

    shares = np.array([(positions == i).mean() for i in range(6)])
    # Four binomial standard errors, 0.5/sqrt(40000) each at most.
    tolerance = 4 * 0.5 / np.sqrt(40_000)
    np.testing.assert_allclose(shares, probabilities(0.2), atol=tolerance)
    assert np.abs(shares - probabilities(np.sqrt(0.2))).max() > 5 * tolerance


def test_shock_refuses_another_axis():
    with pytest.raises(ValueError, match=r"profiles of shape \(\.\.\., 3\), got \(3, 1\)"):
        shock_position(jnp.zeros(3), jnp.zeros((3, 1)))


def test_shock_refuses_coordinates_out_of_order():
    with pytest.raises(ValueError, match="increasing coordinates"):
        shock_position(jnp.array([0.0, 2.0, 1.0]), jnp.array([1.0, 0.5, -1.0]))
