"""Shallow water against exact solutions: dam breaks, a lake at rest, wet and dry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    HLL,
    HLLC,
    MUSCL,
    FiniteVolume,
    Grid,
    Outflow,
    Periodic,
    PiecewiseConstant,
    Roe,
    Wall,
    cell_averages,
    exact,
    minmod,
    solve,
)
from solvers.laws import ShallowWater

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize("riemann", [HLLC(), HLL()])
@pytest.mark.parametrize("depth", [0.001, 0.0])
def test_dam_breaks(depth, riemann):
    law, errors = ShallowWater(9.81), []
    flow = exact.riemann(law, (0.005, 0.0), (depth, 0.0))
    for n in (100, 400):
        grid = Grid.uniform(0.0, 10.0, n)
        field = FiniteVolume(law=law, grid=grid, boundary=Outflow(), riemann=riemann)
        h = jnp.where(jnp.asarray(grid.centers[0]) < 5.0, 0.005, depth)
        u0 = jnp.stack([h, jnp.zeros_like(h)])
        u = solve(field, u0, t1=6.0).states[-1]
        expected = cell_averages(lambda x: flow.sample((x - 5.0) / 6.0)[0], grid)
        errors.append(jnp.mean(jnp.abs(u[0] - expected)).item())
        assert jnp.min(u[0]) >= 0.0
        np.testing.assert_allclose(grid.integrate(u - u0)[0], 0.0, atol=1e-15)
    assert errors[1] < 4e-6  # measured 3.2e-6 (wet) and 3.4e-6 (dry) of 5e-3
    assert np.log2(errors[0] / errors[1]) / 2 > 0.7


def bump(grid):
    return cell_averages(lambda x: 0.6 * jnp.exp(-((x - 0.4) ** 2) / 0.02) + 0.1 * x, grid)


@pytest.mark.parametrize(
    ("boundary", "scheme", "riemann"),
    [
        (Wall(), MUSCL(), HLLC()),
        (Outflow(), MUSCL(minmod), Roe()),
        pytest.param(Outflow(), PiecewiseConstant(), HLL(), marks=pytest.mark.slow),
    ],
)
def test_a_lake_stays_at_rest(boundary, scheme, riemann):
    grid = Grid.uniform(0.0, 1.0, 40)
    law = ShallowWater(9.81, bathymetry=bump(grid))
    field = FiniteVolume(
        law=law, grid=grid, boundary=boundary, riemann=riemann, reconstruction=scheme
    )
    levels = jnp.array([1.0, 0.35])
    u0 = jax.vmap(lambda level: law.lake_at_rest(level, grid.shape))(levels)
    assert jnp.all(jnp.any(u0[:, 0] == 0.0, axis=1) == jnp.array([False, True]))  # an island
    u = jax.vmap(lambda v: solve(field, v, t1=4.0, steps=1000).states[-1])(u0)
    # Round-off of g h²/2 ~ 5, a thousand times.
    assert jnp.max(jnp.abs(jax.vmap(law.to_primitive)(u)[:, 1])) < 1e-13
    np.testing.assert_allclose(u[:, 0], u0[:, 0], atol=1e-13)


def test_a_lake_with_islands_stays_at_rest_in_two_dimensions():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 12))
    hills = lambda x, y: jnp.exp(-((x - 0.4) ** 2 + (y - 0.6) ** 2) / 0.05)
    law = ShallowWater(9.81, bathymetry=cell_averages(hills, grid))
    field = FiniteVolume(law=law, grid=grid, boundary=(Periodic(), Wall()))
    u0 = law.lake_at_rest(0.7, grid.shape)
    u = solve(field, u0, t1=0.5, steps=100).states[-1]
    assert jnp.max(jnp.abs(u - u0)) < 1e-13


def test_water_that_runs_up_a_slope_stays_positive_and_keeps_its_mass():
    grid = Grid.uniform(0.0, 1.0, 60)
    z = jnp.asarray(grid.centers[0])
    law = ShallowWater(9.81, bathymetry=0.8 * z)
    field = FiniteVolume(law=law, grid=grid, boundary=Wall())
    u0 = law.lake_at_rest(0.4, grid.shape)
    u0 = u0.at[0].add(jnp.where(z < 0.2, 0.2, 0.0))
    states = solve(field, u0, t1=1.0, save_at=np.linspace(0.1, 1.0, 10)).states
    assert jnp.min(states[:, 0]) >= 0.0
    drift = grid.integrate(states - u0)[:, 0] / grid.integrate(u0)[0]
    assert jnp.max(jnp.abs(drift)) < 1e-14
    assert jnp.max(jnp.where(states[:, 0] > 1e-3, z, 0.0)) > 0.55  # the rest shore is at 0.5


@pytest.mark.slow
def test_the_bed_can_be_found_by_its_gradient():
    grid = Grid.uniform(0.0, 1.0, 20)
    z = bump(grid)

    def loss(bed):
        law = ShallowWater(9.81, bathymetry=bed)
        field = FiniteVolume(law=law, grid=grid, boundary=Wall())
        # Not level, and not flat: limiters have kinks there.
        u0 = jnp.stack([1.0 - 0.5 * z, 0.3 * z + 0.1])
        return jnp.sum(solve(field, u0, t1=0.1, steps=20).states[-1] ** 2)

    value, slope, eps = jax.jit(loss), jax.jit(jax.grad(loss))(z), 1e-6
    way = jnp.asarray(np.sin(np.arange(20.0)))
    difference = (value(z + eps * way) - value(z - eps * way)) / (2 * eps)
    np.testing.assert_allclose(jnp.vdot(slope, way), difference, rtol=1e-5)


def test_a_bed_of_another_shape_is_refused():
    law = ShallowWater(9.81, bathymetry=jnp.zeros(5))
    with pytest.raises(ValueError, match=r"bathymetry of the shape \(8,\) of the grid, got \(5,\)"):
        FiniteVolume(law=law, grid=Grid.uniform(0.0, 1.0, 8), boundary=Wall())
