import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid, Periodic
from solvers.incompressible import NavierStokes, NoSlip, SteadyOutcome, steady

x64 = pytest.mark.usefixtures("x64")
SQUARE = Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 8))


def lid_driven(viscosity, lid):
    return NavierStokes(
        grid=SQUARE, viscosity=viscosity, boundary=(NoSlip(), (NoSlip(), NoSlip(lid)))
    )


def energy(parameters, tolerance=1e-11):
    flow = lid_driven(*parameters)
    found = steady(flow, tolerance=tolerance)
    return flow.grid.energy(found.velocity) + jnp.mean(found.pressure**2)


@x64
def test_channel_flow():
    # ν u'' = −f: the parabola f y (1 − y)/2ν, met in the second differences up to h² f/8ν at walls.
    flow = NavierStokes(
        grid=SQUARE,
        viscosity=0.5,
        boundary=(Periodic(), NoSlip()),
        force=lambda t, x: (1.0, 0.0),
    )
    found = steady(flow, tolerance=1e-12)
    y = SQUARE.centers[1]
    assert found.ok
    assert found.residual <= 1e-12
    # The slowest mode decays at the rate ν π² = 5.
    np.testing.assert_allclose(found.velocity[0][0], y * (1 - y) + 1.0 / (8 * 64 * 0.5), atol=1e-12)
    np.testing.assert_allclose(found.pressure, 0.0, atol=1e-12)


@pytest.mark.slow
@x64
def test_the_start_does_not_matter():
    flow = lid_driven(0.02, 1.0)
    u0 = flow.grid.sample(lambda x: (jnp.sin(5.0 * x[1]), x[0]))
    a, b = steady(flow, tolerance=1e-10), steady(flow, u0, tolerance=1e-10)
    assert max(jnp.max(jnp.abs(c)) for c in flow(0.0, a.velocity)) <= 1e-10
    # Residual over the slowest rate, 52 ν or so.
    np.testing.assert_allclose(a.velocity[0], b.velocity[0], atol=1e-9)


@x64
@pytest.mark.slow  # compiles the march, its linearisation and its transpose
def test_derivatives_agree_with_finite_differences():
    at, eps = jnp.array([0.02, 1.0]), 1e-5
    value, reverse = jax.jit(jax.value_and_grad(energy))(at), None
    value, reverse = value
    forward = jax.jit(jax.jacfwd(energy))(at)
    function = jax.jit(energy)
    difference = [(function(at + eps * e) - function(at - eps * e)) / (2 * eps) for e in jnp.eye(2)]
    # Tolerance 1e-11 of the flow over its slowest rate, 1, and over eps: 1e-6; 1e-5 is the promise.
    np.testing.assert_allclose(reverse, difference, rtol=1e-5)
    np.testing.assert_allclose(forward, reverse, rtol=1e-6)
    assert value > 0


@x64
@pytest.mark.slow  # a march within a march
def test_second_derivatives_agree_with_finite_differences():
    at, eps = jnp.array([0.05, 1.0]), 1e-4
    hessian = jax.jit(jax.jacfwd(jax.jacfwd(energy)))(at)
    gradient = jax.jit(jax.jacfwd(energy))
    difference = jnp.stack(
        [(gradient(at + eps * e) - gradient(at - eps * e)) / (2 * eps) for e in jnp.eye(2)]
    )
    np.testing.assert_allclose(hessian, difference, rtol=1e-4)  # eps² relative to ν²


@pytest.mark.slow  # compiles the march and its transpose
def test_single_precision_gradient():
    gradient = jax.jit(jax.grad(lambda p: energy(p, None)))(jnp.array([0.05, 1.0], jnp.float32))
    assert gradient.dtype == jnp.float32
    assert jnp.all(jnp.isfinite(gradient))
    assert gradient[1] > 0


@x64
def test_failures_are_reported():
    flow = lid_driven(0.05, 1.0)
    found = steady(flow, max_steps=3, throw=False)
    assert found.outcome == SteadyOutcome.too_many_steps
    assert found.steps == 3
    assert not found.ok
    with pytest.raises(eqx.EquinoxRuntimeError, match="raise max_steps"):
        steady(flow, max_steps=3)
    found = steady(lid_driven(0.05, jnp.nan), max_steps=3, throw=False)
    assert found.outcome == SteadyOutcome.not_finite
    negative = eqx.tree_at(lambda f: f.viscosity, flow, jnp.array(-0.1))
    assert steady(negative, max_steps=3, throw=False).outcome == SteadyOutcome.ill_posed


def test_single_precision_stops_at_round_off():
    flow = lid_driven(jnp.float32(0.05), jnp.float32(1.0))
    found = steady(flow)
    assert found.ok
    assert found.residual.dtype == jnp.float32
    assert found.residual < 1e-4
    stuck = steady(flow, tolerance=1e-9, throw=False)
    assert stuck.outcome == SteadyOutcome.round_off
    np.testing.assert_allclose(stuck.velocity[0], found.velocity[0], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance > 0, got 0.0"),
        ({"tolerance": float("nan")}, "got nan"),
        ({"max_steps": 0}, "max_steps to be a whole number >= 1, got 0"),
        ({"cfl": 2.0}, "0 < cfl <= 1.25, got 2.0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        steady(lid_driven(0.05, 1.0), **options)
