"""Nowhere negative, with the right total: optimal, exact, differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import minimize

from jaxsci.constraints import AffineConstraint, Ensemble, Nonnegative, conservation, project
from solvers import Grid

GRID = Grid(np.array([0.0, 0.1, 0.25, 0.3, 0.6, 0.65, 0.8, 1.0]))
N = 7
pytestmark = pytest.mark.usefixtures("x64")


def drawn(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=N), rng.uniform(0.2, 2.0, N)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("total", [0.0, 0.05, 1.0])
def test_it_is_the_nearest_field(seed, total):
    mean, scale = drawn(seed)
    weights = np.asarray(GRID.volumes).ravel()
    out = project(dist.Normal(mean, scale), Nonnegative(conservation(GRID, total))).mean
    assert jnp.all(out >= 0)
    np.testing.assert_allclose(out @ weights, total, atol=1e-15)
    # The conditions of Karush, Kuhn and Tucker, with the multiplier read off a positive cell.
    pull = (mean - out) / scale**2 / weights
    positive = np.asarray(out > 0)
    if total > 0:
        multiplier = pull[positive][0]
        np.testing.assert_allclose(pull[positive], multiplier, rtol=1e-9, atol=1e-9)
        assert np.all(pull[~positive] <= multiplier)
    else:
        assert not positive.any()


def test_a_solver_for_general_problems_agrees():
    mean, scale = drawn(11)
    weights = np.asarray(GRID.volumes).ravel()
    out = project(dist.Normal(mean, scale), Nonnegative(conservation(GRID, 0.3))).mean
    other = minimize(
        lambda u: np.sum(((u - mean) / scale) ** 2),
        np.full(N, 0.3),
        bounds=[(0.0, None)] * N,
        constraints={"type": "eq", "fun": lambda u: u @ weights - 0.3},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(out, other.x, atol=1e-6)


def test_where_nothing_is_negative_it_is_the_plain_projection():
    mean, scale = np.abs(drawn(1)[0]) + 1.0, drawn(1)[1]
    constraint = conservation(GRID, 1.4)
    plain = project(dist.Normal(mean, scale), constraint)
    out = project(dist.Normal(mean, scale), Nonnegative(constraint))
    assert jnp.all(plain.mean > 0)
    np.testing.assert_allclose(out.mean, plain.mean, rtol=1e-13)
    np.testing.assert_allclose(out.variance, plain.variance, rtol=1e-12)


def test_transformations():
    """Batches in one loop, jit, and derivatives through mean, scale and total."""
    fields = [drawn(seed) for seed in range(4)]
    means, scales = (jnp.asarray(np.stack(x)) for x in zip(*fields, strict=True))
    totals = jnp.array([0.1, 0.2, 0.5, 0.0])

    def call(mean, scale, total):
        return project(dist.Normal(mean, scale), Nonnegative(conservation(GRID, total))).mean

    one = jax.jit(call)
    looped = jnp.stack([one(*x) for x in zip(means, scales, totals, strict=True)])
    np.testing.assert_allclose(jax.jit(call)(means, scales, totals), looped, atol=1e-15)
    np.testing.assert_allclose(jax.vmap(one)(means, scales, totals), looped, atol=1e-15)
    rng = np.random.default_rng(0)
    ways = [rng.normal(size=N), rng.normal(size=N), 1.0]
    at = (means[0], scales[0], totals[2])
    along = lambda step: jnp.sum(one(*(x + step * w for x, w in zip(at, ways, strict=True))) ** 2)
    difference = (along(1e-6) - along(-1e-6)) / 2e-6
    # Round-off of 1e-16 over the step.
    np.testing.assert_allclose(jax.grad(along)(0.0), difference, rtol=1e-8)


def test_draws_and_members():
    mean, scale = drawn(3)
    rule = Nonnegative(conservation(GRID, 0.2))
    out = project(dist.Normal(mean, scale), rule)
    assert jnp.all(out.variance[out.mean == 0] == 0)
    draws = out.sample(jax.random.key(0), (9,))
    np.testing.assert_allclose(draws @ np.asarray(GRID.volumes).ravel(), 0.2, atol=1e-14)
    assert jnp.all(draws[:, out.mean == 0] == 0)
    members = project(Ensemble(mean + scale * np.random.default_rng(0).normal(size=(6, N))), rule)
    assert jnp.all(members.members >= 0)
    np.testing.assert_allclose(members.members @ np.asarray(GRID.volumes).ravel(), 0.2, atol=1e-15)


def test_a_million_cells_in_single_precision():
    n = 1_000_000
    grid = Grid.uniform(0.0, 1.0, n)
    x = jnp.linspace(0.0, 6.0, n, dtype=jnp.float32)
    field = dist.Normal(jnp.sin(x), jnp.full(n, 0.1, jnp.float32))
    out = jax.jit(lambda: project(field, Nonnegative(conservation(grid, 0.4))).mean)()
    assert out.dtype == jnp.float32
    assert jnp.all(out >= 0)
    np.testing.assert_allclose(np.asarray(out, np.float64).mean(), 0.4, atol=1e-6)


def test_what_no_field_can_meet_is_refused():
    with pytest.raises(ValueError, match=r"a total of zero or more, got -0\.1"):
        Nonnegative(conservation(GRID, -0.1))
    with pytest.raises(ValueError, match="one exact row, got 1 rows and noise"):
        Nonnegative(conservation(GRID, 1.0, noise=0.1))
    with pytest.raises(ValueError, match="positive weights, got -1"):
        Nonnegative(AffineConstraint(np.array([[1.0, -1.0]]), np.zeros(1)))
    rule = Nonnegative(conservation(GRID, 1.0))
    with pytest.raises(TypeError, match="Normal or an Ensemble for Nonnegative"):
        project(dist.MultivariateNormal(jnp.zeros(N), jnp.eye(N)), rule)
    with pytest.raises(Exception, match="a cell that may move"):
        project(dist.Normal(jnp.zeros(N), 0.0, validate_args=False), rule)
    with pytest.raises(Exception, match="a total of zero or more"):
        jax.jit(
            lambda t: (
                project(dist.Normal(jnp.zeros(N), 1.0), Nonnegative(conservation(GRID, t))).mean
            )
        )(-1.0)


def test_cells_that_are_certain():
    """A density on the cells that are free, and derivatives that the others do not spoil."""
    mean, scale = drawn(3)
    field = lambda s: project(dist.Normal(mean, s), Nonnegative(conservation(GRID, 0.2)))
    out = field(scale)
    live = np.asarray(out.mean > 0)
    assert 1 < live.sum() < N
    draws = out.sample(jax.random.key(0), (3,))
    alone = project(
        dist.Normal(mean[live], scale[live]),
        AffineConstraint(np.asarray(GRID.volumes).reshape(1, -1)[:, live], np.array([0.2])),
    )
    np.testing.assert_allclose(out.log_prob(draws), alone.log_prob(draws[:, live]), rtol=1e-9)
    assert jnp.all(out.log_prob(draws + np.where(live, 0.0, 0.1)) == -jnp.inf)
    np.testing.assert_array_equal(out.marginal.scale > 0, live)
    assert jnp.all(jnp.isfinite(jax.jit(jax.grad(lambda s: field(s).marginal.scale.sum()))(scale)))


def test_members_that_agree_in_a_cell():
    members = np.abs(np.random.default_rng(1).normal(size=(3, N)))
    members[:, 2] = 0.3
    rule = Nonnegative(conservation(GRID, 0.3))
    loss = jax.jit(lambda x: jnp.sum(project(Ensemble(x), rule).members ** 2))
    np.testing.assert_allclose(project(Ensemble(members), rule).members[:, 2], 0.3)
    assert jnp.all(jnp.isfinite(jax.grad(loss)(jnp.asarray(members))))
    with pytest.raises(ValueError, match="and one total, got members"):
        project(Ensemble(members), Nonnegative(conservation(GRID, np.ones(3))))


def test_a_total_far_below_the_digits_of_the_field():
    field = dist.Normal(jnp.full(N, 300.0, jnp.float32), jnp.full(N, 0.1, jnp.float32))
    rule = Nonnegative(conservation(GRID, jnp.float32(1e-5)))
    out = project(field, rule).mean
    np.testing.assert_allclose(out @ np.asarray(GRID.volumes, np.float32).ravel(), 1e-5, rtol=1e-5)
