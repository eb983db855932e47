"""Steps that follow what a source does, of every law that has one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    SSPRK1,
    SSPRK2,
    Dirichlet,
    FiniteVolume,
    Grid,
    Implicit,
    Neumann,
    Outcome,
    Outflow,
    Periodic,
    Wall,
    solve,
)
from solvers.finite_volume.stability import source_stiffness
from solvers.laws import AdvectionDiffusionReaction, Burgers, Diffusion, Fisher, ShallowWater

GRID = Grid.uniform(0.0, 1.0, 16)


def reacting(reaction, *, species=1, boundary=None, **law):
    law = AdvectionDiffusionReaction(reaction=reaction, species=species, **law)
    return FiniteVolume(law=law, grid=GRID, boundary=Periodic() if boundary is None else boundary)


def population():
    return jnp.asarray(0.1 + 0.05 * np.sin(2 * np.pi * GRID.centers[0]), jnp.float32)[None]


@pytest.mark.parametrize("diffusivity", [0.0, 1e-3])
@pytest.mark.parametrize("stepper", [None, SSPRK2(), SSPRK1()])
def test_a_fast_population_grows_to_what_it_can_live_on(diffusivity, stepper):
    field = reacting(Fisher(20.0), diffusivity=diffusivity)
    solution = solve(field, population(), t1=10.0, stepper=stepper)
    assert solution.status.ok
    np.testing.assert_allclose(solution.states[-1], 1.0, rtol=1e-5)
    assert solution.status.cfl <= 0.4 * (1 + 1e-4)


def test_its_transient_is_that_of_the_logistic_equation():
    u0 = jnp.full((1, 16), 0.1, jnp.float32)
    u = solve(reacting(Fisher(20.0)), u0, t1=0.2, save_at=[0.1, 0.2]).states
    exact = 0.1 * np.exp(20.0 * np.array([0.1, 0.2]))
    np.testing.assert_allclose(u[:, 0, 0], exact / (0.9 + exact), rtol=5e-3)


@pytest.mark.parametrize("steps", [1, 50])
def test_too_few_steps_for_a_source_are_refused_with_the_remedy(steps):
    solution = solve(reacting(Fisher(20.0)), population(), t1=10.0, steps=steps, throw=False)
    assert solution.status.outcome == Outcome.unstable
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"Implicit\(\) where diffusion or a source"):
        solve(reacting(Fisher(20.0)), population(), t1=10.0, steps=steps)


def test_steps_without_end_are_refused_with_the_remedy_which_helps():
    field = reacting(lambda u: -1e6 * (u - 1.0), diffusivity=0.1)
    with pytest.raises(
        eqx.EquinoxRuntimeError, match=r"use Implicit\(\) where diffusion or a source"
    ):
        solve(field, population(), t1=10.0, max_steps=500)
    u = solve(field, population(), t1=10.0, stepper=Implicit()).states[-1]
    np.testing.assert_allclose(u, 1.0, rtol=1e-5)


class Decay(eqx.Module):
    """A → B → nothing, at two rates."""

    fast: float = 300.0
    slow: float = 1.0

    def __call__(self, u):
        return jnp.stack([-self.fast * u[0], self.fast * u[0] - self.slow * u[1]])


class Relaxing(Diffusion):
    """A law of a user's own: diffusion with exchange, −r (u − 1)."""

    def source(self, t, x, u):
        return -200.0 * (u - 1.0)


class Rough(ShallowWater):
    """Water slowed by the ground, −c v."""

    def source(self, t, x, u):
        return jnp.concatenate([jnp.zeros_like(u[:1]), -400.0 * u[1:]])


class Driven(Burgers):
    """Set in motion from rest by a force."""

    def source(self, t, x, u):
        return jnp.full_like(u, 50.0)


