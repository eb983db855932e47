"""Layers on films against their definitions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Enlarge, PatchMerge, PositionEmbedding
from jaxsci.nn.frames import nearest

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (2, 5, 4, 8))


def test_patches_are_filled_up_with_zeros_and_laid_out_row_by_row():
    merge = PatchMerge(8, 32, patch=(2, 2), key=KEY)
    merge = eqx.tree_at(lambda m: (m.norm, m.reduce.weight), merge, (lambda x: x, jnp.eye(32)))
    y = merge(X)
    assert y.shape == (2, 3, 2, 32)
    np.testing.assert_array_equal(y[1, 1, 1], X[1, 2:4, 2:4].ravel())
    np.testing.assert_array_equal(y[:, 2, :, 16:], 0)


def test_nearest_point_is_the_one_before():
    film = jnp.arange(5.0).reshape(1, 5, 1, 1)
    for m in (1, 3, 5, 7, 10):
        expected = [int(np.floor(i * 5 / m)) for i in range(m)]
        np.testing.assert_array_equal(nearest(film, (1, m, 1)).ravel(), expected)


@pytest.mark.parametrize("size", [(10, 9), (10, 8), (5, 12)])
def test_enlarging_repeats_and_convolves(size):
    enlarge = Enlarge(8, 3, size=size, key=KEY)
    expected = jax.vmap(enlarge.conv)(nearest(X, (2, *size)))
    # Sums of 72 terms of order one in single precision.
    np.testing.assert_allclose(enlarge(X), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["t+h+w", "t+hw"])
def test_positions_are_added(kind):
    embedding = PositionEmbedding(8, shape=(2, 5, 4), kind=kind, key=KEY)
    added = embedding(X) - X
    a, *rest = embedding.tables
    point = sum(t[0, min(3, t.shape[1] - 1), min(2, t.shape[2] - 1)] for t in rest)
    np.testing.assert_allclose(added[1, 3, 2], a[1, 0, 0] + point, atol=1e-6)
    sizes = {"t+h+w": 8 * (2 + 5 + 4), "t+hw": 8 * (2 + 20)}
    assert sum(t.size for t in embedding.tables) == sizes[kind]


@pytest.mark.usefixtures("unchecked")
def test_other_positions_are_refused():
    with pytest.raises(ValueError, match="expected 't\\+h\\+w' or 't\\+hw', got 'thw'"):
        PositionEmbedding(8, shape=(2, 5, 4), kind="thw", key=KEY)
