"""PhyDNet: a sum of two branches, its moments, and the size of the public network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import PhyDNet

OPTIONS = {"time_out": 2, "channels": 1, "width": 4, "residual": (), "kernel": 3}


def channels_last(frames):
    return jnp.moveaxis(frames, 1, -1)


def test_the_latent_forecast_is_the_sum_of_physics_and_residual(filled):
    model = filled(PhyDNet, **OPTIONS)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 1, 8, 8)), jnp.float32)

    @eqx.filter_jit
    def written_out(model, x):
        through = lambda blocks, v: v if not blocks else through(blocks[1:], blocks[0](v))
        p, memory, predicted = jnp.zeros((2, 2, 4)), model.residual[0].start(2, 2, x.dtype), []
        for t in range(3):
            u = through(model.encoder, channels_last(x)[t] if t < 2 else predicted[-1])
            p = model.physics(through(model.to_physics, u), p)
            memory = model.residual[0](through(model.to_residual, u), memory)
            latent = through(model.from_physics, p) + through(model.from_residual, memory[0])
            predicted.append(model.readout(through(model.decoder, latent)))
        return jnp.stack(predicted)

    # Single precision through a dozen normalised layers, fused in another way.
    np.testing.assert_allclose(
        channels_last(eqx.filter_jit(model.one_step)(x)),
        written_out(model, x),
        rtol=1e-3,
        atol=1e-4,
    )


def test_parameters_of_the_public_network(parameters):
    conv = lambda i, o, k: i * o * k**2 + o
    block = lambda i, o: conv(i, o, 3) + 2 * o
    lstm = lambda i, w: conv(i + w, 4 * w, 3)
    expected = (
        block(1, 32) + block(32, 32) + block(32, 64)  # E
        + 8 * block(64, 64)  # E_p, E_r, D_p, D_r
        + block(64, 32) + block(32, 32) + conv(32, 1, 3)  # D
        + conv(64, 49, 7) + 2 * 49 + conv(49, 64, 1) + conv(128, 64, 3)  # PhyCell
        + lstm(64, 128) + lstm(128, 128) + lstm(128, 64)
    )  # fmt: skip
    assert parameters(PhyDNet, time_out=10, channels=1) == expected == 3_091_732


def test_hard_moments_need_no_loss_and_soft_ones_have_one(filled):
    assert filled(PhyDNet, constraint="hard", **OPTIONS).moment_loss() == 0
    soft = filled(PhyDNet, **OPTIONS)
    gradient = jax.grad(lambda m: m.moment_loss())(eqx.filter(soft, eqx.is_array))
    assert jnp.all(gradient.physics.weight != 0)


def test_what_does_not_fit_is_refused(filled, key):
    with pytest.raises(ValueError, match="PhyDNet expected an even width, got 3"):
        PhyDNet(time_out=1, channels=1, width=3, key=key)
    with pytest.raises(ValueError, match="multiples of 4, got 8 and 6"):
        filled(PhyDNet, **OPTIONS)(jnp.ones((2, 1, 8, 6)))
