"""Flows: what is conserved stays, and each frame is what the solver makes of the one before."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvers
from jaxsci.data import ArrayEvents, KolmogorovFlow, ShallowWaterFlow, Windows
from solvers import incompressible


def draw(flow, count=2):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(eqx.filter_jit(lambda flow: jax.vmap(lambda key: flow(key=key))(keys))(flow))


@pytest.mark.slow
def test_shallow_water_conserves_volume_and_momentum(x64):
    flow = ShallowWaterFlow(cells=16, frames=5, amplitude=0.1)
    sequences = draw(flow)
    assert sequences.shape == (2, 5, 3, 16, 16)
    depth = sequences[:, :, 0]
    # Round-off of some hundred steps on numbers of size one.
    np.testing.assert_allclose(depth.mean((2, 3)), 1.0, atol=1e-12)
    np.testing.assert_allclose(sequences[:, :, 1:].mean((3, 4)), 0.0, atol=1e-12)
    np.testing.assert_allclose(depth[:, 0].std((1, 2)), 0.1, rtol=1e-12)
    assert np.abs(depth[0] - depth[1]).max() > 0.01
    assert np.abs(sequences[:, 1:, 1]).max() > 0.01  # the water moves
    # Each frame is the solution from the one before.
    ahead = solvers.solve(
        flow.field, jnp.asarray(sequences[0, 2]), t1=flow.interval, steps=flow.steps
    )
    np.testing.assert_allclose(ahead.states[-1], sequences[0, 3], atol=1e-12)
    windows = Windows(ArrayEvents(sequences), inputs=2, targets=1)
    np.testing.assert_array_equal(windows[1]["target"], sequences[1, 2:3])


@pytest.mark.slow
def test_kolmogorov_flow_has_no_divergence(x64):
    flow = KolmogorovFlow(cells=16, frames=4, interval=0.2, wavenumber=2, spin_up=1.0)
    sequences = draw(flow)
    assert sequences.shape == (2, 4, 2, 16, 16)
    u, v = sequences[:, :, 0], sequences[:, :, 1]
    h = 2 * np.pi / 16
    divergence = (np.roll(u, -1, 2) - u) / h + (np.roll(v, -1, 3) - v) / h
    np.testing.assert_allclose(divergence, 0.0, atol=1e-12)  # round-off of numbers below ten
    assert np.abs(np.diff(sequences, axis=1)).max() > 0.01
    ahead = incompressible.solve(
        flow.flow, tuple(jnp.asarray(c) for c in sequences[0, 1]), t1=0.2, steps=flow.steps
    )
    np.testing.assert_allclose(jnp.stack(ahead.at(-1)), sequences[0, 2], atol=1e-12)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match=r"0 < amplitude < depth/4.5 = 0.222222, got 0.3"):
        ShallowWaterFlow(amplitude=0.3)
    with pytest.raises(ValueError, match="interval > 0, got 0"):
        ShallowWaterFlow(interval=0.0)
    with pytest.raises(ValueError, match="frames to be a whole number >= 2"):
        KolmogorovFlow(frames=1)
    with pytest.raises(ValueError, match="1 <= wavenumber <= cells"):
        KolmogorovFlow(cells=8, wavenumber=5)
