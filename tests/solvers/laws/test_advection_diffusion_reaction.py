import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Dirichlet, FiniteVolume, Grid, Periodic, cell_averages, solve
from solvers.laws import AdvectionDiffusionReaction, Fisher

pytestmark = pytest.mark.usefixtures("x64")


def fisher():
    return AdvectionDiffusionReaction(velocity=0.5, diffusivity=0.02, reaction=Fisher(3.0))


def test_the_front_solves_the_equation():
    law, t, x = fisher(), jnp.array(0.3), jnp.array(0.4)
    rate, slope = jax.grad(law.fisher_wave, (0, 1))(t, x)
    bend = jax.grad(jax.grad(law.fisher_wave, 1), 1)(t, x)
    u = law.fisher_wave(t, x)
    np.testing.assert_allclose(rate + 0.5 * slope, 0.02 * bend + 3.0 * u * (1 - u), rtol=1e-12)


def test_a_front_travels_at_second_order():
    law, errors = fisher(), []
    ends = [Dirichlet(lambda t, x=x: law.fisher_wave(t, jnp.asarray(x))) for x in (-1.0, 2.0)]
    for n in (40, 80):
        grid = Grid.uniform(-1.0, 2.0, n)
        field = FiniteVolume(law=law, grid=grid, boundary=(ends[0], ends[1]))
        exact = lambda t, grid=grid: cell_averages(lambda x: law.fisher_wave(t, x), grid)[None]
        u = solve(field, exact(0.0), t1=0.6).states[-1]
        errors.append(jnp.mean(jnp.abs(u - exact(0.6))).item())
    assert np.log2(errors[0] / errors[1]) > 1.7


def test_species_react_and_diffuse_each_at_its_rate():
    exchange = lambda u: 2.0 * jnp.stack([u[1] - u[0], u[0] - u[1]])
    law = AdvectionDiffusionReaction(
        velocity=jnp.array([0.3, -0.2]),
        diffusivity=jnp.array([0.01, 0.03]),
        reaction=exchange,
        species=2,
    )
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 12))
    field = FiniteVolume(law=law, grid=grid, boundary=Periodic())
    u0 = jnp.stack([1.0 + 0.0 * grid.volumes, 0.0 * grid.volumes])
    u = solve(field, u0, t1=0.5).states[-1]
    share = 0.5 * (1.0 + np.exp(-4.0 * 0.5))
    np.testing.assert_allclose(u[0], share, rtol=1e-5)  # the third-order stepper's
    np.testing.assert_allclose(grid.integrate(u).sum(), 1.0, rtol=1e-14)
    # Beside each other: one species spreads three times as fast.
    bump = cell_averages(lambda x, y: jnp.cos(2 * jnp.pi * x) + 0.0 * y, grid)
    still = AdvectionDiffusionReaction(diffusivity=jnp.array([0.01, 0.03]), species=2)
    field = FiniteVolume(law=still, grid=grid, boundary=Periodic())
    v = solve(field, jnp.stack([bump, bump]), t1=0.5).states[-1]
    decay = jnp.max(v, axis=(1, 2)) / jnp.max(bump)
    np.testing.assert_allclose(jnp.log(decay[1]) / jnp.log(decay[0]), 3.0, rtol=1e-6)


def test_parameters_that_do_not_fit_are_refused():
    law = AdvectionDiffusionReaction(diffusivity=jnp.ones(3))
    with pytest.raises(ValueError, match=r"diffusivity to be a scalar or of shape \(1,\), one"):
        FiniteVolume(law=law, grid=Grid.uniform(0.0, 1.0, 8), boundary=Periodic())
    with pytest.raises(ValueError, match="whole number of species >= 1, got 0"):
        AdvectionDiffusionReaction(species=0)
    with pytest.raises(TypeError, match="expected the reaction Fisher"):
        AdvectionDiffusionReaction().fisher_wave(0.0, jnp.zeros(3))
