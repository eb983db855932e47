"""Cuboid cross-attention against brute force, with cuboids in time, padding and global vectors."""

import importlib.util
import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Cuboid, CuboidCrossAttention, CuboidPlan
from jaxsci.nn.cuboid.plan import relative_index

spec = importlib.util.spec_from_file_location(
    "reference", pathlib.Path(__file__).with_name("reference.py")
)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

KEY = jax.random.key(0)


def layer(*size, shift=(0, 0, 0), **options):
    return reference.drawn(
        lambda: CuboidCrossAttention(
            8, heads=2, cuboid=Cuboid(size, shift), frames=8, key=KEY, **options
        )
    )


def film(frames, *size, key=1):
    random = np.random.default_rng(key)
    return jnp.asarray(random.normal(size=(frames, *size, 8)), jnp.float32)


found = eqx.filter_jit(lambda attention, *films, **options: attention(*films, **options))


def expected(attention, x, memory, height, width):
    """One window after the other, as dense attention with a bias for each offset."""
    x, memory = np.asarray(x, float), np.asarray(memory, float)
    y = np.zeros_like(x)
    _, b, c = attention.cuboid.size
    for i in range(0, height, b):
        for j in range(0, width, c):
            at = np.s_[:, i : i + b, j : j + c]
            a, m = x[at], memory[at]
            times, rows, columns = (
                s.ravel()[:, None] - t.ravel()[None]
                for s, t in zip(np.indices(a.shape[:3]), np.indices(m.shape[:3]), strict=True)
            )
            table = np.asarray(attention.bias, float).reshape(15, 2 * b - 1, 2 * c - 1, 2)
            bias = table[times + 7, rows + b - 1, columns + c - 1]
            tokens = a.reshape(-1, 8)
            tokens = reference.norm(attention.norm, tokens)
            q = reference.dense(attention.query, tokens)
            k, v = np.split(reference.dense(attention.key_value, m.reshape(-1, 8)), 2, -1)
            found = reference.attend(q, k, v, bias, np.ones(bias.shape[:2], bool), 2)
            y[at] = reference.dense(attention.out, found).reshape(a.shape)
    return y


@pytest.mark.parametrize(
    ("size", "chunk"), [((1, 1, 1), 8), ((1, 2, 2), None)], ids=["points", "windows with padding"]
)
def test_equals_dense_attention_window_by_window(size, chunk):
    attention = layer(*size, chunk=chunk)
    x, memory = film(4, 3, 5), film(5, 3, 5, key=2)
    # Float32 sums of at most 20 terms of order one.
    np.testing.assert_allclose(
        found(attention, x, memory), expected(attention, x, memory, 3, 5), rtol=1e-4, atol=1e-5
    )


def test_cuboids_in_time_keep_the_distance_of_frames():
    """Memory is filled up before its first frame, the forecast after its last."""
    one, two = (
        CuboidPlan((5, 1, 1), Cuboid((3, 1, 1), strategy="dll"), early=True),
        CuboidPlan((6, 1, 1), Cuboid((3, 1, 1), strategy="dll")),
    )
    numbers = lambda n: jnp.arange(1.0, n + 1).reshape(n, 1, 1, 1)
    np.testing.assert_array_equal(one.cut(numbers(5))[..., 0], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(two.cut(numbers(6))[..., 0], [[1, 3, 5], [2, 4, 6]])
    attention = layer(2, 1, 1)
    x, memory = film(6, 2, 2), film(5, 2, 2, key=2)
    y = found(attention, x, memory)
    # Local in time: the first three frames see the first two, the last three the last three.
    later = found(attention, x, memory.at[2:].add(1.0))
    np.testing.assert_array_equal(y[:3], later[:3])
    assert np.all(np.abs(y[3:] - later[3:]).max(-1) > 1e-4)
    np.testing.assert_array_equal(
        relative_index((8, 1, 1), (2, 1, 1), memory=(3, 1, 1)), [[7, 6, 5], [8, 7, 6]]
    )


def test_shifted_windows_do_not_join_opposite_ends():
    attention = layer(1, 2, 2, shift=(0, 1, 1))
    x, memory = film(2, 4, 4), film(3, 4, 4, key=2)
    y = found(attention, x, memory)
    moved = found(attention, x, memory.at[:, -1, -1].add(1.0))
    changed = np.abs(np.asarray(y - moved)).max((0, 3)) > 0
    assert changed.sum() == 1
    assert changed[-1, -1]


@pytest.mark.parametrize("separate", [False, True])
def test_vectors_are_further_keys(separate):
    """One vector that equals the memory's only token halves the weight of either, and changes nothing."""
    attention = layer(1, 1, 1, vectors=True, separate=separate)
    attention = eqx.tree_at(lambda m: m.bias, attention, 0 * attention.bias)
    x, memory = film(2, 1, 1), film(1, 1, 1, key=2)
    if separate:
        maps = lambda m: (m.vector_query, m.vector_key_value)
        attention = eqx.tree_at(maps, attention, (attention.query, attention.key_value))
    alone = eqx.tree_at(
        lambda m: (m.norm, m.query, m.key_value, m.out, m.bias),
        layer(1, 1, 1),
        (attention.norm, attention.query, attention.key_value, attention.out, attention.bias),
    )
    y = found(attention, x, memory, memory[0, 0])
    # The same sum, halved and added.
    np.testing.assert_allclose(y, found(alone, x, memory), rtol=1e-5, atol=1e-6)
    assert not np.allclose(y, found(attention, x, memory, 2 * memory[0, 0]), atol=1e-3)


def test_frames_without_a_bias_and_missing_vectors_are_refused():
    with pytest.raises(ValueError, match="at most 8 frames, got 9 that ask and 2 in the memory"):
        layer(1, 1, 1)(film(9, 1, 1), film(2, 1, 1))
    with pytest.raises(ValueError, match="global vectors beside the memory, got none"):
        layer(1, 1, 1, vectors=True)(film(2, 1, 1), film(2, 1, 1))
