"""Times of different precision that mean the same, for every solver that takes times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import FiniteVolume, Grid, Implicit, Periodic, VorticityFlow, incompressible, solve
from solvers.laws import Advection, Diffusion
from solvers.time import Outcome

ROD = FiniteVolume(law=Diffusion(0.01), grid=Grid.uniform(0.0, 1.0, 4), boundary=Periodic())
LINE = FiniteVolume(law=Advection(1.0), grid=Grid.uniform(0.0, 1.0, 4), boundary=Periodic())
SQUARE = incompressible.NavierStokes(
    grid=Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4)), viscosity=jnp.float32(0.1)
)
SPECTRAL = VorticityFlow(viscosity=0.1, points=4)
U0 = jnp.ones((1, 4), jnp.float32)
STILL = (jnp.zeros((4, 4), jnp.float32),) * 2
SOLVERS = {
    "equal steps": lambda **times: solve(LINE, U0, steps=2, throw=False, **times),
    "steps by CFL": lambda **times: solve(LINE, U0, throw=False, **times),
    "implicit": lambda **times: solve(ROD, U0, stepper=Implicit(), throw=False, **times),
    "incompressible": lambda **times: incompressible.solve(
        SQUARE, STILL, steps=2, throw=False, **times
    ),
    "spectral": lambda **times: SPECTRAL.solve(STILL[0], steps=2, throw=False, **times),
}
LATER = np.nextafter(np.float32(0.3), np.float32(1))
# What 0.3 is in single precision, in double precision, and after an addition in either.
TIMES = {
    "single": lambda: (0.3, jnp.array([0.1, 0.2, 0.3], jnp.float32)),
    "from zero": lambda: (0.3, jnp.linspace(0.0, 0.3, 3, dtype=jnp.float32)),
    "numpy": lambda: (0.3, np.arange(1, 4) * 0.1),
    "single end": lambda: (np.float32(0.3), [0.1, 0.2, 0.3]),
    "list of single": lambda: (0.3, np.float32([0.1, 0.2, 0.3]).tolist()),
    "half": lambda: (0.3, np.array([0.1, 0.2, 0.3], np.float16)),
    "one rounding more": lambda: (0.3, [0.1, 0.2, LATER.item()]),
}


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def double(request):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield request.param
    jax.config.update("jax_enable_x64", before)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", SOLVERS, ids=lambda name: name.replace(" ", "-"))
def test_the_last_save_time_is_the_end_whatever_its_precision(name):
    for given in TIMES.values():
        t1, save_at = given()
        solution = SOLVERS[name](t1=t1, save_at=save_at)
        assert solution.status.outcome == Outcome.success
        assert solution.times[-1] <= jnp.asarray(t1).astype(solution.times.dtype)
        np.testing.assert_allclose(
            solution.times[-1], 0.3, rtol=1e-3
        )  # half a thousandth is half's


@pytest.mark.parametrize("steps", [2, None])
def test_traced_times_are_clipped_too(steps):
    def run(save_at):
        return solve(LINE, U0, t1=0.3, steps=steps, save_at=save_at, throw=False)

    run = jax.jit(run)
    beyond = run(jnp.float32([0.1, 0.2, LATER]))
    assert beyond.status.outcome == Outcome.success
    assert beyond.times[-1] == jnp.float32(0.3)
    assert run(jnp.array([0.1, 0.2, 0.301], jnp.float32)).status.outcome == Outcome.bad_times
    assert run(jnp.array([0.1, 0.3, 0.3], jnp.float32)).status.outcome == Outcome.bad_times


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", SOLVERS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"t1": 0.3, "save_at": [0.1, 0.3 * (1 + 1e-6)]}, "stay within"),
        ({"t1": 0.3, "save_at": [0.3, 0.3 * (1 + 1e-8)]}, "remove duplicates"),
        ({"t1": 0.3, "save_at": [0.1, np.nan]}, "remove duplicates and NaN"),
        ({"t1": 1e400}, "finite times t0 < t1"),
        ({"t1": "later"}, "real numbers"),
        ({"t1": 1j}, "real numbers"),
        ({"t1": None}, "real numbers"),
        ({"t1": [0.1, 0.2]}, r"use jax\.vmap"),
    ],
)
def test_other_times_are_refused_when_the_call_is_made(unchecked, name, given, message):
    with pytest.raises(ValueError, match=message):
        SOLVERS[name](**given)
