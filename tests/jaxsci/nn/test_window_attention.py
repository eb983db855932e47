"""Windows: softmax attention within, nothing between, and what a shift joins and keeps apart."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import FeatureBalance, WindowAttention

pytestmark = pytest.mark.usefixtures("x64")


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def regions(n, window, shift):
    """Which window along one axis a point is in; a shift cuts the two at the ends."""
    return (np.arange(n) + window - shift) // window if shift else np.arange(n) // window


def attention(layer, x):
    """Point by point: softmax over the points of the same window, with the bias of their offset."""
    rows, columns, _ = x.shape
    w, heads = layer.window, layer.heads
    q, k, v = np.split(x @ np.asarray(layer.qkv.weight)[0, 0], 3, axis=-1)
    row, column = (regions(n, w, layer.shift) for n in (rows, columns))
    out = np.zeros_like(q)
    size = q.shape[-1] // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(rows):
            for j in range(columns):
                same = [
                    (a, b)
                    for a in range(rows)
                    for b in range(columns)
                    if row[a] == row[i] and column[b] == column[j]
                ]
                bias = np.array([layer.bias[i - a + w - 1, j - b + w - 1] for a, b in same])
                keys = np.array([k[at][part] for at in same])
                p = np.exp(keys @ q[i, j, part] / np.sqrt(size) + bias)
                out[i, j, part] = (p / p.sum()) @ np.array([v[at][part] for at in same])
    return out @ np.asarray(layer.out.weight)[0, 0] + np.asarray(layer.out.bias)


@pytest.mark.parametrize("shift", [0, 1])
def test_window_attention_is_attention_within_regions(filled, shift):
    layer = filled(
        WindowAttention, dtype=float, width=4, heads=2, head_size=3, window=3, shift=shift
    )
    x = normal(6, 3, 4)
    # Double precision, sums of at most 9 weights.
    np.testing.assert_allclose(layer(x), attention(layer, np.asarray(x)), atol=1e-12)


@pytest.mark.parametrize("shift", [0, 2])
def test_a_point_reaches_its_own_window_only(filled, shift):
    layer = filled(
        WindowAttention, dtype=float, width=2, heads=1, head_size=2, window=4, shift=shift
    )
    x, at = normal(8, 12, 2), (3, 5)
    changed = np.any(layer(x) != layer(x.at[at].add(1.0)), axis=-1)
    row, column = (regions(n, 4, shift) for n in (8, 12))
    inside = np.outer(row == row[at[0]], column == column[at[1]])
    np.testing.assert_array_equal(changed, inside)


def test_gates_weigh_local_and_global_features(filled):
    module = filled(FeatureBalance, dtype=float, width=4, heads=2, head_size=2, window=2, hidden=8)
    x = normal(4, 4, 4)
    gates = lambda z, r: eqx.tree_at(
        lambda m: (m.norm.scale, m.norm.shift),
        module,
        (jnp.zeros(8), jnp.concatenate([jnp.full(4, z), jnp.full(4, r)])),
    )(x)
    local, swins = x, x
    for conv in module.convs:
        local = conv(local)
    local = module.points(module.channels(local))
    for swin in module.swins:
        swins = swin(swins)
    np.testing.assert_allclose(gates(np.inf, -np.inf), swins, atol=1e-13)
    np.testing.assert_allclose(gates(-np.inf, np.inf), local, atol=1e-13)
    np.testing.assert_allclose(gates(0.0, 0.0), (swins + local) / 2, atol=1e-13)
    assert [swin.attention.shift for swin in module.swins] == [0, 1]


def test_what_does_not_fit_is_refused(filled, key):
    layer = filled(WindowAttention, width=4, heads=2, head_size=2, window=4)
    with pytest.raises(ValueError, match="multiples of window=4, got 8 and 6"):
        layer(jnp.ones((8, 6, 4)))
    with pytest.raises(ValueError, match="shift of less than window=4, got 4"):
        WindowAttention(width=4, heads=2, head_size=2, window=4, shift=4, key=key)
