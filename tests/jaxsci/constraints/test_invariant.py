"""Energy and its like: the nearest field, its derivatives, and refusals where there is none."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import minimize

from jaxsci.constraints import Ensemble, Invariant, conservation, project
from solvers import Grid

N = 9
GRID = Grid.uniform(0.0, 1.0, N)
pytestmark = pytest.mark.usefixtures("x64")


def energy(u):
    return jnp.sum(u**2)


def drawn(seed):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=N)), jnp.asarray(rng.uniform(0.3, 2.0, N))


def balanced(value, total):
    return Invariant(energy, value, shape=(N,), rows=conservation(GRID, total))


@jax.jit
def with_balance(mean, scale, value, total):
    return project(dist.Normal(mean, scale), balanced(value, total))


@jax.jit
def on_the_ball(mean, value):
    return project(dist.Normal(mean, 0.5), Invariant(energy, value, shape=(N,)))


@pytest.mark.parametrize("value", [0.01, 1.0, 400.0])
def test_on_the_ball_it_rescales(value):
    mean, _ = drawn(0)
    out = on_the_ball(mean, value)
    np.testing.assert_allclose(
        out.mean, mean * np.sqrt(value) / jnp.linalg.norm(mean), rtol=1e-12, atol=1e-14
    )
    # Of the identity the projection along u is taken away.
    expected = 0.25 * (1 - out.mean**2 / value)
    np.testing.assert_allclose(out.variance, expected, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("value", "total"), [(2.0, 0.1), (15.0, -0.5)])
def test_mass_and_energy_together_are_nearest(seed, value, total):
    mean, scale = drawn(seed)
    out = with_balance(mean, scale, value, total).mean
    np.testing.assert_allclose(out @ out, value, rtol=1e-13)
    np.testing.assert_allclose(out.mean(), total, atol=1e-14)
    # The conditions of Lagrange: the whitened pull is a combination of the two gradients.
    pull = (mean - out) / scale**2
    normals = np.stack([np.ones(N), out], axis=1)
    rest = pull - normals @ np.linalg.lstsq(normals, pull, rcond=None)[0]
    np.testing.assert_allclose(rest, 0.0, atol=1e-10)
    other = minimize(
        lambda u: np.sum(((u - mean) / scale) ** 2),
        np.asarray(mean),
        constraints=[
            {"type": "eq", "fun": lambda u: u @ u - value},
            {"type": "eq", "fun": lambda u: u.mean() - total},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert np.sum(((out - mean) / scale) ** 2) <= other.fun * (1 + 1e-8)


def along(step):
    """A number of the projected field on a line through means, scales and values."""
    mean, scale = drawn(5)
    ways = [np.random.default_rng(1).normal(size=N), 0.1 * scale, 1.0, 0.2]
    at = (mean, scale, 6.0, 0.2)
    moved = with_balance(*(x + step * w for x, w in zip(at, ways, strict=True)))
    return jnp.sum(jnp.sin(moved.mean))


slope = jax.jit(jax.grad(along))


def test_derivatives_through_mean_scale_value_and_total():
    difference = (along(1e-5) - along(-1e-5)) / 2e-5
    # Round-off of 1e-12 and a remainder of 1e-10, over the step.
    np.testing.assert_allclose(slope(0.0), difference, rtol=1e-6)


@pytest.mark.slow
def test_forward_and_second_derivatives():
    np.testing.assert_allclose(jax.jvp(along, (0.0,), (1.0,))[1], slope(0.0), rtol=1e-10)
    second = (slope(1e-5) - slope(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(jax.grad(along)))(0.0), second, rtol=1e-5)


class Weighted(eqx.Module):
    """A quadratic and a cubic number with a parameter."""

    weight: jax.Array

    def __call__(self, u):
        return jnp.stack([jnp.sum(self.weight * u**2), jnp.sum(u**3) + jnp.sum(u)])


@pytest.mark.slow
def test_parameters_of_the_function_and_channels():
    mean = jnp.stack([drawn(1)[0], drawn(2)[0]])
    weight = jnp.linspace(0.5, 1.5, N)

    def moved(weight):
        rule = Invariant(Weighted(weight), jnp.array([9.0, 1.0]), shape=(2, N))
        return project(dist.Normal(mean, 0.4), rule).mean

    out = jax.jit(moved)(weight)
    assert out.shape == (2, N)
    np.testing.assert_allclose(Weighted(weight)(out), [9.0, 1.0], rtol=1e-12)
    # A tangent vector of the surface at the new weights: d(w u²)/dw = 0 through both.
    _, change = jax.jvp(jax.jit(moved), (weight,), (weight,))
    np.testing.assert_allclose(
        2 * jnp.sum(weight * out * change) + jnp.sum(weight * out**2), 0.0, atol=1e-10
    )


@pytest.mark.slow
def test_batches_and_values_of_each():
    means = jnp.stack([drawn(s)[0] for s in range(3)])
    values = jnp.array([1.0, 5.0, 20.0])
    together = with_balance(means, jnp.ones(N), values, jnp.zeros(3)).mean
    for mean, value, out in zip(means, values, together, strict=True):
        single = with_balance(mean, jnp.ones(N), value, 0.0).mean
        np.testing.assert_allclose(out, single, atol=1e-11)


@pytest.mark.slow  # compiles two more programs
def test_draws_and_members_have_the_energy():
    mean, scale = drawn(3)
    rule = balanced(7.0, 0.1)
    draws = jax.jit(lambda k: project(dist.Normal(mean, 0.2 * scale), rule).sample(k, (5,)))(
        jax.random.key(0)
    )
    np.testing.assert_allclose((draws**2).sum(-1), 7.0, rtol=1e-12)
    members = jax.jit(lambda m: project(Ensemble(m), rule).members)(
        mean + 0.3 * jax.random.normal(jax.random.key(1), (6, N))
    )
    np.testing.assert_allclose((members**2).sum(-1), 7.0, rtol=1e-12)
    np.testing.assert_allclose(members.mean(-1), 0.1, atol=1e-13)


def test_single_precision_and_cells_that_are_certain():
    mean, scale = (x.astype(jnp.float32) for x in drawn(4))
    out = with_balance(mean, scale.at[2].set(0.0), jnp.float32(12.0), jnp.float32(0.1))
    assert out.mean.dtype == jnp.float32
    np.testing.assert_allclose(jnp.sum(out.mean**2), 12.0, rtol=3e-6)
    assert out.mean[2] == mean[2]
    assert out.variance[2] == 0


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused():
    mean, scale = drawn(0)
    # |mean of u|² <= |u|²/n: no field of that total has so little energy.
    with pytest.raises(Exception, match="find the nearest field of"):
        with_balance(mean, scale, 0.1, 1.0)
    # At the centre of the ball all its points are equally near.
    with pytest.raises(Exception, match="find the nearest field of"):
        on_the_ball(jnp.zeros(N), 1.0)
    with pytest.raises(TypeError, match="a function and rows as an AffineConstraint, got float"):
        Invariant(3.0, 1.0, shape=(N,))
    with pytest.raises(ValueError, match="over the 8 cells"):
        Invariant(energy, 1.0, shape=(8,), rows=conservation(GRID, 1.0))
    with pytest.raises(ValueError, match=r"got \(2,\) and values \(3,\)"):
        Invariant(Weighted(jnp.ones(N)), jnp.ones(3), shape=(N,))
    with pytest.raises(TypeError, match="Normal or an Ensemble for Invariant"):
        project(dist.MultivariateNormal(mean, jnp.eye(N)), balanced(1.0, 0.0))


@pytest.mark.parametrize(
    ("mean", "scale", "power", "value"),
    [
        (
            [1.0, 0.0],
            [0.1, 1.0],
            2,
            4.0,
        ),  # [2, 0] is farther than [1, √3], which has the same energy
        ([1.0, 1.0, 1.0, 1.0], [1.0] * 4, 4, 64.0),  # [2, 2, 2, 2] is a farthest point
    ],
)
def test_a_point_that_its_neighbours_are_nearer_than_is_refused(mean, scale, power, value):
    rule = Invariant(lambda u: jnp.sum(u**power), value, shape=(len(mean),))
    with pytest.raises(eqx.EquinoxRuntimeError, match="fields beside it are nearer"):
        project(dist.Normal(jnp.array(mean), jnp.array(scale)), rule)


def test_a_shape_that_is_none_is_refused(unchecked):
    with pytest.raises(ValueError, match="tuple of positive integers"):
        Invariant(jnp.sum, 1.0, shape=64)
