"""Persistence repeats the last frame, bit for bit."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import Persistence


def test_the_last_frame_again_and_again():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 2, 4, 5)), jnp.float32)
    y = Persistence(time_out=5)(x)
    assert y.shape == (5, 2, 4, 5)
    assert y.dtype == x.dtype
    assert all(np.array_equal(frame, x[-1]) for frame in y)


def test_what_is_no_video_is_refused():
    with pytest.raises(ValueError, match="time_out to be a whole number >= 1, got 0"):
        Persistence(time_out=0)
    for shape in [(0, 1, 2, 2), (3, 1, 2, 0)]:
        with pytest.raises(ValueError, match=r"Persistence expected x of shape \(time, channels"):
            Persistence(time_out=1)(jnp.ones(shape))


@pytest.mark.usefixtures("unchecked")
def test_batches_and_integers_are_refused():
    with pytest.raises(ValueError, match=r"got \(8, 3, 1, 2, 2\); use jax.vmap for batches"):
        Persistence(time_out=1)(jnp.ones((8, 3, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"floating point, got uint8; convert it with x.astype"):
        Persistence(time_out=1)(jnp.ones((3, 1, 2, 2), jnp.uint8))
