"""Hierarchies: what they are made of, what they refuse, and their rows."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import Hierarchy

LABELS = {"purpose": ["work", "work", "play", "play", "play"], "state": ["N", "S", "N", "S", "W"]}


def test_labels_are_nested_from_the_total_down():
    tree = Hierarchy.from_labels(LABELS)
    assert tree.ids == (
        *("total", "work", "play"),
        *("work/N", "work/S", "play/N", "play/S", "play/W"),
    )
    expected = [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], *np.eye(5, dtype=int)]
    np.testing.assert_array_equal(tree.summing, expected)
    assert tree.bottom == (3, 4, 5, 6, 7)


def test_labels_may_cross_and_bottom_series_have_names():
    table = pd.DataFrame(LABELS, index=list("vwxyz"))
    crossed = [(), ("purpose",), ("state",)]
    tree = Hierarchy.from_labels(table, levels=crossed, ids=list("abcde"))
    assert tree.ids == ("total", "work", "play", "N", "S", "W", *"abcde")
    np.testing.assert_array_equal(tree.summing[3], [1, 0, 1, 0, 0])


def test_rows_hold_for_sums_alone(x64):
    tree = Hierarchy.from_labels(LABELS)
    y = tree.aggregate(jnp.arange(10.0).reshape(2, 5))
    np.testing.assert_array_equal(y[0], [10, 1, 9, 0, 1, 2, 3, 4])
    np.testing.assert_array_equal(tree.constraint.residual(y), np.zeros((2, 3)))
    off = tree.constraint.residual(y.at[0, 0].add(1.0).at[1, 7].add(1.0))
    np.testing.assert_array_equal(off, [[1, 0, 0], [-1, 0, -1]])


def test_any_order_and_a_single_part(x64):
    """The bottom series stand anywhere; an aggregate of one series is a series of its own."""
    tree = Hierarchy(np.array([[0, 1], [1, 0], [1, 1], [0, 1]]), ["only", "a", "total", "b"])
    assert tree.bottom == (1, 3)
    np.testing.assert_array_equal(tree.aggregate(jnp.array([2.0, 3.0])), [3, 2, 5, 3])
    assert tree.constraint.rows.shape == (2, 4)


@pytest.mark.parametrize(
    ("summing", "ids", "message"),
    [
        ([[1, 1], [1, 0]], "ta", r"columns \[1\] without"),
        ([[0.5, 0.5], [1, 0], [0, 1]], "tab", "zeros and ones"),
        ([1, 1], "ab", "zeros and ones"),
        ([[0, 0], [1, 0], [0, 1]], "tab", "row 0 of zeros"),
        ([[1, 0], [0, 1]], "ab", "no aggregate"),
        ([[1, 1], [1, 0], [0, 1]], "ta", "3 different ids, .* got 2"),
        ([[1, 1], [1, 0], [0, 1]], "taa", r"\['a'\] repeat"),
    ],
)
def test_refuses_what_is_no_summing_matrix(summing, ids, message):
    with pytest.raises(ValueError, match=message):
        Hierarchy(np.array(summing), list(ids))


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ({"a": ["x", "x"]}, {}, "'x' twice"),
        ({"a": ["x", None]}, {}, "missing ones"),
        ({}, {}, "got none"),
        ({"a": ["x", "y"]}, {"levels": [("b",)]}, r"got \['b'\]"),
        ({"a": ["x", "y"]}, {"ids": ["z"]}, "3 different ids"),
        ({"a": ["x", "y"], "b": ["x", "x"]}, {"levels": [("a",), ("b",)]}, "'x'.* repeat"),
    ],
)
def test_refuses_labels(labels, options, message):
    with pytest.raises(ValueError, match=message):
        Hierarchy.from_labels(labels, **options)


def test_aggregate_refuses_other_series():
    with pytest.raises(ValueError, match="5 bottom series"):
        Hierarchy.from_labels(LABELS).aggregate(jnp.ones((5, 4)))


def test_groups_are_told_apart_by_their_labels_not_by_their_names():
    """("a/b", "c") and ("a", "b/c") are written alike; one sum of both would be neither."""
    labels = {"state": ["a/b", "a"], "city": ["c", "b/c"], "shop": ["1", "2"]}
    with pytest.raises(ValueError, match=r"which .'a/b/c'. repeat; name every series once"):
        Hierarchy.from_labels(labels)
