"""Earthformer-UNet: published size, what it reads, and what it starts from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import EarthformerUNet

SMALL = {"shape_past": (3, 2, 4, 6), "shape": (2, 2, 4, 6), "base": 8, "heads": 2}


@pytest.fixture
def model(filled):
    return filled(EarthformerUNet, **SMALL)


def films():
    x, past = jax.random.split(jax.random.key(1))
    return jax.random.normal(x, SMALL["shape"]), jax.random.normal(past, SMALL["shape_past"])


def test_published_size(parameters):
    assert parameters(lambda **o: EarthformerUNet.preset("sevir-lr", **o)) == 136_817_538


def test_at_first_it_finds_no_noise():
    x, past = films()
    start = eqx.filter_jit(lambda key: EarthformerUNet(**SMALL, key=key)(x, 3, past))
    np.testing.assert_array_equal(start(jax.random.key(0)), jnp.zeros_like(x))


@pytest.mark.usefixtures("x64")
def test_it_reads_the_frames_before_the_noise_and_the_step(filled):
    model = filled(EarthformerUNet, dtype=np.float64, **SMALL)
    x, past = films()
    call = eqx.filter_jit(model)
    found = call(x, jnp.asarray(10), past)
    for other in (
        call(x, jnp.asarray(11), past),
        call(x.at[0, 0, 0, 0].add(1.0), jnp.asarray(10), past),
        call(x, jnp.asarray(10), past.at[0, 0, 0, 0].add(1.0)),
    ):
        # Each point of the output reads each of the input: attention along all axes, twice.
        assert float(jnp.abs(other - found).min()) > 0


def test_known_frames_are_told_from_noisy_ones(filled):
    """With as many frames before as to come, swapping them is seen by the channel that tells which is which."""
    model = filled(EarthformerUNet, **SMALL | {"shape_past": SMALL["shape"]})
    # Without what tells time apart otherwise.
    model = eqx.tree_at(lambda m: m.positions, model, jax.tree.map(jnp.zeros_like, model.positions))
    x, _ = films()
    told = model(x, 1, x)
    first = model.first
    blind = eqx.tree_at(
        lambda m: (m.first.convs[0].weight, m.first.shortcut.weight),
        model,
        (first.convs[0].weight.at[..., -1, :].set(0), first.shortcut.weight.at[..., -1, :].set(0)),
    )
    assert float(jnp.abs(told - blind(x, 1, x)).max()) > 1e-3


def test_dropout_needs_a_key(model):
    x, past = films()
    call = eqx.filter_jit(lambda m, key=None: m(x, 5, past, key=key))
    np.testing.assert_array_equal(call(model), call(model))
    one, same, other = (call(model, jax.random.key(i)) for i in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert float(jnp.abs(one - other).max()) > 1e-4
    assert float(jnp.abs(one - call(model)).max()) > 1e-4


def test_wrong_input_is_refused(model, unchecked):
    x, past = films()
    with pytest.raises(ValueError, match="expected x of shape"):
        model(x[None], 0, past)
    with pytest.raises(ValueError, match="expected past of shape"):
        model(x, 0, past[1:])
    with pytest.raises(ValueError, match="past in floating point, got int32"):
        model(x, 0, past.astype(int))
    key = jax.random.key(0)
    for changes, message in (
        ({"shape": (2, 1, 4, 6)}, "as many channels"),
        ({"shape": (2, 2, 4, 4)}, "same height and width"),
        ({"base": 9}, "heads"),
        ({"base": 9, "heads": 3}, "an even base"),
        ({"depth": 2}, "depth as a tuple"),
        ({"depth": (1, 1, 1, 1)}, "fewer levels"),
        ({"pattern": "video_swin_2x2"}, "windows that divide"),
        ({"pattern": "none"}, "pattern expected"),
        ({"positions": "x"}, "PositionEmbedding expected"),
    ):
        with pytest.raises(ValueError, match=message):
            EarthformerUNet(**SMALL | changes, key=key)
    with pytest.raises(TypeError, match="expected a random key"):
        EarthformerUNet(**SMALL, key=0)
    with pytest.raises(ValueError, match="expected 'sevir-lr'"):
        EarthformerUNet.preset("sevir", key=key)
