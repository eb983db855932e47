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
    """Its last map is zero: the output is, whatever goes in."""
    last = jax.jit(lambda key: EarthformerUNet(**SMALL, key=key).last)(jax.random.key(0))
    assert all(not leaf.any() for leaf in jax.tree.leaves(last))


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


@pytest.mark.usefixtures("x64")
def test_it_is_its_formula(filled):
    """Of two levels, one stack each."""
    model = filled(EarthformerUNet, dtype=np.float64, **SMALL | {"depth": (1, 1)})
    x, past = (film.astype(float) for film in films())
    film = np.moveaxis(np.concatenate([past, x]), 1, -1)
    known = np.zeros((5, 4, 6, 1))
    known[:3] = 1
    tokens = model.first(jnp.asarray(np.concatenate([film, known], -1)))
    time, high, wide = model.positions.tables
    fine = tokens + time + high + wide
    step = model.step(10, jnp.float64)
    level = lambda way, i, v: way.stacks[i][0](way.blocks[i](v, step))[0]
    fine = level(model.down, 0, fine)
    coarse = level(model.down, 1, model.merges[0](fine))
    up = model.enlarge[0](level(model.up, 1, coarse))
    up = level(model.up, 0, up + fine)[3:]
    expected = up @ model.last.weight.T + model.last.bias
    # Double precision.
    np.testing.assert_allclose(
        eqx.filter_jit(model)(x, 10, past), jnp.moveaxis(expected, -1, 1), rtol=1e-9
    )
    assert model.first.norms[0].groups == 3


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
    with pytest.raises(ValueError, match="expected one step"):
        model(x, jnp.zeros(2, int), past)
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
        ({"chunk": 0}, "chunk to be a whole number"),
        ({"shape_past": (3, 2, 4)}, "shape_past as a tuple"),
        ({"shape": (0, 2, 4, 6)}, "frames of shape to be"),
        ({"positions": "x"}, "PositionEmbedding expected"),
    ):
        with pytest.raises(ValueError, match=message):
            EarthformerUNet(**SMALL | changes, key=key)
    with pytest.raises(TypeError, match="expected a random key"):
        EarthformerUNet(**SMALL, key=0)
    with pytest.raises(ValueError, match="expected 'sevir-lr'"):
        EarthformerUNet.preset("sevir", key=key)
