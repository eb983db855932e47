"""Burgers through the heat equation: the equation itself, finite volumes, the carried mean, refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import WENO5Z, FiniteVolume, Grid, Periodic, solve
from solvers.exact import cole_hopf
from solvers.laws import Burgers

pytestmark = pytest.mark.usefixtures("x64")

NU = 0.05
X = np.linspace(0.0, 1.0, 129)[:-1]


def wave(x):
    """A smooth initial flow without a mean."""
    return np.sin(2 * np.pi * x) + 0.5 * np.cos(4 * np.pi * x)


def derivative(u, order=1):
    """Spectral derivative on the unit circle."""
    k = 2j * np.pi * np.fft.rfftfreq(u.size, 1 / u.size)
    return np.fft.irfft(np.fft.rfft(u) * k**order, n=u.size)


@pytest.mark.parametrize("mean", [0.0, 0.7])
def test_solves_the_equation(mean):
    at = lambda t: cole_hopf(jnp.asarray(mean + wave(X)), t, viscosity=NU)
    u, rate = jax.jvp(at, (jnp.asarray(0.2),), (jnp.asarray(1.0),))
    u, rate = np.asarray(u), np.asarray(rate)
    residual = rate + u * derivative(u) - NU * derivative(u, 2)
    # 128 points resolve the flow to round-off, which two derivatives multiply by (2π·64)².
    assert np.abs(residual).max() < 1e-8
    np.testing.assert_allclose(u.mean(), mean, atol=1e-13)


def test_is_what_finite_volumes_converge_to():
    """Cell averages of the exact solution against the solver, which is of fourth order or better here."""
    cells = 128
    fine = (np.arange(cells * 16) + 0.5) / (cells * 16)
    field = FiniteVolume(
        law=Burgers(viscosity=NU),
        grid=Grid.uniform(0.0, 1.0, cells),
        boundary=Periodic(),
        reconstruction=WENO5Z(),
    )
    start = jnp.asarray(wave(fine)).reshape(cells, 16).mean(1)[None]
    solved = solve(field, start, t1=0.2).states[-1][0]
    exact = cole_hopf(jnp.asarray(wave(fine)), 0.2, viscosity=NU).reshape(cells, 16).mean(1)
    # The diffusive flux is of second order: h²/24 times derivatives of order (2π)⁴ νt.
    assert float(jnp.abs(solved - exact).max()) < 5e-3


def test_start_is_kept():
    np.testing.assert_allclose(
        cole_hopf(jnp.asarray(wave(X)), 0.0, viscosity=NU), wave(X), atol=1e-11
    )


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="vmap"):
        cole_hopf(jnp.ones(2), 0.1, viscosity=NU)
    with pytest.raises(ValueError, match="positive, finite length"):
        cole_hopf(jnp.asarray(wave(X)), 0.1, viscosity=NU, length=0.0)
    with pytest.raises(eqx.EquinoxRuntimeError, match="half of the digits"):
        cole_hopf(jnp.asarray(wave(X)), 0.1, viscosity=1e-4)


@pytest.mark.parametrize(("t", "nu"), [(0.1, 0.0), (0.1, -0.05), (-0.1, 0.05)])
def test_parameters_out_of_range_are_refused(t, nu):
    with pytest.raises(eqx.EquinoxRuntimeError, match="positive viscosity"):
        cole_hopf(jnp.asarray(wave(X)), t, viscosity=nu)
