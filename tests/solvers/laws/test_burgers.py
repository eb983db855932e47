import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.laws import Burgers
from solvers.laws.burgers import by_characteristics, ramp_mass, ramp_to_shock

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize(
    ("height", "time", "mass"), [(3.0, 0.5, 3.75), (4.0, 0.9, 8.0), (1.0, 0.5, 0.75)]
)
def test_mass_of_the_ramp_saturates(height, time, mass):
    np.testing.assert_allclose(ramp_mass(time, height), mass, rtol=1e-14)
    x = jnp.asarray(Grid.uniform(-1.0, 1.0, 4000).centers[0])
    # The midpoint rule errs by at most one cell times the jump.
    quadrature = 2.0 * jnp.mean(ramp_to_shock(time, x, height))
    np.testing.assert_allclose(quadrature, mass, atol=height * 2 / 4000)


def test_ramp_solves_the_equation_before_the_shock():
    u = lambda t, x: ramp_to_shock(t, x, 2.0)
    t, x = jnp.array(0.3), jnp.array(-0.25)  # inside the ramp, which spans (−0.4, 0]
    residual = jax.grad(u, 0)(t, x) + u(t, x) * jax.grad(u, 1)(t, x)
    np.testing.assert_allclose(residual, 0.0, atol=1e-13)
    assert jnp.isfinite(jax.grad(u, 0)(jnp.array(0.5), x))  # the moment the shock forms


def test_shock_runs_at_half_the_height():
    x = jnp.array([0.49, 0.51])
    np.testing.assert_array_equal(ramp_to_shock(1.0, x, 2.0), [2.0, 0.0])  # at (2·1 − 1)/2


def test_travelling_wave_solves_the_viscous_equation():
    law = Burgers(viscosity=0.05)
    u = lambda t, x: law.travelling_wave(t, x, left=1.2, right=0.1, center=0.5)
    u_t, u_x, u_xx = jax.grad(u, 0), jax.grad(u, 1), jax.grad(jax.grad(u, 1), 1)
    residual = jax.jit(
        jax.vmap(lambda x: u_t(0.3, x) + u(0.3, x) * u_x(0.3, x) - 0.05 * u_xx(0.3, x))
    )
    # Golden check: below 1e-10 where u_t is of order one.
    assert jnp.max(jnp.abs(residual(jnp.linspace(0.0, 1.5, 31)))) < 1e-10


def test_travelling_wave_needs_a_viscosity():
    with pytest.raises(ValueError, match="expected a viscosity, got none"):
        Burgers().travelling_wave(0.0, jnp.zeros(1), left=1.0, right=0.0)


def test_characteristics_solve_the_inviscid_equation():
    x = jnp.linspace(0.0, 2 * jnp.pi, 33)
    u = lambda t, y: by_characteristics(lambda z: 1.0 + 0.5 * jnp.sin(z), t, y)
    values = u(1.0, x)
    # The implicit relation u = u₀(x − t u), to the accuracy of Newton's method.
    np.testing.assert_allclose(values, 1.0 + 0.5 * jnp.sin(x - values), atol=1e-14)
    residual = jax.jit(
        jax.vmap(lambda y: jax.grad(u, 0)(1.0, y) + u(1.0, y) * jax.grad(u, 1)(1.0, y))
    )
    assert jnp.max(jnp.abs(residual(x))) < 1e-12


def test_characteristics_differentiate_with_respect_to_the_initial_condition():
    def value(a):
        return by_characteristics(lambda z: 1.0 + a * jnp.sin(z), 1.0, jnp.array(2.0))

    eps = 1e-6
    slope = (value(0.5 + eps) - value(0.5 - eps)) / (2 * eps)
    # Central differences: truncation eps² plus round-off 1e-16/eps.
    np.testing.assert_allclose(jax.grad(value)(0.5), slope, rtol=1e-8)


def test_the_number_zero_removes_diffusion_and_an_array_does_not():
    assert not Burgers().has_diffusion
    assert not Burgers(viscosity=0).has_diffusion
    assert Burgers(viscosity=jnp.zeros(())).has_diffusion
    assert Burgers(viscosity=0.1).has_diffusion
