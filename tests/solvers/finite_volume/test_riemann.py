import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Godunov, Rusanov
from solvers.laws import Advection, Burgers


@pytest.mark.parametrize(("left", "right"), [(1.0, 2.0), (2.0, 1.0), (-1.0, 1.0), (1.0, -2.0)])
@pytest.mark.parametrize("kind", [Burgers, lambda: Advection(-1.5)])
def test_godunov_is_the_extremum_of_the_flux_between_the_states(left, right, kind):
    law = kind()
    states = jnp.linspace(min(left, right), max(left, right), 301)[None]
    fluxes = law.flux(states)
    expected = fluxes.min() if left <= right else fluxes.max()
    flux = Godunov()(law, jnp.array([left]), jnp.array([right]))
    # The sample misses the sonic point by at most 0.005, where f ≤ 2e-5.
    np.testing.assert_allclose(flux[0], expected, atol=2e-5)


def test_rusanov_is_upwind_for_advection():
    law = Advection(2.0)
    flux = Rusanov()(law, jnp.array([3.0]), jnp.array([5.0]))
    np.testing.assert_allclose(flux, 6.0)


def test_rusanov_is_monotone_for_burgers():
    law, u = Burgers(), jnp.linspace(-2.0, 2.0, 41)
    left, right = (v.ravel()[None] for v in jnp.meshgrid(u, u, indexing="ij"))
    flux = Rusanov()(law, left, right).reshape(41, 41)
    # Non-decreasing in the left state, non-increasing in the right one; round-off.
    assert jnp.diff(flux, axis=0).min() >= -1e-5
    assert jnp.diff(flux, axis=1).max() <= 1e-5
