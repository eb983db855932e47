import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import GaussianRandomField, Outcome, VorticityFlow

x64 = pytest.mark.usefixtures("x64")


def random_vorticity(n, key=0):
    field = GaussianRandomField(
        (n, n), alpha=4.0, tau=7.0, sigma=7.0**3, lengths=2 * math.pi, zero_mean=True
    )
    draw = field(key=jax.random.key(key))
    return draw / jnp.abs(draw).max()


@x64
def test_taylor_green_decays_exactly():
    flow = VorticityFlow(viscosity=0.1, points=32)
    x, y = flow.coordinates
    w0 = jnp.asarray(2.0 * np.sin(x) * np.sin(y))
    out = flow.solve(w0, t1=1.0, save_at=[0.5, 1.0], steps=10)
    for t, w in zip(out.times, out.states[:, 0], strict=True):
        # Its own advection vanishes, and the integrating factor is exact: round-off.
        np.testing.assert_allclose(w, w0 * jnp.exp(-0.2 * t), atol=1e-13)


@x64
def test_velocity_is_divergence_free_and_its_curl_is_the_vorticity():
    flow = VorticityFlow(viscosity=0.0, points=32)
    x, y = flow.coordinates
    u, v = flow.velocity(jnp.asarray(2.0 * np.sin(x) * np.sin(y)))
    np.testing.assert_allclose(u, np.sin(x) * np.cos(y), atol=1e-14)
    np.testing.assert_allclose(v, -np.cos(x) * np.sin(y), atol=1e-14)


@x64
def test_order_four_in_time():
    flow = VorticityFlow(viscosity=1e-3, points=32)
    w0 = random_vorticity(32)
    run = lambda steps: flow.solve(w0, t1=2.0, steps=steps).states[-1]
    fine = run(160)
    errors = np.array([float(jnp.abs(run(steps) - fine).max()) for steps in (10, 20)])
    assert np.log2(errors[0] / errors[1]) > 3.7


@x64
def test_energy_and_enstrophy_without_viscosity():
    flow = VorticityFlow(viscosity=0.0, points=48)
    x, y = flow.coordinates
    w0 = jnp.asarray(np.cos(x) + np.sin(2 * y) * np.cos(x) + 0.5 * np.cos(x + 2 * y))
    w1 = flow.solve(w0, t1=1.0, steps=100).states[-1, 0]
    energy = lambda w: float(jnp.mean(flow.velocity(w) ** 2))
    # Dealiased products conserve both; what is left is the fifth order of 100 steps.
    np.testing.assert_allclose(energy(w1), energy(w0), rtol=1e-8)
    np.testing.assert_allclose(jnp.mean(w1**2), jnp.mean(w0**2), rtol=1e-8)


@x64
def test_forced_laminar_flow_is_steady():
    nu, n = 0.05, 4
    flow = VorticityFlow(viscosity=nu, points=24)
    x, y = flow.coordinates
    forced = eqx.tree_at(
        lambda f: f.forcing, flow, jnp.asarray(np.cos(n * y)), is_leaf=lambda leaf: leaf is None
    )
    # Kolmogorov's laminar flow: ν n² ω = cos(n y).
    w0 = jnp.asarray(np.cos(n * y) / (nu * n**2))
    assert float(jnp.abs(forced(0.0, w0)).max()) < 1e-12
    del x


@x64
def test_gradient_with_respect_to_viscosity():
    w0 = random_vorticity(16)

    def enstrophy(nu):
        flow = VorticityFlow(viscosity=nu, points=16)
        return jnp.mean(flow.solve(w0, t1=1.0, steps=8).states[-1] ** 2)

    slope = jax.jit(jax.grad(enstrophy))(0.05)
    difference = (enstrophy(0.05 + 1e-5) - enstrophy(0.05 - 1e-5)) / 2e-5
    # Central differences of step 1e-5 in double precision.
    np.testing.assert_allclose(slope, difference, rtol=1e-7)


def test_single_precision_batches_and_unstable_steps():
    flow = VorticityFlow(viscosity=1e-3, points=16)
    w0 = jnp.stack([jnp.asarray(random_vorticity(16, k), jnp.float32) for k in (0, 1)])
    solve = lambda w: flow.solve(w, t1=1.0, steps=8, throw=False)
    out = jax.vmap(solve)(w0)
    assert out.states.shape == (2, 1, 1, 16, 16)
    assert out.states.dtype == jnp.float32
    assert jnp.all(out.status.ok)
    fast = flow.solve(1e3 * w0[0], t1=1.0, steps=8, throw=False).status
    assert fast.outcome == Outcome.unstable
    assert fast.cfl > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 15}, "even number of points"),
        ({"viscosity": -1.0}, "viscosity was expected to be finite >= 0"),
        ({"length": 0.0}, "positive, finite length"),
        ({"forcing": np.zeros(16)}, r"forcing of shape \(16, 16\)"),
    ],
)
def test_bad_flows_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VorticityFlow(**{"viscosity": 0.1, "points": 16, **options})


def test_bad_calls_are_refused():
    flow = VorticityFlow(viscosity=0.1, points=16)
    with pytest.raises(ValueError, match=r"use jax\.vmap for batches"):
        flow.solve(jnp.zeros((2, 16, 16)), t1=1.0, steps=4)
    with pytest.raises(ValueError, match="steps >= 1, got 0"):
        flow.solve(jnp.zeros((16, 16)), t1=1.0, steps=0)
    with pytest.raises(ValueError, match="strictly increasing save_at"):
        flow.solve(jnp.zeros((16, 16)), t1=1.0, save_at=[2.0], steps=4)
