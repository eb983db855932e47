"""Rainformer: shapes, size and refusals; its parts are tested with `jaxsci.nn`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import Rainformer

OPTIONS = {
    "time_in": 2,
    "time_out": 3,
    "channels": 2,
    "width": 4,
    "head_size": 2,
    "window": 2,
    "patch": 2,
    "levels": 2,
}


def balance(width, inner, window, hidden):
    """Parameters of one `FeatureBalance`."""
    conv = lambda i, o, k=1: i * o * k**2 + o
    middle = width // 16 or width
    channels = conv(width, middle) + conv(middle, width)
    attention = width * 3 * inner + conv(inner, width) + (2 * window - 1) ** 2
    swin = attention + channels + conv(width, hidden) + conv(hidden, width) + 4 * width
    local = 2 * (conv(width, width, 3) + 2 * width) + channels + 18 + 2
    return local + 2 * swin + conv(2 * width, 2 * width, 3) + 4 * width


def test_parameters(parameters):
    linear = lambda i, o: i * o + o
    expected = (
        linear(2 * 2 * 4, 4) + balance(4, 4, 2, 16)
        + linear(4 * 4, 8) + balance(8, 8, 2, 32)
        + linear(8 // 4, 4) + balance(8, 8, 2, 16)
        + linear(8 // 4, 6) + balance(6, 4, 2, 24)
    )  # fmt: skip
    assert parameters(Rainformer, **OPTIONS) == expected


@pytest.mark.parametrize(("levels", "patch"), [(2, 2), (4, 1), (3, 4)])
def test_shapes_for_any_number_of_levels(levels, patch, filled):
    options = OPTIONS | {"levels": levels, "patch": patch, "width": 8}
    model = filled(Rainformer, **options)
    size = patch * 2 ** (levels - 1) * 2
    x = jax.ShapeDtypeStruct((2, 2, size, 3 * size), jnp.float32)
    y = jax.eval_shape(model, x)
    assert (y.shape, y.dtype) == ((3, 2, size, 3 * size), jnp.float32)


@pytest.mark.slow
def test_it_is_deterministic_and_all_frames_matter(filled):
    model = filled(Rainformer, **OPTIONS)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 2, 8, 8)), jnp.float32)
    run = eqx.filter_jit(lambda x: model(x))
    y = run(x)
    np.testing.assert_array_equal(y, run(x))
    for t in range(2):
        assert jnp.abs(run(x.at[t, :, 3, 3].add(1.0)) - y).max(axis=(1, 2, 3)).min() > 1e-5


def test_bad_input_is_refused(filled, key):
    model = filled(Rainformer, **OPTIONS)
    with pytest.raises(ValueError, match=r"Rainformer expected .* multiples of 8, got 8 and 12"):
        model(jnp.ones((2, 2, 8, 12)))
    with pytest.raises(ValueError, match=r"x of shape \(time=2, channels=2, height, width\)"):
        model(jnp.ones((1, 2, 8, 8)))
    for wrong in ({"head_size": 3}, {"patch": 3}):
        with pytest.raises(ValueError, match="Rainformer expected an even width that is a multip"):
            Rainformer(**(OPTIONS | wrong), key=key)
    with pytest.raises(ValueError, match="levels to be a whole number >= 2, got 1"):
        Rainformer(**(OPTIONS | {"levels": 1}), key=key)
