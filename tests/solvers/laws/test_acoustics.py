import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import FiniteVolume, Grid, Roe, Wall, cell_averages, solve
from solvers.laws import Acoustics

pytestmark = pytest.mark.usefixtures("x64")


def test_dalembert_solves_the_equations():
    law = Acoustics(1.7, density=0.6)
    w = lambda t, x: law.dalembert(jnp.sin, jnp.cos, t, x)
    rate = jax.jacfwd(w, 0)(0.4, jnp.array(0.3))
    slope = jax.jacfwd(w, 1)(0.4, jnp.array(0.3))
    np.testing.assert_allclose(rate + law.flux(slope[:, None])[:, 0], 0.0, atol=1e-14)
    start = w(0.0, jnp.array(0.3))
    np.testing.assert_allclose(start, [np.sin(0.3), np.cos(0.3)], rtol=1e-14)


def test_godunov_and_roe_agree_without_an_entropy_fix():
    law = Acoustics(1.7, density=0.6)
    left, right = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 5)))
    for axis in (0, 1):
        np.testing.assert_allclose(
            Roe(entropy_fix=0.0)(law, left, right, axis),
            law.godunov_flux(left, right, axis),
            atol=1e-14,
        )


@pytest.mark.slow
def test_a_standing_wave_between_walls_in_two_dimensions():
    law, errors = Acoustics(1.3, density=2.0), []
    kappa = np.array([np.pi, 2 * np.pi])
    for n in (16, 32):
        grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (n, n))
        field = FiniteVolume(law=law, grid=grid, boundary=Wall())

        def averages(t, grid=grid):
            wave = lambda c: lambda x, y: law.standing_wave(t, x, y, wavenumbers=kappa)[c]
            return jnp.stack([cell_averages(wave(c), grid, points=3) for c in range(3)])

        u0 = averages(0.0)
        u = solve(field, u0, t1=0.5).states[-1]
        errors.append(jnp.mean(jnp.abs(u[0] - averages(0.5)[0])).item())
        energy = lambda u, grid=grid: grid.integrate(
            u[0] ** 2 / 1.3**2 / 2.0 + 2.0 * jnp.sum(u[1:] ** 2, 0)
        )
        assert energy(u) <= energy(u0)
    assert np.log2(errors[0] / errors[1]) > 1.7
