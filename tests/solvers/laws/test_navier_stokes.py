import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Dirichlet, FiniteVolume, Grid, Outflow, Periodic, Wall, cell_averages, solve
from solvers.laws import NavierStokes

pytestmark = pytest.mark.usefixtures("x64")


def shock(viscosity=0.05):
    return NavierStokes(viscosity, prandtl=0.75)


def test_beckers_shock_solves_the_equations():
    law, x = shock(), jnp.linspace(-0.3, 0.3, 9)
    w = law.becker_shock(x)
    slope = jax.vmap(jax.jacfwd(law.becker_shock))(x).T
    total = law.primitive_flux(w) + law.gradient_flux(w, [slope])
    # Steady: the flux is the same everywhere, that of the stream.
    stream = law.primitive_flux(jnp.array([1.0, 2.0, 1.0 / 1.4])[:, None])
    np.testing.assert_allclose(total, jnp.broadcast_to(stream, total.shape), rtol=1e-12)
    assert w[0, 0] < 1.1
    assert w[0, -1] > 2.6  # towards 8/3


@pytest.mark.slow
def test_beckers_shock_stands_at_second_order():
    law, errors = shock(), []
    exact = lambda x: law.to_conserved(law.becker_shock(x))
    ends = [law.to_conserved(law.becker_shock(jnp.array([x])))[:, 0] for x in (-1.0, 1.0)]
    for n in (64, 128):
        grid = Grid.uniform(-1.0, 1.0, n)
        field = FiniteVolume(law=law, grid=grid, boundary=(Dirichlet(ends[0]), Dirichlet(ends[1])))
        u0 = jnp.stack(
            [cell_averages(lambda x, c=c: exact(x)[c], grid, points=4) for c in range(3)]
        )
        u = solve(field, u0, t1=0.5).states[-1]
        errors.append(jnp.mean(jnp.abs(u[0] - u0[0])).item())
    assert np.log2(errors[0] / errors[1]) > 1.7


@pytest.mark.slow
def test_a_slow_shear_wave_decays_with_the_viscosity():
    """At low Mach number v = sin(kx) e^{−νk²t}, along either axis."""
    law, grid = NavierStokes(0.05), Grid.uniform((0.0, 0.0), (1.0, 1.0), (24, 8))
    field = FiniteVolume(law=law, grid=grid, boundary=Periodic())
    wave = cell_averages(lambda x, y: 1e-3 * jnp.sin(2 * jnp.pi * x) + 0.0 * y, grid)
    one = jnp.ones_like(wave)
    u = law.to_conserved(jnp.stack([one, 0.0 * one, wave, one]))
    out = solve(field, u, t1=0.3).states[-1]
    decay = jnp.vdot(out[2], u[2]) / jnp.vdot(u[2], u[2])
    np.testing.assert_allclose(decay, np.exp(-0.05 * 4 * np.pi**2 * 0.3), rtol=0.01)
    turned = FiniteVolume(
        law=law, grid=Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 24)), boundary=Periodic()
    )
    v = jnp.swapaxes(u, 1, 2)[jnp.array([0, 2, 1, 3])]
    other = jnp.swapaxes(solve(turned, v, t1=0.3).states[-1], 1, 2)[jnp.array([0, 2, 1, 3])]
    np.testing.assert_allclose(out, other, atol=1e-14)


def test_a_linear_velocity_has_the_stress_of_its_gradient():
    """Tangential gradients too: v = (a x + b y, c x + d y) at rest density and pressure."""
    law, grid = NavierStokes(0.3), Grid.uniform((0.0, 0.0), (1.0, 1.0), (6, 5))
    x, y = jnp.meshgrid(*(jnp.asarray(c) for c in grid.centers), indexing="ij")
    (a, b), (c, d) = slopes = (0.3, -0.7), (0.4, 0.2)
    w = jnp.stack([jnp.ones_like(x), a * x + b * y, c * x + d * y, 2.0 * jnp.ones_like(x)])
    field = FiniteVolume(law=law, grid=grid, boundary=Outflow())
    for axis in (0, 1):
        flux = field._gradient_flux(0.0, law.to_conserved(w), axis)[:, 2:-2, 2:-2]
        for i in (0, 1):
            stress = slopes[i][axis] + slopes[axis][i] - (2 / 3) * (a + d) * (i == axis)
            np.testing.assert_allclose(flux[1 + i], -0.3 * stress, rtol=1e-12)


@pytest.mark.slow
def test_a_sticking_wall_takes_no_mass_and_no_energy():
    law, grid = NavierStokes(0.05), Grid.uniform((0.0, 0.0), (1.0, 1.0), (12, 10))
    field = FiniteVolume(law=law, grid=grid, boundary=(Periodic(), Wall()))
    x = jnp.asarray(grid.centers[0])[:, None] * jnp.ones(10)
    one = jnp.ones_like(x)
    u0 = law.to_conserved(jnp.stack([one, 0.5 + 0.2 * jnp.sin(2 * jnp.pi * x), 0.1 * one, one]))
    u = solve(field, u0, t1=1.0).states[-1]
    drift = field.grid.integrate(u - u0)
    np.testing.assert_allclose(drift[jnp.array([0, 3])], 0.0, atol=1e-14)
    assert field.grid.integrate(u)[1] < 0.8 * field.grid.integrate(u0)[1]  # friction


def test_couette_flow_is_steady_between_plates_that_move():
    """v = y, and T = T₀ + ½ Pr (γ − 1)/γ y (1 − y): heated by its own friction."""
    law = NavierStokes(0.2, prandtl=0.8)
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 16))
    _, y = jnp.meshgrid(*(jnp.asarray(c) for c in grid.centers), indexing="ij")

    def couette(y):
        heat = 1.0 + 0.5 * 0.8 * (0.4 / 1.4) * y * (1.0 - y)
        return jnp.stack([1.0 / heat, y, jnp.zeros_like(y), jnp.ones_like(y)])

    plates = [law.to_conserved(couette(jnp.array([end])))[:, 0] for end in (0.0, 1.0)]
    sides = (Dirichlet(plates[0]), Dirichlet(plates[1]))
    field = FiniteVolume(law=law, grid=grid, boundary=(Periodic(), sides))
    u0 = law.to_conserved(couette(y))
    w = law.to_primitive(solve(field, u0, t1=1.0).states[-1])
    np.testing.assert_allclose(w[1], y, atol=2e-3)
    np.testing.assert_allclose(w[-1] / w[0], couette(y)[-1] / couette(y)[0], atol=1e-3)


def test_parameters_that_are_ill_posed_are_refused():
    with pytest.raises(ValueError, match="viscosity was expected to be finite >= 0, got -1"):
        NavierStokes(-1.0)
    with pytest.raises(ValueError, match="prandtl was expected to be finite > 0, got 0"):
        NavierStokes(0.1, prandtl=0.0)
