"""Earthformer: published sizes and operations, memory that grows with the tokens, and how it is called."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.speed.operations import multiplications
from jaxsci.nn import CuboidStack, self_pattern
from jaxsci.operators import Earthformer

KEY = jax.random.key(0)


def drawn(build):
    """Weights from NumPy: JAX's compile anew for each shape."""
    random = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(0.3 * random.normal(size=leaf.shape), leaf.dtype)
    is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    return jax.tree.map(
        lambda leaf: draw(leaf) if is_shape(leaf) else leaf, eqx.filter_eval_shape(build)
    )


def abstract(name, **changes):
    return eqx.filter_eval_shape(lambda: Earthformer.preset(name, key=KEY, **changes))


def parameters(model):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(model))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("nbody", 6_702_109),
        ("sevir", 8_659_677),
        ("enso", 1_394_325),
        ("sevir-lr", 1_505_069),
        ("earthnet", 60_477_068),
    ],
)
def test_released_models_have_the_released_number_of_parameters(name, count):
    assert parameters(abstract(name)) == count


@pytest.mark.parametrize(
    ("name", "changes", "millions"),
    [
        ("sevir-paper", {}, 15.082),
        ("sevir-paper", {"num_globals": 0}, 13.075),
        ("enso-paper", {}, 7.600),
        ("enso-paper", {"num_globals": 0}, 6.601),
        ("nbody", {"positions": "t+h+w"}, 6.612),
        ("nbody", {"positions": "t+h+w", "num_globals": 8}, 7.611),
    ],
)
def test_sizes_of_the_paper(name, changes, millions):
    # Printed to three decimals.
    assert parameters(abstract(name, **changes)) == pytest.approx(1e6 * millions, abs=500)


def test_without_the_published_slips_only_the_bias_of_the_decoder_differs():
    """Two years of 12 months for 14: the table of one layer and four heads has 2 (14 − 12) more rows."""
    assert parameters(abstract("enso", compat=None)) - parameters(abstract("enso")) == 4 * 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes", "billions"),
    [
        ("sevir-paper", {}, 255.7),
        ("nbody", {"positions": "t+h+w", "num_globals": 8, "global_attention": True}, 33.7),
    ],
)
def test_operations_are_those_of_the_paper(name, changes, billions, monkeypatch):
    """Its "GFLOPS" are multiplications with additions."""
    # As on other devices, where copies of a point do not share products; and without loops, of which XLA counts
    # the body once.
    for module in ("conv", "frames"):
        monkeypatch.setattr(f"jaxsci.nn.{module}.in_rows", lambda: False)
    model = abstract(name, chunk=10**9, **changes)
    arrays, rest = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    x = jax.ShapeDtypeStruct(model.shape_in, jnp.float32)
    traced = jax.jit(lambda arrays, x: eqx.combine(arrays, rest)(x)).trace(arrays, x)
    # Its printed figure has one decimal.
    assert multiplications(traced.jaxpr) / 1e9 == pytest.approx(billions, rel=0.005)
    flops = traced.lower().cost_analysis()["flops"]
    # XLA counts two for each, and norms, softmax and activations too: more where channels are fewer.
    assert 0.95 < flops / 2e9 / billions < (1.05 if name == "sevir-paper" else 1.13)


