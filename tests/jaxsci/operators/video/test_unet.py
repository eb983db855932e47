"""U-Net: its symmetry on a periodic field, its size, and what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import UNet

OPTIONS = {"time_in": 2, "time_out": 3, "channels": 2, "width": 4, "depth": 2}


def test_forecasts_move_with_their_input_by_the_coarsest_points(filled):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 2, 16, 12)), jnp.float32)
    move = lambda a, by: jnp.roll(a, by, axis=(2, 3))
    model = eqx.filter_jit(filled(UNet, periodic=True, **OPTIONS))
    y = model(x)
    assert y.shape == (3, 2, 16, 12)
    # Single precision; the normalisations sum the same numbers in another order.
    np.testing.assert_allclose(model(move(x, (4, 8))), move(y, (4, 8)), rtol=1e-3, atol=1e-4)
    assert jnp.abs(model(move(x, (1, 1))) - move(y, (1, 1))).max() > 1e-2
    walled = eqx.filter_jit(filled(UNet, **OPTIONS))
    assert jnp.abs(walled(move(x, (4, 8))) - move(walled(x), (4, 8))).max() > 1e-2


def test_every_frame_in_reaches_every_frame_out(filled):
    model = filled(UNet, **OPTIONS)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 2, 8, 8)), jnp.float32)
    jacobian = eqx.filter_jit(jax.jacrev(lambda x: model(x).sum(axis=(1, 2, 3))))(x)
    assert jnp.all(jnp.abs(jacobian).max(axis=(3, 4)) > 0)


def test_parameters(parameters):
    double = lambda i, o: (i + o) * o * 9 + 6 * o
    pointwise = lambda i, o: i * o + o
    expected = (
        double(2 * 2, 4) + double(4, 8) + double(8, 16)
        + pointwise(16, 4 * 8) + double(16, 8)
        + pointwise(8, 4 * 4) + double(8, 4)
        + pointwise(4, 3 * 2)
    )  # fmt: skip
    assert parameters(UNet, **OPTIONS) == expected


def test_bad_input_is_refused(filled, key):
    model = filled(UNet, **OPTIONS)
    with pytest.raises(ValueError, match=r"UNet expected x of shape \(time=2, channels=2, height"):
        model(jnp.ones((3, 2, 8, 8)))
    with pytest.raises(ValueError, match="multiples of 4, got 8 and 10; pad or crop"):
        model(jnp.ones((2, 2, 8, 10)))
    with pytest.raises(ValueError, match="UNet expected depth to be a whole number >= 1, got 0"):
        UNet(**(OPTIONS | {"depth": 0}), key=key)