def test_systems_and_laws_of_a_users_own_with_fast_sources():
    t1 = 0.5
    two = jnp.stack([jnp.ones(16), jnp.zeros(16)])
    found = solve(reacting(Decay(), species=2), two, t1=t1).states[-1]
    exact = 300.0 / 299.0 * (np.exp(-t1) - np.exp(-300.0 * t1))
    np.testing.assert_allclose(found[1], exact, rtol=1e-3)

    field = FiniteVolume(law=Relaxing(1e-3), grid=GRID, boundary=Neumann(0.0))
    np.testing.assert_allclose(solve(field, population(), t1=t1).states[-1], 1.0, rtol=1e-5)

    field = FiniteVolume(law=Rough(), grid=GRID, boundary=Periodic())
    flow = jnp.stack([jnp.ones(16), jnp.ones(16)])
    solution = solve(field, flow, t1=t1)
    np.testing.assert_allclose(solution.states[-1][0], 1.0, rtol=1e-5)
    np.testing.assert_allclose(solution.states[-1][1], 0.0, atol=1e-6)

    field = FiniteVolume(law=Driven(), grid=GRID, boundary=Periodic())
    solution = solve(field, jnp.zeros((1, 16)), t1=t1)
    np.testing.assert_allclose(solution.states[-1], 50.0 * t1, rtol=1e-4)
    assert solution.status.cfl <= 0.4 * (1 + 1e-4)
    # One step would end at a CFL number of 50 · 0.5² · 16.
    once = solve(field, jnp.zeros((1, 16)), t1=t1, steps=1, throw=False)
    assert once.status.outcome == Outcome.unstable


@pytest.mark.parametrize(
    "value",
    [lambda t: 10.0 * t, lambda t: 10.0 * jnp.sqrt(t), lambda t: jnp.where(t > 0, 10.0, 0.0)],
    ids=["line", "root", "jump"],
)
def test_steps_are_short_however_a_boundary_value_begins_to_grow(value):
    # At t = 0 everything is at rest, and so is every wave.
    field = FiniteVolume(law=Burgers(), grid=GRID, boundary=(Dirichlet(value), Outflow()))
    status = solve(field, jnp.zeros((1, 16)), t1=0.05).status
    assert status.ok
    assert status.cfl <= 0.4 * (1 + 1e-4)


def test_the_bound_is_above_the_eigenvalues_whatever_the_units():
    rng = np.random.default_rng(0)
    for _ in range(3):
        matrix = rng.standard_normal((3, 3))
        units = np.array([1e-6, 1.0, 1e6])
        u = jnp.ones((3, 16), jnp.float32)

        def bound(matrix, u=u):
            scaled = jnp.asarray(matrix, jnp.float32)
            field = reacting(lambda u: jnp.einsum("ij,jx->ix", scaled, u), species=3)
            return source_stiffness(field, 0.0, u)

        found, scaled = bound(matrix), bound(units[:, None] * matrix / units)
        assert found.shape == (16,)
        largest = np.abs(np.linalg.eigvals(np.abs(matrix))).max()
        assert np.all(found >= largest * (1 - 1e-5))
        assert np.all(found <= 1.1 * largest)  # a root of order 32 of a norm of 3 x 3
        assert np.all(scaled <= 3.0 * largest)  # of units 10^12 apart, 10^(12/32) at most


def test_a_derivative_that_is_infinite_bounds_nothing():
    # u' = 2 √u from zero stays there, and from 1 is (1 + t)².
    field = reacting(lambda u: 2.0 * jnp.sqrt(u))
    u0 = jnp.where(jnp.arange(16) < 8, 0.0, 1.0)[None]
    solution = solve(field, u0, t1=1.0)
    assert solution.status.ok
    np.testing.assert_allclose(solution.states[-1][0, 8:], 4.0, rtol=1e-2)


def test_gradients_pass_the_choice_of_steps():
    def mean(rate):
        return jnp.mean(solve(reacting(Fisher(rate)), population(), t1=0.1).states[-1])

    slope = jax.jit(jax.grad(mean))(jnp.float32(20.0))
    # ∂u/∂r = t u (1 − u) in each cell, of the exact logistic growth.
    u0 = np.asarray(population())
    u = u0 * np.exp(2.0) / (1 - u0 + u0 * np.exp(2.0))
    np.testing.assert_allclose(slope, np.mean(0.1 * u * (1 - u)), rtol=0.02)


def test_walls_and_sources_together():
    field = FiniteVolume(law=Rough(), grid=GRID, boundary=Wall())
    flow = jnp.stack([jnp.ones(16), jnp.ones(16)])
    solution = solve(field, flow, t1=0.1)
    assert solution.status.ok
    np.testing.assert_allclose(GRID.integrate(solution.states[-1])[0], 1.0, rtol=1e-5)
