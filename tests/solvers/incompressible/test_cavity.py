import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from solvers.incompressible import SteadyOutcome, cavity

# u(x = ½, y) of Ghia, Ghia and Shin (1982), doi:10.1016/0021-9991(82)90058-4, table I.
GHIA = np.array(
    [  # y, u at Re = 100, u at Re = 1000
        (1.0000, 1.00000, 1.00000),
        (0.9766, 0.84123, 0.65928),
        (0.9688, 0.78871, 0.57492),
        (0.9609, 0.73722, 0.51117),
        (0.9531, 0.68717, 0.46604),
        (0.8516, 0.23151, 0.33304),
        (0.7344, 0.00332, 0.18719),
        (0.6172, -0.13641, 0.05702),
        (0.5000, -0.20581, -0.06080),
        (0.4531, -0.21090, -0.10648),
        (0.2813, -0.15662, -0.27805),
        (0.1719, -0.10150, -0.38289),
        (0.1016, -0.06434, -0.29730),
        (0.0703, -0.04775, -0.22220),
        (0.0625, -0.04192, -0.20196),
        (0.0547, -0.03717, -0.18109),
        (0.0000, 0.00000, 0.00000),
    ]
)


def spline(profile):
    places, values = profile
    return CubicSpline(places, np.asarray(values, float))


def deviation(flow, column):
    return np.max(np.abs(spline(flow.vertical_profile)(GHIA[:, 0]) - GHIA[:, column]))


def test_reynolds_100():
    flow = cavity(reynolds=100.0, cells=64)
    assert flow.solution.ok
    assert deviation(flow, 1) <= 0.01  # measured 0.0037; the table itself is off by some 0.003
    assert flow.velocity.shape == (2, 64, 64)
    assert flow.pressure.shape == (64, 64)
    # No flow through any vertical line; single precision, h = 1/64.
    np.testing.assert_allclose(jnp.mean(flow.solution.velocity[0], axis=1), 0.0, atol=1e-6)


@pytest.mark.slow  # a minute or two
@pytest.mark.usefixtures("x64")
def test_reynolds_1000():
    flow = cavity(reynolds=1000.0, cells=128)
    assert flow.solution.residual <= 1e-6
    np.testing.assert_allclose(flow.flow.grid.divergence(flow.solution.velocity), 0.0, atol=1e-12)
    assert deviation(flow, 2) <= 0.01  # measured 0.0030
    # Botella and Peyret (1998): −0.38857, 0.37694, −0.52708; second order from 1.5 % at 128².
    x = np.linspace(0.0, 1.0, 10001)
    u, v = spline(flow.vertical_profile)(x), spline(flow.horizontal_profile)(x)
    np.testing.assert_allclose(
        [u.min(), v.max(), v.min()], [-0.3885698, 0.3769447, -0.5270771], rtol=0.02
    )


@pytest.mark.slow  # compiles twice
@pytest.mark.usefixtures("x64")
def test_vmap_over_reynolds_numbers_equals_a_loop():
    def run(reynolds):
        return cavity(reynolds=reynolds, cells=9, tolerance=1e-9).solution

    numbers = jnp.array([10.0, 40.0])
    batch = jax.vmap(run)(numbers)
    for i in range(2):
        single = run(numbers[i])
        np.testing.assert_allclose(batch.velocity[0][i], single.velocity[0], atol=1e-8)


@pytest.mark.slow  # compiles the march and its linearisation
@pytest.mark.usefixtures("x64")
def test_derivative_with_respect_to_the_reynolds_number():
    def lowest(reynolds):
        _, u = cavity(reynolds=reynolds, cells=9, tolerance=1e-10).vertical_profile
        return jnp.min(u)

    f, at, eps = jax.jit(lowest), jnp.array(50.0), 1e-2
    _, slope = jax.jit(lambda r: jax.jvp(lowest, (r,), (jnp.ones_like(r),)))(at)
    # Tolerance 1e-10 over the slowest rate and over eps is 1e-8; the slope is some 1e-3.
    np.testing.assert_allclose(slope, (f(at + eps) - f(at - eps)) / (2 * eps), rtol=1e-4)


@pytest.mark.usefixtures("x64")
def test_profiles_of_odd_grids_end_in_the_walls():
    flow = cavity(reynolds=10.0, cells=9)
    y, u = flow.vertical_profile
    x, v = flow.horizontal_profile
    assert u.shape == y.shape == x.shape == v.shape == (11,)
    np.testing.assert_array_equal(u[jnp.array([0, -1])], [0.0, 1.0])
    np.testing.assert_array_equal(v[jnp.array([0, -1])], [0.0, 0.0])
    assert v[3] > 0 > v[-3]  # up on the left, down on the right
    # Stokes flow is symmetric, at Re = 10 nearly so.
    np.testing.assert_allclose(v, -v[::-1], atol=0.02)


@pytest.mark.usefixtures("x64")
def test_what_does_not_become_steady_is_reported():
    flow = cavity(reynolds=100.0, cells=9, max_steps=5, throw=False)
    assert flow.solution.outcome == SteadyOutcome.too_many_steps
    with pytest.raises(eqx.EquinoxRuntimeError, match="raise max_steps"):
        cavity(reynolds=100.0, cells=9, max_steps=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reynolds": -1.0}, "reynolds was expected to be finite > 0, got -1"),
        ({"reynolds": 0.0}, "finite > 0"),
        ({"reynolds": float("nan")}, "finite > 0, got nan"),
        ({"reynolds": 100.0, "cells": 3}, "whole number of cells >= 4, got 3"),
        ({"reynolds": np.ones(2), "cells": 8}, r"scalar, got shape \(2,\); use jax.vmap"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cavity(**options)
