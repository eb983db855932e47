import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    IMEX,
    Dirichlet,
    FiniteVolume,
    Grid,
    Implicit,
    Neumann,
    Outcome,
    Periodic,
    Wall,
    cell_averages,
    solve,
)
from solvers.laws import Burgers, Diffusion, ShallowWater, Stefan

pytestmark = pytest.mark.usefixtures("x64")


def test_stiff_diffusion_takes_few_steps_and_agrees_with_explicit_steps():
    grid = Grid.uniform(0.0, 1.0, 64)
    field = FiniteVolume(
        law=Diffusion(0.5), grid=grid, boundary=(Dirichlet(lambda t: jnp.sin(t)), Neumann(0.3))
    )
    u0 = jnp.asarray(np.cos(grid.centers[0]))[None]
    times = [0.0, 0.1, 0.3]
    implicit = solve(field, u0, t1=0.3, save_at=times, stepper=Implicit(rtol=1e-5, atol=1e-6))
    explicit = solve(field, u0, t1=0.3, save_at=times, cfl=0.9)
    assert implicit.status.ok
    # Tolerance 1e-5 a step, some dozens of steps, damped by the diffusion.
    np.testing.assert_allclose(implicit.states, explicit.states, atol=1e-4)
    assert implicit.status.steps * 5 < explicit.status.steps


@pytest.mark.slow  # compiles for long
def test_stefan_front():
    grid = Grid.uniform(0.0, 1.0, 100)
    law = Stefan(0.6)
    field = FiniteVolume(law=law, grid=grid, boundary=(Dirichlet(1.0), Neumann(0.0)))
    faces = jnp.asarray(grid.faces[0])
    u0 = law.similarity_averages(0.02, faces)[None]
    stepper = Implicit(rtol=1e-4, atol=1e-6)
    u = solve(field, u0, t0=0.02, t1=0.05, stepper=stepper).states[-1, 0]
    error = grid.integrate(jnp.abs(u - law.similarity_averages(0.05, faces)))
    # The front cell: at most one width times the jump.
    assert error < 0.6 / 100


@pytest.mark.slow  # compiles for long
def test_gradient_agrees_with_finite_differences():
    grid = Grid.uniform(0.0, 1.0, 16)
    u0 = jnp.asarray(np.cos(3.0 * grid.centers[0]))[None]

    @jax.jit
    def loss(k):
        field = FiniteVolume(law=Diffusion(k), grid=grid, boundary=Periodic())
        return jnp.sum(solve(field, u0, t1=0.1, stepper=Implicit(1e-9, 1e-10)).states ** 2)

    eps = 1e-4
    difference = (loss(0.5 + eps) - loss(0.5 - eps)) / (2 * eps)
    # Differences of an adaptive solve carry its tolerance over eps: 1e-9/1e-4.
    np.testing.assert_allclose(jax.grad(loss)(0.5), difference, rtol=1e-5)


@pytest.mark.slow  # compiles for long
def test_failure_is_reported():
    grid = Grid.uniform(0.0, 1.0, 16)
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=(Dirichlet(1.0), Neumann(0.0)))
    u0 = jnp.zeros((1, 16))
    status = solve(field, u0, t1=1.0, stepper=Implicit(), max_steps=2, throw=False).status
    assert status.outcome == Outcome.too_many_steps
    with pytest.raises(eqx.EquinoxRuntimeError, match="raise max_steps"):
        solve(field, u0, t1=1.0, stepper=Implicit(), max_steps=2)


def test_bad_tolerances_are_refused():
    with pytest.raises(ValueError, match=r"positive tolerances, got rtol=0\.0"):
        Implicit(rtol=0.0)


def test_diffusion_in_two_dimensions_without_a_matrix():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (24, 24))
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=(Periodic(), Neumann(0.0)))
    wave = lambda x, y: jnp.cos(2 * jnp.pi * x) * jnp.cos(jnp.pi * y)
    u0 = cell_averages(wave, grid)[None]
    solution = solve(field, u0, t1=0.05, stepper=Implicit(rtol=1e-5, atol=1e-7))
    # Of cell averages, the scheme's own decay, exact in time.
    rate = 4 * 24**2 * (np.sin(np.pi / 24) ** 2 + np.sin(np.pi / 48) ** 2)
    np.testing.assert_allclose(solution.states[-1], u0 * np.exp(-0.05 * rate), atol=1e-5)
    assert solution.status.steps < 100  # explicit steps: 0.05 · 4 · 24² = 115 at CFL 1


@pytest.mark.slow
def test_stiff_diffusion_in_a_flow_agrees_with_explicit_steps():
    grid = Grid.uniform(0.0, 1.0, 64)
    u0 = cell_averages(lambda x: jnp.sin(2 * jnp.pi * x), grid)[None]
    field = FiniteVolume(law=Burgers(0.3), grid=grid, boundary=(Dirichlet(0.0), Dirichlet(0.0)))
    mixed = solve(field, u0, t1=0.1, stepper=IMEX(rtol=1e-5, atol=1e-7))
    explicit = solve(field, u0, t1=0.1)
    np.testing.assert_allclose(mixed.states, explicit.states, atol=1e-4)
    assert mixed.status.steps * 5 < explicit.status.steps


def test_ill_posed_laws_and_negative_depths_are_reported():
    grid = Grid.uniform(0.0, 1.0, 8)

    @jax.jit
    def outcome(k):
        field = FiniteVolume(law=Diffusion(k), grid=grid, boundary=Neumann(0.0))
        u0 = jnp.asarray(grid.centers[0])[None]
        return solve(field, u0, t1=0.001, stepper=Implicit(), throw=False).status.outcome

    assert outcome(-0.1) == Outcome.ill_posed
    water = FiniteVolume(law=ShallowWater(9.81), grid=grid, boundary=Wall())
    h = jnp.where(jnp.asarray(grid.centers[0]) < 0.5, 1.0, -0.5)
    status = solve(water, jnp.stack([h, 0.0 * h]), t1=0.001, stepper=Implicit(), throw=False).status
    assert status.outcome == Outcome.not_positive
    assert status.cell == 4


def test_single_precision_states_late_in_double_precision_time():
    grid = Grid.uniform(0.0, 1.0, 16)
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=Neumann(0.0))
    u0 = jnp.asarray(np.cos(np.pi * grid.centers[0]), jnp.float32)[None]
    stepper = Implicit(rtol=1e-4, atol=1e-6)
    early = solve(field, u0, t1=0.1, stepper=stepper).states
    late = solve(field, u0, t0=1000.0, t1=1000.1, stepper=stepper).states
    assert late.dtype == jnp.float32
    np.testing.assert_allclose(late, early, atol=1e-5)
