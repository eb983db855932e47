import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid, cell_averages
from solvers.laws import Diffusion

pytestmark = pytest.mark.usefixtures("x64")


def heat_residual(u, k, t, x):
    u_xx = jax.grad(jax.grad(u, 1), 1)
    return jax.jit(jax.vmap(lambda y: jax.grad(u, 0)(t, y) - k * u_xx(t, y)))(x)


def test_sine_mode_solves_the_equation():
    law = Diffusion(0.3)
    u = lambda t, x: law.sine_mode(t, x, wavenumber=2.0, phase=0.4)
    residual = heat_residual(u, 0.3, jnp.array(0.5), jnp.linspace(0.0, 6.0, 13))
    assert jnp.max(jnp.abs(residual)) < 1e-13


def test_oscillating_plate_solves_the_equation():
    law = Diffusion(0.1)
    u = lambda t, y: law.oscillating_plate(t, y, amplitude=2.0, frequency=5.0)
    residual = heat_residual(u, 0.1, jnp.array(0.7), jnp.linspace(0.0, 1.0, 11))
    assert jnp.max(jnp.abs(residual)) < 1e-10  # golden check
    np.testing.assert_allclose(u(0.7, jnp.array(0.0)), 2.0 * np.cos(3.5), rtol=1e-14)


@pytest.mark.parametrize("k", [0.01, 0.2])
def test_driven_rod_solves_the_equation_and_its_conditions(k):
    law = Diffusion(k)
    u = lambda t, x: law.driven_rod(t, x, omega=2.7, amplitude=5.0)
    t = jnp.array(0.3)
    residual = heat_residual(u, k, t, jnp.linspace(0.05, 0.95, 10))
    assert jnp.max(jnp.abs(residual)) < 1e-10
    slope = jax.jit(jax.grad(u, 1))
    np.testing.assert_allclose(slope(t, jnp.array(0.0)), 0.0, atol=1e-10)
    np.testing.assert_allclose(slope(t, jnp.array(1.0)), 5.0 * np.sin(np.pi * 0.3), atol=1e-10)


def test_driven_rod_starts_from_its_initial_condition():
    law = Diffusion(0.01)
    x = jnp.linspace(0.0, 0.9, 10)  # away from x = 1, where the data disagree at t = 0
    initial = jnp.cos(2.7 * jnp.pi * x)
    np.testing.assert_array_equal(law.driven_rod(0.0, x, omega=2.7), initial)
    # At t = 2e-3 the cosine has moved by k(ωπ)²t = 1.4e-3 of itself.
    np.testing.assert_allclose(law.driven_rod(2e-3, x, omega=2.7), initial, atol=2e-3)


def test_driven_rod_does_not_depend_on_the_number_of_terms():
    law, x = Diffusion(0.01), jnp.linspace(0.0, 1.0, 21)
    few, many = (
        jax.jit(lambda n=n: law.driven_rod(0.1, x, omega=3.3, terms=n))() for n in (100, 1600)
    )
    np.testing.assert_allclose(few, many, atol=1e-12)


@pytest.mark.parametrize("time", [0.1, 0.5, 1.0])
def test_mass_of_the_driven_rod(time):
    law, grid = Diffusion(0.01), Grid.uniform(0.0, 1.0, 40)
    averages = cell_averages(lambda x: law.driven_rod(time, x, omega=2.3), grid)
    expected = law.driven_rod_mass(time, omega=2.3)
    np.testing.assert_allclose(grid.integrate(averages), expected, atol=1e-12)
    formula = np.sin(2.3 * np.pi) / (2.3 * np.pi) + 0.05 / np.pi * (1 - np.cos(np.pi * time))
    np.testing.assert_allclose(expected, formula, rtol=1e-12)


def test_single_precision_stays_single_and_finite_for_a_small_diffusivity():
    x = jnp.linspace(0.0, 1.0, 5, dtype=jnp.float32)
    law = Diffusion(1e-4)  # cosh(q) alone would overflow
    values = jax.jit(lambda: law.driven_rod(0.5, x, omega=2.5))()
    assert values.dtype == jnp.float32
    assert jnp.all(jnp.isfinite(values))
