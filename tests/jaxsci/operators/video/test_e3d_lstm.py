"""E3D-LSTM: clips, the memories it recalls, and the size."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import E3DLSTM

OPTIONS = {"time_out": 2, "channels": 1, "width": 2, "depth": 2, "clip": 2, "kernel": 1, "patch": 1}


def channels_last(frames):
    return jnp.moveaxis(frames, 1, -1)


@pytest.mark.parametrize("memory", [None, 2])
def test_every_layer_recalls_its_own_past(memory, filled):
    model = filled(E3DLSTM, memory=memory, **OPTIONS)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 1, 2, 3)), jnp.float32)
    zeros = jnp.zeros((2, 2, 3, 2))
    cell = eqx.filter_jit(lambda cell, *inputs: cell(*inputs))
    h, m, predicted, last = [zeros] * 2, zeros, [], jnp.zeros((2, 3, 1))
    past = [[zeros], [zeros]]  # the memories c of both layers, the newest one last
    for t in range(4):
        newest = channels_last(x)[t] if t < 3 else predicted[-1]
        inside, last = jnp.stack([last, newest]), newest
        for layer in range(2):
            recalled = past[layer] if memory is None else past[layer][-memory:]
            # Empty places make all steps one compilation; that they do not matter is tested with the cell.
            padded = jnp.stack([*recalled, *[zeros] * (4 - len(recalled))])
            h[layer], c, m = cell(
                model.cells[layer],
                inside,
                h[layer],
                past[layer][-1],
                m,
                padded,
                jnp.arange(4) < len(recalled),
            )
            past[layer].append(c)
            inside = h[layer]
        predicted.append(model.readout(jnp.concatenate([inside[0], inside[1]], axis=-1)))
    # Single precision, the softmax summed in another order.
    np.testing.assert_allclose(
        channels_last(eqx.filter_jit(model.one_step)(x)), jnp.stack(predicted), rtol=1e-4, atol=1e-5
    )


def test_parameters(parameters):
    w, inside = 6, 2 * 2**2
    cell = lambda i: (7 * i + 4 * w + 3 * w + 2 * w) * w * 2 * 9 + 7 * w + 2 * w * w + w + 2 * w
    options = {"time_out": 3, "channels": 2, "width": w, "depth": 3, "kernel": 3, "patch": 2}
    assert parameters(E3DLSTM, **options) == cell(inside) + 2 * cell(w) + (2 * w + 1) * inside


def test_sizes_are_checked(key):
    for name in ("clip", "memory", "depth"):
        with pytest.raises(ValueError, match=rf"E3DLSTM expected {name} .* got 0"):
            E3DLSTM(**(OPTIONS | {name: 0}), key=key)
