import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    SSPRK1,
    SSPRK2,
    SSPRK3,
    Dirichlet,
    FiniteVolume,
    Grid,
    Neumann,
    PiecewiseConstant,
    solve,
)
from solvers.laws import Burgers

pytestmark = pytest.mark.usefixtures("x64")


def test_orders_in_time_with_moving_boundary_values():
    # A smooth system of equations in time: nonlinear, and forced through the boundary, so that
    # wrong stage times would cost the order.
    grid = Grid.uniform(0.0, 1.0, 8)
    field = FiniteVolume(
        law=Burgers(viscosity=0.1),
        grid=grid,
        boundary=(Dirichlet(lambda t: 2.0 + jnp.sin(3.0 * t)), Neumann(lambda t: jnp.sin(t))),
        reconstruction=PiecewiseConstant(),
    )
    u0 = jnp.asarray(2.0 + 0.5 * np.cos(3.0 * grid.centers[0]))[None]
    run = lambda n, method: np.asarray(solve(field, u0, t1=0.5, steps=n, stepper=method).states)
    reference = run(2560, SSPRK3())
    for order, stepper in enumerate((SSPRK1(), SSPRK2(), SSPRK3()), start=1):
        errors = [np.max(np.abs(run(n, stepper) - reference)) for n in (160, 320)]
        # The next order's term is some hundredths at these steps (a tenth at a quarter of them).
        np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.1)
