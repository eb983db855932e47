"""PredRNN: the way of the second memory, layer by layer, and the size."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxsci.operators.video import PredRNN


def channels_last(frames):
    return jnp.moveaxis(frames, 1, -1)


def test_the_memory_climbs_the_layers_and_falls_back_to_the_lowest(filled):
    model = filled(PredRNN, time_out=2, channels=1, width=3, depth=3, kernel=1, patch=1)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 1, 3, 4)), jnp.float32)
    zeros = jnp.zeros((3, 4, 3))
    cells = [eqx.filter_jit(cell) for cell in model.cells]
    h, c, predicted = [zeros] * 3, [zeros] * 3, []
    m_below = {-1: zeros}
    for t in range(3):
        inside = channels_last(x)[t] if t < 2 else predicted[-1]
        m_of_step = {}
        for layer in range(3):
            # The lowest layer has the memory of the highest one a step ago, the others that of the one below.
            m = m_below[max(m_below)] if layer == 0 else m_of_step[layer - 1]
            h[layer], c[layer], m_of_step[layer] = cells[layer](inside, h[layer], c[layer], m)
            inside = h[layer]
        m_below = m_of_step
        predicted.append(model.readout(inside))
    # Single precision, fused in another way.
    np.testing.assert_allclose(
        channels_last(model.one_step(x)), jnp.stack(predicted), rtol=1e-4, atol=1e-5
    )


def test_parameters(parameters):
    w, inside = 6, 2 * 2**2
    cell = lambda i: (7 * i + 4 * w + 3 * w + 2 * w) * w * 9 + 7 * w + 2 * w * w + w
    options = {"time_out": 3, "channels": 2, "width": w, "depth": 3, "kernel": 3, "patch": 2}
    assert parameters(PredRNN, **options) == cell(inside) + 2 * cell(w) + w * inside
