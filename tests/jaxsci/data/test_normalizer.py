"""Normalisation: moments, round trip, constants, precision, gradients, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.data import Normalizer

FLOAT32 = 1e-5  # a few roundings of numbers that are up to 100 standard deviations from 0


@pytest.fixture
def fields():
    """(sample, time, channel, x, y), channels of very different units."""
    noise = np.random.default_rng(0).normal(size=(5, 4, 3, 6, 7))
    scale, shift = np.array([1.0, 1e-3, 1e5]), np.array([0.0, 0.1, -1e6])
    return (noise * scale[:, None, None] + shift[:, None, None]).astype(np.float32)


def test_encoded_training_fields_have_unit_moments(fields):
    normalizer = Normalizer.fit(fields, ndim=2)
    encoded = np.asarray(normalizer.encode(jnp.asarray(fields)), np.float64)
    assert encoded.shape == fields.shape
    np.testing.assert_allclose(encoded.mean(axis=(0, 1, 3, 4)), 0.0, atol=FLOAT32)
    np.testing.assert_allclose(encoded.std(axis=(0, 1, 3, 4)), 1.0, rtol=FLOAT32)


def test_round_trip_for_one_sample_and_under_vmap(fields):
    normalizer = Normalizer.fit(fields, ndim=2)
    one = jnp.asarray(fields[0, 0])
    np.testing.assert_allclose(normalizer.decode(normalizer.encode(one)), one, rtol=FLOAT32)
    batch = jax.vmap(normalizer.encode)(jnp.asarray(fields[:, 0]))
    np.testing.assert_array_equal(batch[0], normalizer.encode(one))


def test_encoding_does_not_depend_on_the_unit(fields):
    other = np.float32(1024.0) * fields  # a power of two: exact in float32
    encoded = Normalizer.fit(fields, ndim=2).encode(jnp.asarray(fields))
    np.testing.assert_allclose(
        Normalizer.fit(other, ndim=2).encode(jnp.asarray(other)), encoded, atol=FLOAT32
    )


def test_a_constant_channel_becomes_zero_and_comes_back():
    # 0.1 is no float32, and a float32 mean of many would be off in the last digits.
    fields = np.full((1000, 2, 8), np.float32(0.1))
    fields[:, 1] = np.random.default_rng(0).normal(size=(1000, 8))
    normalizer = Normalizer.fit(fields, ndim=1)
    encoded = normalizer.encode(jnp.asarray(fields[0]))
    assert normalizer.std[0] == 1
    np.testing.assert_array_equal(encoded[0], np.zeros(8))
    np.testing.assert_array_equal(normalizer.decode(encoded)[0], fields[0, 0])


def test_precision_follows_the_field(x64):
    fields = np.random.default_rng(0).normal(size=(10, 1, 8))
    normalizer = Normalizer.fit(fields, ndim=1)
    assert normalizer.encode(jnp.asarray(fields[0])).dtype == jnp.float64
    assert normalizer.encode(jnp.asarray(fields[0], jnp.float32)).dtype == jnp.float32
    back = normalizer.decode(normalizer.encode(jnp.asarray(fields[0])))
    np.testing.assert_allclose(back, fields[0], rtol=1e-14, atol=1e-15)  # round-off


def test_a_gaussian_is_decoded_with_its_spread(fields):
    normalizer = Normalizer.fit(fields, ndim=2)
    normal = dist.Normal(jnp.zeros((3, 6, 7)), 0.5 * jnp.ones((3, 6, 7)))
    decoded = normalizer.decode_normal(normal)
    np.testing.assert_allclose(np.asarray(decoded.loc)[:, 0, 0], normalizer.mean, rtol=FLOAT32)
    np.testing.assert_allclose(
        np.asarray(decoded.scale)[:, 0, 0], 0.5 * normalizer.std, rtol=FLOAT32
    )


def test_gradients_pass_through_but_never_reach_the_statistics():
    normalizer = Normalizer(jnp.array([2.0]), jnp.array([4.0]), ndim=1)
    u = jnp.ones((1, 3))
    np.testing.assert_allclose(jax.grad(lambda v: normalizer.encode(v).sum())(u), 0.25)
    slopes = jax.grad(lambda n: n.encode(u).sum() + n.decode(u).sum())(normalizer)
    assert slopes.mean == slopes.std == 0


def test_bad_input_is_refused(fields):
    with pytest.raises(ValueError, match=r"finite fields, got nan at index \(1, 0\)"):
        Normalizer.fit(np.array([[1.0], [np.nan]]), ndim=0)
    with pytest.raises(ValueError, match=r"with 2 space axes and at least one value, got \(3, 4\)"):
        Normalizer.fit(np.zeros((3, 4)), ndim=2)
    with pytest.raises(ValueError, match="at least one value"):
        Normalizer.fit(np.zeros((0, 1, 4)), ndim=1)
    with pytest.raises(ValueError, match="positive scales"):
        Normalizer(jnp.zeros(2), jnp.array([1.0, 0.0]), ndim=1)
    normalizer = Normalizer.fit(fields, ndim=2)
    with pytest.raises(
        ValueError, match=r"channels=3, \*space\) with 2 space axes, got \(2, 6, 7\)"
    ):
        normalizer.encode(jnp.zeros((2, 6, 7)))


def test_bytes_are_normalised_as_numbers():
    """A σ below 1 would be cut to 0, and what is below the mean would wrap."""
    pictures = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    normalizer = Normalizer.fit(pictures, ndim=2)
    expected = (pictures - pictures.mean()) / pictures.std()
    for given in (pictures, jnp.asarray(pictures)):
        np.testing.assert_allclose(normalizer.encode(given), expected, rtol=FLOAT32)
    narrow = Normalizer(np.array([3.0]), np.array([0.25]), ndim=1)
    np.testing.assert_array_equal(narrow.encode(np.array([[2, 3, 4]])), [[-4, 0, 4]])
    np.testing.assert_array_equal(narrow.encode(jnp.array([[2, 3, 4]])), [[-4, 0, 4]])
    np.testing.assert_array_equal(narrow.decode(jnp.array([[-4, 0, 4]])), [[2, 3, 4]])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("xp", [np, jnp])
def test_half_precision_does_not_hold_the_statistics(dtype, xp):
    normalizer = Normalizer(np.array([2e5]), np.array([1e5]), ndim=1)
    encoded = normalizer.encode(xp.asarray([[0.0, 4096.0, 32768.0]], dtype=dtype))
    assert encoded.dtype == dtype
    # One rounding to 8 bits.
    np.testing.assert_allclose(encoded.astype(np.float32), [[-2.0, -1.959, -1.672]], rtol=4e-3)
    decoded = normalizer.decode(encoded)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, [[0.0, 4096.0, 32768.0]], atol=4e-3 * 2e5)


def test_a_high_level_is_normalised_as_a_low_one():
    """Without x64: in single precision 1e8 and 1e8 + 2 are neighbours."""
    noise = np.random.default_rng(0).normal(size=(50, 2, 9))
    low, high = Normalizer.fit(noise, ndim=1), Normalizer.fit(noise + 1e8, ndim=1)
    encoded = high.encode(noise + 1e8)
    assert encoded.dtype == np.float64
    # 1e8 rounds at 1.5e-8.
    np.testing.assert_allclose(encoded, low.encode(noise), atol=1e-7)
    np.testing.assert_allclose(high.decode(encoded), noise + 1e8, rtol=1e-15)
    exact = (noise - noise.mean((0, 2), keepdims=True)) / noise.std((0, 2), keepdims=True)
    np.testing.assert_allclose(low.encode(noise), exact, rtol=1e-12, atol=1e-14)
    through_jax = jax.tree.map(lambda x: x + 0, high)  # as it comes out of a training step
    np.testing.assert_array_equal(through_jax.encode(noise + 1e8), encoded)


def test_any_order_of_bytes_and_nothing_but_numbers(unchecked):
    fields = np.random.default_rng(0).normal(size=(5, 2, 4))
    normalizer = Normalizer.fit(fields.astype(">f8"), ndim=1)
    expected = Normalizer.fit(fields, ndim=1).encode(fields)
    np.testing.assert_array_equal(normalizer.encode(fields.astype(">f8")), expected)
    np.testing.assert_array_equal(normalizer.encode(fields.tolist()), expected)
    for call in (normalizer.encode, normalizer.decode, lambda x: Normalizer.fit(x, ndim=1)):
        for odd in (None, "cold", object(), [[1.0], [1.0, 2.0]]):
            with pytest.raises(TypeError, match=r"Normalizer.* expected fields .*; convert"):
                call(odd)
    with pytest.raises(ValueError, match="real numbers"):
        Normalizer.fit(fields * 1j, ndim=1)
    with pytest.raises(ValueError, match="ndim to be a whole number >= 0, got -1"):
        Normalizer.fit(fields, ndim=-1)