def temporary_bytes(pattern, shape):
    stack = eqx.filter_eval_shape(
        lambda: CuboidStack(16, heads=4, pattern=self_pattern(pattern, shape), chunk=256, key=KEY)
    )
    arrays, rest = eqx.partition(stack, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    x = jax.ShapeDtypeStruct((*shape, 16), jnp.float32)
    loss = lambda arrays, x: jnp.sum(eqx.combine(arrays, rest)(x)[0])
    compiled = jax.jit(jax.grad(loss, argnums=1)).lower(arrays, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def slope(pattern, shapes):
    tokens = [math.log(math.prod(shape)) for shape in shapes]
    sizes = [math.log(temporary_bytes(pattern, shape)) for shape in shapes]
    return float(np.polyfit(tokens, sizes, 1)[0])


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_memory_of_axial_attention_grows_with_the_tokens(axis):
    shape = [16, 32, 32]
    shapes = [(*shape[:axis], 16 * 2**i, *shape[axis + 1 :]) for i in range(4)]
    assert slope("axial", shapes) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_memory_of_full_attention_grows_with_their_square():
    """What the test above would see if scores of all tokens existed at once."""
    # Below two, as at some sizes the compiler lives with one array of scores less.
    assert slope("full", [(4, 8, 8 * 2**i) for i in range(4)]) > 1.4


SMALL = {"shape_in": (3, 2, 9, 8), "shape_out": (2, 1, 9, 8), "base": 8, "heads": 2}


def small(**changes):
    options = {"depth": (1,), "pattern": "divided_st", "chunk": 10**6, **SMALL, **changes}
    return drawn(lambda: Earthformer(key=KEY, **options))


def film(frames=3, channels=2):
    random = np.random.default_rng(1)
    return jnp.asarray(random.normal(size=(frames, channels, 9, 8)), jnp.float32)


call = eqx.filter_jit(lambda model, *films, **options: model(*films, **options))


def test_two_levels_forecast_and_dropout_needs_a_key():
    model = small(depth=(1, 1), pattern="full", num_globals=2)
    x = film()
    y = call(model, x)
    assert y.shape == (2, 1, 9, 8)
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, call(model, x))
    one, two, other = (call(model, x, key=jax.random.key(i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)
    assert np.any(one != y)


def test_nothing_but_the_memory_carries_the_input():
    model = small()
    x = film()
    assert np.any(np.abs(call(model, x) - call(model, 2 * x + 1)) > 1e-3)
    silent = eqx.tree_at(
        lambda m: m.decoder.readings[0][0].attentions[0].key_value.weight,
        model,
        replace_fn=jnp.zeros_like,
    )
    # Keys and values of zero: each query finds the same, whatever was observed.
    np.testing.assert_array_equal(call(silent, x), call(silent, 2 * x + 1))


def test_decoders_read_global_vectors_when_asked():
    for read in (False, True):
        model = small(num_globals=2, decoder_globals=read)
        last = lambda m: m.encoder.levels[0][0].attentions[-1].vectors.out.weight
        changed = eqx.tree_at(last, model, replace_fn=lambda w: w + 1)
        assert bool(np.any(call(model, film()) != call(changed, film()))) == read


def test_what_is_known_of_the_future_enters_the_forecast():
    model = small(auxiliary=5)
    past, future = jnp.ones((3, 5, 3, 4)), jnp.ones((2, 5, 3, 4))
    y = call(model, film(), past, future)
    assert y.shape == (2, 1, 9, 8)
    ramp = jnp.linspace(0.0, 1.0, 12).reshape(1, 1, 3, 4)
    assert np.any(np.abs(y - call(model, film(), past, future * ramp)) > 1e-3)
    assert np.any(np.abs(y - call(model, film(), past * ramp, future)) > 1e-3)
    with pytest.raises(
        ValueError, match=r"future of shape \(time, channels=5, height, .* got none"
    ):
        model(film(), past)
    with pytest.raises(ValueError, match=r"expected x alone, got auxiliary fields"):
        small()(film(), past, future)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape_in": (0, 2, 9, 8)}, "frames of shape_in to be a whole number >= 1, got 0"),
        ({"shape_in": (3, 9, 8)}, r"shape_in as a tuple \(time, channels, height, width\)"),
        (
            {"shape_in": (3, 2, 8, 8)},
            r"same height and width in shape_in and shape_out, got \(8, 8\) and \(9, 8\)",
        ),
        ({"base": 9}, "heads to divide the width, got width=9 and heads=2"),
        ({"depth": 2}, r"depth as a tuple.*got 2; write depth=\(1, 1\)"),
        ({"depth": (1, 0)}, "each depth to be a whole number >= 1, got 0"),
        ({"depth": (1,) * 5}, r"use fewer levels or smaller patches"),
        ({"stem": ((4, 2),)}, r"last stage of the stem with base=8 channels, got \(\(4, 2\),\)"),
        ({"stem": ((8, 16),)}, r"\(9, 8\) is left for a patch \(16, 16\)"),
        ({"pattern": "axle"}, "self_pattern expected full, axial"),
        ({"pattern": "video_swin_4x2"}, r"windows that fit the finest tokens \(3, 5, 4\).*4x2"),
        ({"pattern": "spatial_lg_8"}, "windows that fit the finest tokens"),
        (
            {"pattern": "video_swin_2x1"},
            r"divide the tokens \(3 frames in and 2 out, 5 x 4\), got 'video_swin_2x1'; .* pad=True",
        ),
        ({"pattern": "spatial_lg_2"}, r"divide the tokens .* 5 x 4\)"),
        ({"cross": "cross_2x2"}, r"divide the tokens .* 5 x 4\)"),
        ({"cross": "cross_8x8"}, "windows that fit the finest tokens"),
        ({"positions": "thw"}, "expected 't\\+h\\+w' or 't\\+hw'"),
        ({"dropout": 1.0}, "share of entries"),
        ({"compat": "torch"}, "compat None or 'earthformer', got 'torch'"),
        ({"num_globals": -1}, "num_globals to be a whole number >= 0, got -1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


@pytest.mark.parametrize("changes", [{"pad": True}, {"compat": "earthformer"}])
def test_windows_that_do_not_divide_are_filled_up_where_that_is_asked_for(changes):
    model = small(pattern="spatial_lg_2", cross="cross_2x2", **changes)
    assert np.isfinite(model(film())).all()


@pytest.mark.usefixtures("unchecked")
def test_other_inputs_and_names_are_refused(unchecked):
    with pytest.raises(ValueError, match="x in floating point, got int32"):
        small()(film().astype(jnp.int32))
    model = small()
    for wrong in (film(2), film()[None], film(channels=1)):
        with pytest.raises(ValueError, match=r"x of shape \(3, 2, 9, 8\) .*use jax.vmap"):
            model(wrong)
    with pytest.raises(ValueError, match=r"one of nbody, sevir, .*got 'mars'"):
        Earthformer.preset("mars", key=KEY)
    with pytest.raises(TypeError, match="random key, got 0"):
        Earthformer(**SMALL, key=0)
