"""Layers on films against their definitions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Enlarge, FrameConv, FrameNorm, PatchMerge, PositionEmbedding
from jaxsci.nn.frames import nearest

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (2, 5, 4, 8))


def test_convolution_is_that_of_each_frame():
    ours = FrameConv(8, 3, key=KEY)
    peer = eqx.nn.Conv2d(8, 3, 3, padding=1, key=KEY)
    peer = eqx.tree_at(
        lambda m: (m.weight, m.bias),
        peer,
        (ours.weight.transpose(3, 2, 0, 1), ours.bias[:, None, None]),
    )
    expected = jax.vmap(peer)(X.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    # Float32 sums of 72 terms.
    np.testing.assert_allclose(ours(X), expected, rtol=1e-4, atol=1e-5)


def test_norm_is_the_group_norm_of_each_frame():
    expected = jax.vmap(eqx.nn.GroupNorm(2, 8))(X.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(FrameNorm(8, groups=2)(X), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(
        ValueError, match="groups to divide the channels, got channels=8 and groups=3"
    ):
        FrameNorm(8, groups=3)


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


def test_enlarging_repeats_and_convolves():
    enlarge = Enlarge(8, 3, size=(10, 9), key=KEY)
    np.testing.assert_array_equal(enlarge(X), enlarge.conv(nearest(X, (2, 10, 9))))


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
