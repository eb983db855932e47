import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.incompressible import NavierStokes, solve, taylor_green, taylor_green_pressure

pytestmark = pytest.mark.usefixtures("x64")
SIDE = 2.0 * np.pi
NU = 0.1


def box(cells):
    return NavierStokes(grid=Grid.uniform((0.0, 0.0), (SIDE, SIDE), (cells, cells)), viscosity=NU)


def exact(flow, t):
    return flow.grid.sample(lambda x: taylor_green(t, x, NU))


def test_it_satisfies_the_equations():
    def u(t, x):
        return jnp.stack(taylor_green(t, (x[0], x[1]), NU))

    def p(x):
        return taylor_green_pressure(0.3, (x[0], x[1]), NU)

    t, x = jnp.asarray(0.3), jnp.array([0.7, -1.9])
    slope = jax.jacfwd(u, 1)(t, x)
    laplacian = jnp.trace(jax.hessian(u, 1)(t, x), axis1=1, axis2=2)
    residual = jax.jacfwd(u)(t, x) + slope @ u(t, x) + jax.grad(p)(x) - NU * laplacian
    np.testing.assert_allclose(residual, 0.0, atol=1e-14)
    np.testing.assert_allclose(jnp.trace(slope), 0.0, atol=1e-14)


@pytest.mark.slow
def test_second_order_in_space_and_decay_of_energy():
    errors, energies = [], []
    for cells in (16, 32):
        flow = box(cells)
        # The error of time is of third order with dt ∝ h², hence far below that of space.
        last = solve(flow, exact(flow, 0.0), t1=2.0, steps=cells**2 // 8).at(-1)
        errors.append(
            max(jnp.max(jnp.abs(a - b)) for a, b in zip(last, exact(flow, 2.0), strict=True))
        )
        energies.append(flow.grid.energy(last) / flow.grid.energy(exact(flow, 0.0)))
        np.testing.assert_allclose(flow.grid.divergence(last), 0.0, atol=1e-12)
        x, y = np.meshgrid(*flow.grid.cells.centers, indexing="ij")
        pressure = taylor_green_pressure(2.0, (jnp.asarray(x), jnp.asarray(y)), NU)
        np.testing.assert_allclose(flow.pressure(2.0, last), pressure, atol=0.5 / cells)
    assert np.log2(errors[0] / errors[1]) > 1.95
    # The discrete Laplacian decays by 1 − h²/12 more slowly: 4νt h²/12 = 2.6e-3 at 32 cells.
    np.testing.assert_allclose(energies[-1], np.exp(-4.0 * NU * 2.0), rtol=3e-3)


def test_the_decay_is_that_of_the_discrete_laplacian():
    flow, cells = box(16), 16
    last = solve(flow, exact(flow, 0.0), t1=1.0, steps=400).at(-1)
    h = SIDE / cells
    rate = 2.0 * NU * (4.0 / h**2) * np.sin(0.5 * h) ** 2
    # Convection of this mode is a gradient on the grid, too; dt³ of the steps is left.
    for a, b in zip(last, exact(flow, 0.0), strict=True):
        np.testing.assert_allclose(a, b * np.exp(-rate), atol=1e-9)
