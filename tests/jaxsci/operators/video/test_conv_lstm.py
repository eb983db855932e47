"""ConvLSTM: the stack written out, its size, and its symmetry."""

import jax.numpy as jnp
import numpy as np

from jaxsci.operators.video import ConvLSTM


def video(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


def channels_last(frames):
    return jnp.moveaxis(frames, 1, -1)


def test_the_stack_is_its_cells_and_reads_out_all_of_them(filled):
    model = filled(ConvLSTM, time_out=2, channels=2, width=(3, 2), kernel=3, patch=1)
    x = video(2, 2, 4, 5)
    states = [cell.start(4, 5, jnp.float32) for cell in model.cells]
    predicted = []
    for t in range(3):
        h = channels_last(x)[t] if t < 2 else predicted[-1]
        for layer, cell in enumerate(model.cells):
            states[layer] = cell(h, states[layer])
            h = states[layer][0]
        predicted.append(model.readout(jnp.concatenate([h for h, _ in states], axis=-1)))
    # Single precision, fused in another way.
    np.testing.assert_allclose(
        channels_last(model.one_step(x)), jnp.stack(predicted), rtol=1e-4, atol=1e-5
    )


def test_parameters(parameters):
    count = parameters(ConvLSTM, time_out=3, channels=2, width=(8, 6), kernel=5, patch=2)
    cell = lambda i, w: (i + w) * 4 * w * 25 + 4 * w
    assert count == cell(8, 8) + cell(8, 6) + (8 + 6) * 8 + 8
    same = {"time_out": 3, "channels": 2, "kernel": 3}
    assert parameters(ConvLSTM, width=4, depth=2, **same) == parameters(
        ConvLSTM, width=(4, 4), **same
    )


def test_periodic_forecasts_move_with_their_input(filled):
    options = {"time_out": 2, "channels": 1, "width": 3, "depth": 1, "kernel": 3, "patch": 2}
    x = video(2, 1, 8, 8)
    move = lambda a: jnp.roll(a, (2, 4), axis=(2, 3))  # by whole patches
    model = filled(ConvLSTM, periodic=True, **options)
    np.testing.assert_allclose(model(move(x)), move(model(x)), rtol=1e-5, atol=1e-6)
    walled = filled(ConvLSTM, **options)
    assert jnp.abs(walled(move(x)) - move(walled(x))).max() > 1e-3
