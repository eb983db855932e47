"""Parameters found again from noisy observations, and whether the error bars mean what they say."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from solvers import FiniteVolume, Grid, Neumann, Periodic, Wall, solve
from solvers.laws import Burgers, Diffusion, ShallowWater

NOISE = 0.003
TIMES = np.array([0.05, 0.1, 0.2])


def heated_rod(parameters):
    """A rod of unknown conductivity with an unknown heat flux at its left end."""
    conductivity, flux = parameters
    grid = Grid.uniform(0.0, 1.0, 32)
    field = FiniteVolume(
        law=Diffusion(conductivity), grid=grid, boundary=(Neumann(flux), Neumann(0.0))
    )
    u0 = jnp.zeros((1, 32))
    return solve(field, u0, save_at=TIMES, t1=TIMES[-1], steps=200).states


def viscous_wave(parameters):
    """A wave that steepens against an unknown viscosity from an unknown height."""
    viscosity, height = parameters
    grid = Grid.uniform(0.0, 1.0, 48)
    x = jnp.asarray(grid.centers[0])
    field = FiniteVolume(law=Burgers(viscosity), grid=grid, boundary=Periodic())
    u0 = 1.0 + height * jnp.sin(2 * jnp.pi * x)[None]
    return solve(field, u0, save_at=TIMES, t1=TIMES[-1], steps=60).states


def wave_over_a_bump(parameters):
    """Surface waves between walls, seen above, over a bump of unknown height and place."""
    height, place = parameters
    grid = Grid.uniform(0.0, 1.0, 40)
    x = jnp.asarray(grid.centers[0])
    law = ShallowWater(9.81, bathymetry=height * jnp.exp(-(((x - place) / 0.1) ** 2)))
    field = FiniteVolume(law=law, grid=grid, boundary=Wall())
    surface = 1.0 + 0.2 * jnp.exp(-(((x - 0.2) / 0.1) ** 2))
    u0 = jnp.stack([surface - law.bathymetry, jnp.zeros_like(x)])
    states = solve(field, u0, save_at=TIMES, t1=TIMES[-1], steps=60).states
    return states[:, 0] + law.bathymetry


@pytest.mark.parametrize(
    ("observed", "truth", "start"),
    [
        (heated_rod, (0.5, 2.0), (0.9, 1.2)),
        pytest.param(viscous_wave, (0.02, 0.5), (0.03, 0.4), marks=pytest.mark.slow),
        pytest.param(wave_over_a_bump, (0.3, 0.6), (0.25, 0.58), marks=pytest.mark.slow),
    ],
)
def test_parameters_are_found_within_their_error_bars(observed, truth, start):
    draws, truth = 32, jnp.asarray(truth)
    exact = observed(truth)
    data = exact + NOISE * jr.normal(jr.key(0), (draws, *exact.shape))

    def fit(data):
        def newton(parameters, _):
            jacobian = jax.jacfwd(observed)(parameters).reshape(-1, 2)
            step = jnp.linalg.lstsq(jacobian, (data - observed(parameters)).ravel())[0]
            return parameters + step, (jnp.abs(step), jacobian.T @ jacobian / NOISE**2)

        parameters, (steps, information) = jax.lax.scan(newton, jnp.asarray(start), length=8)
        return parameters, steps[-1], information[-1]

    found, steps, information = jax.jit(jax.vmap(fit))(data)
    bars = jnp.sqrt(jnp.linalg.inv(information)[:, [0, 1], [0, 1]])
    # Kinks of limiters can keep Gauss and Newton going to and fro: by a third of a bar, for the bump.
    assert jnp.all(steps < 0.5 * bars)
    assert jnp.all(bars < 0.2 * jnp.abs(truth))  # and the bars say something
    # Twice the misfit in units of the error bars is chi-squared with two degrees of freedom a draw:
    # 64 in all, with a standard deviation of 11; four of them leave one failure in ten thousand.
    misfit = jnp.einsum("di,dij,dj", found - truth, information, found - truth)
    np.testing.assert_allclose(misfit, 2 * draws, atol=4 * 2 * np.sqrt(draws))
    assert jnp.all(jnp.abs(found - truth) < 5 * bars)
