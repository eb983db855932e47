import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.laws import PorousMedium
from solvers.laws.porous_medium import barenblatt_constant, barenblatt_front, barenblatt_profile

pytestmark = pytest.mark.usefixtures("x64")


def residual(u, potential, t, x):
    """u_t − Φ(u)_xx."""
    phi_xx = jax.grad(jax.grad(lambda y: potential(u(t, y)[None])[0]))
    return jax.jit(jax.vmap(lambda y: jax.grad(u, 0)(t, y) - phi_xx(y)))(x)


@pytest.mark.parametrize("m", [1.0, 2.0, 3.0, 6.0])
def test_travelling_wave_solves_the_equation_behind_its_front(m):
    law = PorousMedium(m)
    x = jnp.linspace(0.0, 0.45, 10)
    values = residual(law.travelling_wave, law.potential, jnp.array(0.5), x)
    assert jnp.max(jnp.abs(values)) < 1e-10  # golden check


@pytest.mark.parametrize(
    ("m", "mass"), [(1.0, 0.125), (2.0, 1 / 3), (3.0, 0.429267840957), (6.0, 0.514687266504)]
)
def test_mass_of_the_travelling_wave(m, mass):
    # The golden values carry twelve decimals.
    np.testing.assert_allclose(PorousMedium(m).travelling_wave_mass(0.5), mass, atol=1e-12)


@pytest.mark.parametrize("m", [1.0, 3.0])
def test_averages_of_the_travelling_wave(m):
    law, grid = PorousMedium(m), Grid.uniform(0.0, 1.0, 20)
    averages = law.travelling_wave_averages(0.52, jnp.asarray(grid.faces[0]))
    np.testing.assert_allclose(grid.integrate(averages), law.travelling_wave_mass(0.52), rtol=1e-13)
    middle = law.travelling_wave(0.52, jnp.asarray(grid.centers[0][:8]))
    # Midpoint rule, h²u''/24 with |u''| ≤ 12 this far behind the front (s = 0.1).
    np.testing.assert_allclose(averages[:8], middle, atol=0.05**2 * 12 / 24)


def test_gradients_at_the_front_are_finite():
    def total(m, t):
        return jnp.sum(PorousMedium(m).travelling_wave(t, jnp.linspace(0.0, 1.0, 11)))

    assert all(jnp.isfinite(g) for g in jax.grad(total, (0, 1))(3.0, 0.5))


@pytest.mark.parametrize(
    ("power", "constant", "front"),
    [
        (2.0, 0.360562392577, 2.0800838231),
        (3.0, 0.183776298474, 1.4850304986),
        (4.0, 0.113201963128, 1.2285599328),
    ],
)
def test_barenblatt_constants(power, constant, front):
    # The golden values carry twelve and ten decimals.
    np.testing.assert_allclose(barenblatt_constant(power), constant, atol=1e-12)
    np.testing.assert_allclose(barenblatt_front(1.0, power=power), front, atol=1e-10)


@pytest.mark.parametrize("power", [2.0, 3.0, 4.0])
def test_barenblatt_solves_its_equation_and_keeps_its_mass(power):
    u = lambda t, x: barenblatt_profile(t, x, power=power, mass=1.5)
    x = jnp.linspace(-0.9, 0.9, 10) * barenblatt_front(1.0, power=power, mass=1.5)
    values = residual(u, lambda v: v**power, jnp.array(1.0), x)
    assert jnp.max(jnp.abs(values)) < 1e-10
    fine = jnp.linspace(-3.0, 3.0, 40001)
    for t in (1.0, 1.7):
        # The trapezoid rule at a root-like front: h^{1+1/(M−1)} ≈ 8e-6 for M = 4.
        np.testing.assert_allclose(jnp.sum(u(t, fine)) * 6 / 40000, 1.5, atol=1e-5)


def test_barenblatt_on_the_clock_of_the_law():
    law = PorousMedium(2.0)
    x = jnp.linspace(-1.0, 1.0, 11)
    values = residual(law.barenblatt, law.potential, jnp.array(2.0), x)
    assert jnp.max(jnp.abs(values)) < 1e-10
