"""ConvLSTM, spatio-temporal LSTM and eidetic LSTM: with kernels of one point, plain LSTMs at every pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import ConvLSTMCell, EideticLSTMCell, SpatiotemporalLSTMCell
from jaxsci.nn.eidetic_lstm import recall

pytestmark = pytest.mark.usefixtures("x64")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def matrix(conv):
    """The weights of a convolution with a kernel of one point."""
    return np.asarray(conv.weight).reshape(conv.weight.shape[-2:])


def test_conv_lstm_is_an_lstm_per_pixel(filled):
    cell = filled(ConvLSTMCell, dtype=float, in_channels=2, width=3, kernel=1)
    frames, w, b = normal(4, 2, 3, 2), matrix(cell.gates), np.asarray(cell.gates.bias)
    state = cell.start(2, 3, float)
    for frame in frames:
        state = cell(jnp.asarray(frame), state)
    for row in range(2):
        for column in range(3):
            h, c = np.zeros(3), np.zeros(3)
            for x in frames[:, row, column]:
                i, f, g, o = np.split(np.concatenate([x, h]) @ w + b, 4)
                c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            # Double precision, a few dozen operations of order one.
            np.testing.assert_allclose(state[0][row, column], h, atol=1e-13)
            np.testing.assert_allclose(state[1][row, column], c, atol=1e-13)


def test_periodic_conv_lstm_moves_with_its_input(filled):
    cell = filled(ConvLSTMCell, dtype=float, in_channels=2, width=2, periodic=True)
    x, h, c = (jnp.asarray(normal(4, 5, 2, seed=s)) for s in range(3))
    move = lambda *arrays: tuple(jnp.roll(a, (1, 2), axis=(0, 1)) for a in arrays)
    # The same sums in the same order at other points, up to how they are vectorised.
    for moved, still in zip(cell(*move(x), move(h, c)), move(*cell(x, (h, c))), strict=True):
        np.testing.assert_allclose(moved, still, atol=1e-14)
    walled = filled(ConvLSTMCell, dtype=float, in_channels=2, width=2)
    assert jnp.abs(walled(*move(x), move(h, c))[0] - move(*walled(x, (h, c)))[0]).max() > 1e-3


def both_memories(cell, x, h, c, m, remembered=None):
    """The equations of the two cells with two memories, gate by gate."""
    gates = ["i", "f", "g", "i'", "f'", "g'", "o"]
    named = lambda names, a: dict(zip(names, np.split(a, len(names), axis=-1), strict=True))
    of_x = named(gates, x @ matrix(cell.of_input))
    of_b = named(gates, np.asarray(cell.of_input.bias))
    of_h = named("ifgo", h @ matrix(cell.of_hidden))
    of_m = named(gates[3:6], m @ matrix(cell.of_memory))
    i, g = sigmoid(of_x["i"] + of_h["i"] + of_b["i"]), np.tanh(of_x["g"] + of_h["g"] + of_b["g"])
    if remembered is None:
        c = sigmoid(of_x["f"] + of_h["f"] + of_b["f"] + 1) * c + i * g
    else:
        # What is the forget gate there is the recall gate here.
        c = i * g + remembered(sigmoid(of_x["f"] + of_h["f"] + of_b["f"]), c)
    first, second, third = (of_x[k] + of_m[k] + of_b[k] for k in ("i'", "f'", "g'"))
    m = sigmoid(second + 1) * m + sigmoid(first) * np.tanh(third)
    pair = np.concatenate([c, m], axis=-1)
    o = sigmoid(of_x["o"] + of_h["o"] + of_b["o"] + pair @ matrix(cell.of_both))
    return o * np.tanh(pair @ matrix(cell.fuse) + np.asarray(cell.fuse.bias)), c, m


def test_spatiotemporal_lstm_is_its_equations_per_pixel(filled):
    cell = filled(SpatiotemporalLSTMCell, dtype=float, in_channels=2, width=3, kernel=1)
    arrays = (normal(2, 2, 2), *(normal(2, 2, 3, seed=s) for s in (1, 2, 3)))
    for ours, expected in zip(
        cell(*map(jnp.asarray, arrays)), both_memories(cell, *arrays), strict=True
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-13)


def recalled(r, past):
    """Softmax attention from every point of r to every point of the past, one after the other."""
    points = past.reshape(-1, past.shape[-1])
    out = np.empty_like(r)
    for at in np.ndindex(r.shape[:-1]):
        scores = np.exp(points @ r[at])
        out[at] = (scores / scores.sum()) @ points
    return out


def test_recall_is_softmax_attention_to_what_is_filled():
    r, past = normal(2, 2, 3, 4), normal(5, 2, 2, 3, 4, seed=1)
    filled = np.array([True, False, True, True, False])
    ours = recall(jnp.asarray(r), jnp.asarray(past), jnp.asarray(filled))
    np.testing.assert_allclose(ours, recalled(r, past[filled]), atol=1e-13)
    # What is not filled does not matter at all, not even in the gradient.
    gradient = jax.grad(lambda p: recall(jnp.asarray(r), p, jnp.asarray(filled)).sum())(
        jnp.asarray(past)
    )
    assert jnp.all(gradient[~filled] == 0)
    assert jnp.all(jnp.isfinite(gradient))


def test_eidetic_lstm_is_its_equations(filled):
    cell = filled(EideticLSTMCell, dtype=float, in_channels=2, width=3, depth=1, kernel=1)
    arrays = (normal(1, 2, 2, 2), *(normal(1, 2, 2, 3, seed=s) for s in (1, 2, 3)))
    past = normal(2, 1, 2, 2, 3, seed=4)

    def remembered(r, c):
        v = c + recalled(r, past)
        v = (v - v.mean()) / np.sqrt(v.var() + 1e-5)
        return v * np.asarray(cell.norm.scale) + np.asarray(cell.norm.shift)

    ours = cell(*map(jnp.asarray, (*arrays, past)), jnp.ones(2, bool))
    expected = both_memories(cell, *arrays, remembered=remembered)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("cell", [ConvLSTMCell, SpatiotemporalLSTMCell, EideticLSTMCell])
def test_sizes_are_checked(cell, key):
    with pytest.raises(ValueError, match=f"{cell.__name__} expected kernel to be odd, got 4"):
        cell(in_channels=1, width=2, kernel=4, key=key)
    with pytest.raises(ValueError, match="width to be a whole number >= 1, got 0"):
        cell(in_channels=1, width=0, key=key)
