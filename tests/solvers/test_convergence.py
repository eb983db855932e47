"""Finite-volume solutions against exact ones: errors, orders, mass on open domains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    MUSCL,
    SSPRK1,
    Dirichlet,
    FiniteVolume,
    Godunov,
    Grid,
    Neumann,
    Outflow,
    Periodic,
    PiecewiseConstant,
    Rusanov,
    cell_averages,
    mc,
    minmod,
    solve,
    van_leer,
)
from solvers.laws import Advection, Burgers, Diffusion, PorousMedium, Stefan
from solvers.laws.burgers import by_characteristics, ramp_mass, ramp_to_shock

pytestmark = pytest.mark.usefixtures("x64")


def mean_error(grid, u, exact):
    """L1 norm of the error over the length of the domain."""
    return (grid.integrate(jnp.abs(u - exact)) / np.sum(grid.volumes)).item()


@pytest.mark.parametrize(
    ("scheme", "low", "high", "finest"),
    [
        (PiecewiseConstant(), 0.8, 1.1, 0.2),
        # The references 1.57e-3, 5.35e-4 and 4.10e-4 at 256 cells, with a fifth to spare.
        (MUSCL(minmod), 1.8, 2.2, 1.2 * 1.57e-3),
        (MUSCL(van_leer), 1.8, 2.2, 1.2 * 5.35e-4),
        (MUSCL(mc), 1.8, 2.2, 1.2 * 4.10e-4),
    ],
)
def test_advection_of_a_sine(scheme, low, high, finest):
    errors = []
    for n in (128, 256):
        grid = Grid.uniform(0.0, 1.0, n)
        field = FiniteVolume(
            law=Advection(1.0), grid=grid, boundary=Periodic(), reconstruction=scheme
        )
        u0 = cell_averages(lambda x: jnp.sin(2 * jnp.pi * x), grid)[None]
        u = solve(field, u0, t1=1.0, steps=round(n / 0.4)).states[-1]  # one period
        errors.append(mean_error(grid, u[0], u0[0]))
    assert low < np.log2(errors[0] / errors[1]) < high
    assert errors[1] < finest


@pytest.mark.parametrize("riemann", [Rusanov(), pytest.param(Godunov(), marks=pytest.mark.slow)])
def test_smooth_burgers(riemann):
    errors, initial = [], lambda x: 1.0 + 0.5 * jnp.sin(x)
    for n in (64, 128):
        grid = Grid.uniform(0.0, 2 * np.pi, n)
        field = FiniteVolume(law=Burgers(), grid=grid, boundary=Periodic(), riemann=riemann)
        u = solve(field, cell_averages(initial, grid)[None], t1=1.0).states[-1]
        exact = cell_averages(lambda x: by_characteristics(initial, 1.0, x), grid, points=3)
        errors.append(mean_error(grid, u[0], exact))
    assert np.log2(errors[0] / errors[1]) > 1.8
    assert errors[1] < 3e-4  # the reference falls as 3.68e-3 (32/n)²


@pytest.mark.parametrize("stretch", [pytest.param(1.0, marks=pytest.mark.slow), 1.4])
def test_viscous_travelling_wave_between_dirichlet_ends(stretch):
    law, errors = Burgers(viscosity=0.05), []
    wave = lambda t, x: law.travelling_wave(t, x, left=1.0, right=0.0, center=0.4)
    ends = tuple(Dirichlet(lambda t, x=x: wave(t, jnp.array(x))) for x in (0.0, 1.0))
    for n in (40, 80):
        grid = Grid.from_faces(np.linspace(0.0, 1.0, n + 1) ** stretch)
        field = FiniteVolume(law=law, grid=grid, boundary=ends)
        u0 = cell_averages(lambda x: wave(0.0, x), grid)[None]
        u = solve(field, u0, t1=0.3).states[-1]
        errors.append(mean_error(grid, u[0], cell_averages(lambda x: wave(0.3, x), grid)))
    assert np.log2(errors[0] / errors[1]) > 1.8


@pytest.mark.parametrize("stretch", [pytest.param(1.0, marks=pytest.mark.slow), 1.4])
def test_oscillating_plate(stretch):
    law, errors = Diffusion(0.1), []
    plate = lambda t, y: law.oscillating_plate(t, y, amplitude=2.0, frequency=4.0)
    slope = jax.grad(plate, 1)
    ends = (
        Dirichlet(lambda t: plate(t, jnp.array(0.0))),
        Neumann(lambda t: slope(t, jnp.array(1.0))),
    )
    for n in (20, 40):
        grid = Grid.from_faces(np.linspace(0.0, 1.0, n + 1) ** stretch)
        field = FiniteVolume(law=law, grid=grid, boundary=ends)
        u0 = cell_averages(lambda y: plate(0.0, y), grid)[None]
        u = solve(field, u0, t1=1.0).states[-1]
        errors.append(mean_error(grid, u[0], cell_averages(lambda y: plate(1.0, y), grid)))
    assert 1.8 < np.log2(errors[0] / errors[1]) < 2.3  # second order with one end of each kind


def test_decay_rate_of_a_mode_is_the_discrete_one():
    grid, k, steps = Grid.uniform(0.0, 1.0, 32), 0.3, 100
    field = FiniteVolume(law=Diffusion(k), grid=grid, boundary=Periodic())
    mode = jnp.asarray(np.sin(2 * np.pi * grid.centers[0]))[None]
    u = solve(field, mode, t1=0.1, steps=steps, stepper=SSPRK1()).states[-1]
    rate = 4 * k * np.sin(np.pi / 32) ** 2 * 32**2  # 4 k sin²(κh/2)/h²
    # The mode is an eigenvector; forward Euler multiplies it by 1 − rate·dt. Round-off only.
    np.testing.assert_allclose(u, (1 - rate * 0.1 / steps) ** steps * mode, atol=1e-12)


@pytest.mark.parametrize("reconstruction", [PiecewiseConstant(), MUSCL()])
@pytest.mark.parametrize("riemann", [Rusanov(), Godunov()])
@pytest.mark.parametrize("height", [pytest.param(3.0, marks=pytest.mark.slow), 4.0])
def test_burgers_mass_on_an_open_domain(height, riemann, reconstruction):
    grid = Grid.uniform(-1.0, 1.0, 50)
    field = FiniteVolume(
        law=Burgers(),
        grid=grid,
        boundary=(Dirichlet(height), Outflow()),
        reconstruction=reconstruction,
        riemann=riemann,
    )
    u0 = cell_averages(lambda x: ramp_to_shock(0.0, x, height), grid)[None]
    times = [0.0, 0.2, 0.5, 0.9]  # the shock forms at 1/a; for a = 4 it has left by 0.9
    solution = solve(field, u0, t1=0.9, save_at=times)
    masses = grid.integrate(solution.states)[:, 0]
    # In: f(a) exactly. Out: nothing before the shock arrives, f(a) once it has left, up to its
    # numerical tail. Round-off otherwise.
    before = 3 if height == 4.0 else 4
    expected = ramp_mass(np.array(times), height)
    np.testing.assert_allclose(masses[:before], expected[:before], rtol=1e-12)
    np.testing.assert_allclose(masses[before:], expected[before:], rtol=1e-6)
    exact = cell_averages(lambda x: ramp_to_shock(0.5, x, height), grid)
    # A shock is smeared over a few cells; its exact average is wrong by up to a cell, too.
    assert mean_error(grid, solution.states[2, 0], exact) < 4 * height * 0.04 / 2


def test_advection_mass_on_an_open_domain():
    grid = Grid.uniform(0.0, 1.0, 50)
    law = Advection(2.0)
    field = FiniteVolume(law=law, grid=grid, boundary=(Dirichlet(1.0), Outflow()))
    u0 = cell_averages(lambda x: law.step(0.0, x), grid)[None]
    solution = solve(field, u0, t1=0.5, save_at=[0.1, 0.5])
    # At 0.1 the front is at 0.7, fifteen cells from the end; at 0.5 it is twenty-five past it.
    masses = grid.integrate(solution.states)[:, 0]
    np.testing.assert_allclose(masses, law.step_mass(np.array([0.1, 0.5])), rtol=1e-4)
    inside = solve(field, u0, t1=0.02).states[-1]
    np.testing.assert_allclose(grid.integrate(inside), law.step_mass(0.02), rtol=1e-10)


def test_driven_rod_mass_and_solution():
    law, omega = Diffusion(0.01), 2.5
    flux = lambda t: 5.0 * jnp.sin(jnp.pi * t)
    errors = []
    for n in (50, 100):
        grid = Grid.uniform(0.0, 1.0, n)
        field = FiniteVolume(law=law, grid=grid, boundary=(Neumann(0.0), Neumann(flux)))
        u0 = cell_averages(lambda x: jnp.cos(omega * jnp.pi * x), grid)[None]
        u = solve(field, u0, t1=0.5, steps=400).states[-1]
        # The flux enters exactly; SSPRK3 integrates it in time with Simpson's rule, whose error
        # (π dt)⁴/2880 is below round-off.
        mass = law.driven_rod_mass(0.5, omega=omega)
        np.testing.assert_allclose(grid.integrate(u)[0], mass, rtol=1e-12)
        exact = cell_averages(lambda x: law.driven_rod(0.5, x, omega=omega), grid, points=3)
        errors.append(mean_error(grid, u[0], exact))
    assert 1.8 < np.log2(errors[0] / errors[1]) < 2.2
    assert errors[1] < 5e-4


@pytest.mark.parametrize(
    ("m", "reference"),
    [
        (1.0, 7.2e-6),
        pytest.param(2.0, 3.8e-5, marks=pytest.mark.slow),
        pytest.param(3.0, 8.9e-5, marks=pytest.mark.slow),
        (6.0, 1.8e-4),
    ],
)
def test_porous_medium_travelling_wave(m, reference):
    grid = Grid.uniform(0.0, 1.0, 200)
    law = PorousMedium(m)
    ends = (Dirichlet(lambda t: law.travelling_wave(t, jnp.array(0.0))), Dirichlet(0.0))
    field = FiniteVolume(law=law, grid=grid, boundary=ends)
    faces = jnp.asarray(grid.faces[0])
    u0 = law.travelling_wave_averages(0.1, faces)[None]
    u = solve(field, u0, t0=0.1, t1=0.5, cfl=0.9).states[-1]
    # Measured errors of the same flux elsewhere, with a fifth to spare.
    assert mean_error(grid, u[0], law.travelling_wave_averages(0.5, faces)) < 1.2 * reference
    assert u.min() >= 0.0


@pytest.mark.parametrize(("power", "order", "finest"), [(2.0, 1.5, 7.4e-5), (3.0, 1.3, 2.0e-4)])
def test_barenblatt(power, order, finest):
    law, errors = PorousMedium(power - 1.0), []
    mass = 8.0 / np.sqrt(3.0) if power == 2.0 else np.pi * np.sqrt(3.0)  # C = 1
    for n in (50, 400):
        grid = Grid.uniform(-6.0, 6.0, n)
        field = FiniteVolume(law=law, grid=grid, boundary=Dirichlet(0.0))

        def exact(t, grid=grid):
            return cell_averages(lambda x: law.barenblatt(t, x, mass=mass), grid, points=12)

        # The law's clock runs `power` times slower than that of (u^M)_xx.
        u0 = exact(power)[None]
        u = solve(field, u0, t0=power, t1=2.0 * power, cfl=0.9).states[-1]
        errors.append(mean_error(grid, u[0], exact(2.0 * power)))
        np.testing.assert_allclose(grid.integrate(u), grid.integrate(u0), rtol=1e-14)
        assert u.min() >= 0.0
    # Orders are erratic as the front crosses cells: the mean over three halvings.
    assert np.log2(errors[0] / errors[1]) / 3 > order
    assert errors[1] < 1.2 * finest  # measured for the same flux elsewhere


@pytest.mark.parametrize("threshold", [0.5, 0.6, pytest.param(0.7, marks=pytest.mark.slow)])
def test_stefan_front_position_error_and_mass(threshold):
    n = 400 if threshold == 0.5 else 200
    grid, law = Grid.uniform(0.0, 1.0, n), Stefan(threshold)
    field = FiniteVolume(law=law, grid=grid, boundary=(Dirichlet(1.0), Neumann(0.0)))
    faces = jnp.asarray(grid.faces[0])
    u0 = law.similarity_averages(0.02, faces)[None]
    u = solve(field, u0, t0=0.02, t1=0.1, cfl=0.9).states[-1, 0]
    error = mean_error(grid, u, law.similarity_averages(0.1, faces))
    # One partly filled cell dominates: the reference has 2.2e-5 at 400 cells for a threshold of ½.
    assert error < 1.2 * (2.2e-5 if n == 400 else 1e-4)
    front = grid.faces[0][int(np.sum(np.asarray(u) > threshold / 2))]
    assert abs(front - law.front(0.1)) < 1.0 / n
    np.testing.assert_allclose(grid.integrate(u), law.similarity_mass(0.1), rtol=5e-4)
