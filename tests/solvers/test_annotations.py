"""Values against annotations: what fits as a person reads them, and the words for what does not."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Shaped

from solvers import Grid
from solvers._annotations import misfit

FITS = [
    (Float[Array, "n"], np.ones(3)),
    (Float[Array, "n"], np.ones(3, ">f4")),
    (Float[Array, "n"], jnp.ones(3, jnp.bfloat16)),
    (Float[Array, "n"], np.arange(3)),
    (Float[Array, ""], 1.0),
    (Float[Array, "*space n 2"], np.ones((4, 5, 3, 2))),
    (Float[Array, "*space n"], np.ones(3)),
    (Float[Array, "n+1"], np.ones(3)),
    (Float[Array, "..."], np.ones((1, 2))),
    (Int[Array, "n"], np.arange(3, dtype=np.uint8)),
    (Bool[Array, "n"], np.array([True])),
    (Shaped[np.ndarray, "n"], np.array(["a", None], object)),
    (Key[Array, ""], jax.random.key(0)),
    (Array, jax.random.key(0)),
    (ArrayLike, 1),
    (ArrayLike | Grid, Grid.uniform(0.0, 1.0, 4)),
    (float, np.float32(1.0)),
    (float, 1),
    (int, np.int64(3)),
    (bool, np.True_),
    (bool, 1),
    (str | None, None),
    (Literal["a", "b"], "a"),
    (tuple[int, ...], (1, 2)),
    (tuple[int, float], (1, 2.0)),
    (Sequence[str], ["a"]),
    (Mapping[str, int], {"a": 1}),
    (Callable[[int], int], abs),
    (Grid, Grid.uniform(0.0, 1.0, 4)),
    (Any, object()),
]
MISFITS = [
    (Float[Array, "n"], None, "an array of real numbers of shape (n)"),
    (Float[Array, "n"], "text", "an array of real numbers of shape (n)"),
    (Float[Array, "n"], np.ones(3, complex), "an array of real numbers of shape (n)"),
    (Float[Array, "n"], np.array(["a"]), "an array of real numbers of shape (n)"),
    (Float[Array, "n"], np.array([object()]), "an array of real numbers of shape (n)"),
    (Float[Array, "n"], np.ones((2, 3)), "an array of real numbers of shape (n)"),
    (Float[Array, "*space n 2"], np.ones(2), "an array of real numbers of shape (*space, n, 2)"),
    (Float[Array, "n 2"], np.ones((4, 3)), "an array of real numbers of shape (n, 2)"),
    (Int[Array, ""], 0.5, "an array of whole numbers"),
    (Key[Array, ""], 0, "an array of random keys"),
    (Float[Array, ""], jax.random.key(0), "an array of real numbers"),
    (ArrayLike, "text", "an array"),
    (ArrayLike, np.array(["1.0"]), "an array"),
    (ArrayLike, ["1.0"], "an array"),
    (
        Float[Array, "n"] | Sequence[float],
        np.array(["1.0"]),
        "an array of real numbers of shape (n) or a seq",
    ),
    (Int[ArrayLike, ""], np.ones(2, int), "an array of whole numbers or"),
    (Path, object(), "a path"),
    (tuple[Array, Array], np.float32(1.0), "a sequence"),
    (float, 1j, "a number"),
    (float, "0.5", "a number"),
    (int, 1.5, "a whole number"),
    (int, 2**70, "a whole number"),
    (ArrayLike, np.array(["a"]), "an array of numbers"),
    (Iterable[int], 3, "values to go through"),
    (Sized, 3, "a Sized"),
    (list[int], 3, "a sequence"),
    (bool, "yes", "True or False"),
    (bool, 2, "True or False"),
    (str | None, 3, "a text or None"),
    (Literal["a", "b"], "c", "one of 'a', 'b'"),
    (tuple[int, ...], 3, "a sequence"),
    (tuple[int, float], (1,), "2 values"),
    (Sequence[str], "text", "a sequence"),
    (Sequence[int], (1, "b"), "a sequence with a whole number in each place"),
    (Mapping[str, int], [1], "a mapping"),
    (Callable[[int], int], 3, "a function"),
    (Grid, 3, "a Grid"),
]


@pytest.mark.parametrize(("annotation", "value"), FITS)
def test_what_fits(annotation, value):
    assert misfit(annotation, value, {}, strict=True) is None


@pytest.mark.parametrize(("annotation", "value", "expected"), MISFITS)
def test_what_does_not_fit_is_told(annotation, value, expected):
    found = misfit(annotation, value, {}, strict=True)
    assert found is not None
    assert found.expected.startswith(expected)


def test_named_axes_agree_between_arguments():
    sizes = {}
    assert misfit(Float[Array, "n m"], np.ones((3, 2)), sizes, strict=False) is None
    assert misfit(Float[Array, "m"], np.ones(2), sizes, strict=False) is None
    found = misfit(Float[Array, "n"], np.ones(4), sizes, strict=False)
    assert "n=3 as in the rest" in found.expected


def test_one_axis_more_is_a_batch():
    found = misfit(Float[Array, "channels nx"], np.ones((8, 3, 64)), {}, strict=True)
    assert found.remedy == "use jax.vmap for batches"


def test_lists_that_went_well_are_not_told():
    assert misfit(Float[Array, "n"], [1.0, 2.0], {}, strict=False) is None
    assert misfit(Float[Array, "n"], [1.0, 2.0], {}, strict=True) is not None
    assert misfit(Float[Array, "n"], ["a"], {}, strict=False) is not None
