"""What users pass as arrays: which are numbers, in which precision and order of bytes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci._arrays import floating, native, numbers

DAYS = np.array(["2024-01-01"], "M8[D]")


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", ">u2", ">c16", "<f8", "bool"])
def test_the_order_of_bytes_is_no_part_of_a_number(dtype):
    given = np.array([1, 0, 3], dtype)
    assert native(given).dtype.isnative
    np.testing.assert_array_equal(native(given), given)
    assert numbers("who", "x", given).dtype == given.dtype.newbyteorder("=")
    if given.dtype.kind != "c":
        np.testing.assert_array_equal(floating("who", given), given.astype(np.float32))


@pytest.mark.parametrize(
    "given",
    [None, "1", object(), {"a": 1}, [1, None], [[1], [1, 2]], DAYS, DAYS - DAYS, jax.random.key(0)],
)
def test_what_is_no_number_is_named(given):
    with pytest.raises(TypeError, match=r"^score expected target .* numbers, got .*; convert"):
        numbers("score", "target", given)


def test_hidden_values_of_masked_arrays_are_not_taken_for_numbers():
    with pytest.raises(TypeError, match="got MaskedArray"):
        numbers("score", "target", np.ma.masked_equal([1.0, -999.0], -999.0))
    np.testing.assert_array_equal(numbers("score", "target", np.ma.array([1.0])), [1.0])


def test_precision_stays_and_jax_keeps_its_own():
    assert numbers("who", "x", [1e8 + 1, 1e8]).dtype == np.float64
    half = jnp.ones(2, jnp.bfloat16)
    assert numbers("who", "x", half) is half
    assert jax.jit(lambda x: numbers("who", "x", [x, x]))(1.0).shape == (2,)
