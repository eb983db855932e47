"""Earthformer beside the authors' own code: the same numbers from the same weights, slips included."""

import importlib
import importlib.machinery
import sys
import types
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import Earthformer, with_released_weights
from jaxsci.operators.earthformer.presets import PRESETS

KEY = jax.random.key(0)
# What every published configuration has in common, in the words of the authors' code.
COMMON = {
    "enc_use_inter_ffn": True,
    "dec_use_inter_ffn": True,
    "use_dec_self_global": False,
    "dec_self_update_global": True,
    "use_dec_cross_global": False,
    "use_global_vector_ffn": False,
    "ffn_activation": "gelu",
    "padding_type": "zeros",
    "checkpoint_level": 0,
    "num_heads": 4,
}
# Ours, the presets on small films, and the same in the words of theirs. Self-attention has padding; their
# cross-attention fails with any.
CASES = {
    "as for N-body": (
        PRESETS["nbody"]
        | {"shape_in": (5, 1, 10, 14), "shape_out": (4, 1, 10, 14), "depth": (2, 2)},
        {
            "initial_downsample_type": "conv",
            "initial_downsample_scale": 2,
            "final_upsample_conv_layers": 1,
            "pos_embed_type": "t+hw",
            "num_global_vectors": 0,
        },
    ),
    "as for ENSO": (
        PRESETS["enso"] | {"shape_in": (3, 1, 8, 12), "shape_out": (5, 1, 8, 12)},
        {
            "initial_downsample_type": "conv",
            "initial_downsample_scale": [1, 1, 2],
            "final_upsample_conv_layers": 1,
            "pos_embed_type": "t+h+w",
            "num_global_vectors": 0,
        },
    ),
    "as for SEVIR": (
        PRESETS["sevir"]
        | {
            "shape_in": (4, 1, 36, 24),
            "shape_out": (3, 1, 36, 24),
            "base": 16,
            "stem": ((8, 3), (16, 2)),
            "num_globals": 3,
        },
        {
            "initial_downsample_type": "stack_conv",
            "initial_downsample_stack_conv_num_layers": 2,
            "initial_downsample_stack_conv_dim_list": [8, 16],
            "initial_downsample_stack_conv_downscale_list": [3, 2],
            "initial_downsample_stack_conv_num_conv_list": [2, 2],
            "pos_embed_type": "t+h+w",
            "num_global_vectors": 3,
            "separate_global_qkv": True,
            "use_global_self_attn": True,
        },
    ),
    "shifted windows and one map for all": (
        {
            "shape_in": (5, 1, 24, 16),
            "shape_out": (3, 1, 24, 16),
            "base": 16,
            "stem": ((16, 2),),
            "pattern": "video_swin_2x4",
            "cross": "cross_2x2_heter",
            "num_globals": 2,
            "global_attention": True,
            "global_feed_forward": True,
            "decoder_globals": True,
        },
        {
            "initial_downsample_type": "stack_conv",
            "initial_downsample_stack_conv_num_layers": 1,
            "initial_downsample_stack_conv_dim_list": [16],
            "initial_downsample_stack_conv_downscale_list": [2],
            "initial_downsample_stack_conv_num_conv_list": [2],
            "pos_embed_type": "t+h+w",
            "num_global_vectors": 2,
            "separate_global_qkv": False,
            "use_global_self_attn": True,
            "use_global_vector_ffn": True,
            "use_dec_cross_global": True,
        },
    ),
    "as for EarthNet": (
        PRESETS["earthnet"]
        | {
            "shape_in": (3, 4, 16, 16),
            "shape_out": (5, 4, 16, 16),
            "base": 16,
            "stem": ((8, 2), (16, 2)),
            "auxiliary": 2,
            "num_globals": 3,
        },
        {
            "initial_downsample_type": "stack_conv",
            "initial_downsample_stack_conv_num_layers": 2,
            "initial_downsample_stack_conv_dim_list": [8, 16],
            "initial_downsample_stack_conv_downscale_list": [2, 2],
            "initial_downsample_stack_conv_num_conv_list": [2, 2],
            "pos_embed_type": "t+hw",
            "num_global_vectors": 3,
            "separate_global_qkv": True,
            "use_global_self_attn": True,
            "auxiliary_channels": 2,
            "unet_dec_cross_mode": "both",
        },
    ),
}


def original(name: str):
    """A module of the authors' code, without what their package imports beside it."""
    pytest.importorskip("einops")
    spec = importlib.machinery.PathFinder.find_spec("earthformer")
    if spec is None or spec.origin is None:
        pytest.skip("the authors' code is not installed: pip install --no-deps earthformer")
    if "earthformer" not in sys.modules:
        package = types.ModuleType("earthformer")
        package.__path__ = [str(Path(spec.origin).parent)]
        sys.modules["earthformer"] = package
    return importlib.import_module(f"earthformer.cuboid_transformer.{name}")


def theirs(ours: dict, options: dict):
    """The authors' model of the sizes of ours, with weights that are not small."""
    torch = pytest.importorskip("torch")
    unet = "auxiliary" in ours
    module = original("cuboid_transformer_unet_dec" if unet else "cuboid_transformer")
    make = module.CuboidTransformerAuxModel if unet else module.CuboidTransformerModel
    depth = list(ours.get("depth", (1, 1)))
    pattern, cross = ours.get("pattern", "axial"), ours.get("cross", "cross_1x1")
    shape = lambda films: (films[0], *films[2:], films[1])
    torch.manual_seed(0)
    model = make(
        input_shape=shape(ours["shape_in"]),
        target_shape=shape(ours["shape_out"]),
        base_units=ours["base"],
        enc_depth=depth,
        dec_depth=depth,
        enc_attn_patterns=[pattern] * len(depth),
        dec_self_attn_patterns=[pattern] * len(depth),
        dec_cross_attn_patterns=[cross] * len(depth),
        **({} if unet else {"dec_use_first_self_attn": False, "z_init_method": "zeros"}),
        **(COMMON | options),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("name", CASES)
def test_the_authors_weights_give_the_authors_forecast(name):
    ours, options = CASES[name]
    peer = theirs(ours, options)
    torch = pytest.importorskip("torch")
    weights = {key: value.numpy() for key, value in peer.state_dict().items()}
    model = with_released_weights(Earthformer(**ours, compat="earthformer", key=KEY), weights)
    random = np.random.default_rng(0)
    films = [random.normal(size=ours["shape_in"]).astype(np.float32)]
    if "auxiliary" in ours:
        for frames in (ours["shape_in"][0], ours["shape_out"][0]):
            shape = (frames, ours["auxiliary"], *ours["shape_in"][2:])
            films.append(random.normal(size=shape).astype(np.float32))
    with torch.no_grad():
        expected = peer(*(torch.tensor(np.moveaxis(film, 1, -1)[None]) for film in films))
    expected = np.moveaxis(expected[0].numpy(), -1, 1)
    found = np.asarray(eqx.filter_jit(model)(*map(jnp.asarray, films)))
    # Round-off of single precision through some thirty layers.
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def named(model):
    """Weights by the authors' names, from a model of ours, as its checkpoint would have them."""
    from jaxsci.operators.earthformer import released

    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_inexact_array))
    weights = {}
    for path, leaf in leaves:
        value, name = np.asarray(leaf), released._name(model, path, staged=True)
        if "_embed." in name:
            value = value.reshape(-1, value.shape[-1])
        elif value.ndim == 4:
            value = value.transpose(3, 2, 0, 1)
        weights[name] = value
    return weights


@pytest.fixture(scope="module")
def small():
    return Earthformer(
        **(CASES["as for ENSO"][0] | {"base": 8, "stem": ((8, (1, 2)),)}),
        compat="earthformer",
        key=KEY,
    )


def test_weights_come_back(small):
    empty = jax.tree.map(lambda leaf: 0 * leaf if eqx.is_inexact_array(leaf) else leaf, small)
    found = with_released_weights(empty, named(small))
    assert eqx.tree_equal(found, small)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("z_proj.bias"), r"1 missing \['z_proj.bias'\] and 0 left over"),
        (lambda w: w.update(extra=np.ones(3)), r"0 missing \[\] and 1 left over \['extra'\]"),
        (lambda w: w.update({"z_proj.bias": np.ones(3)}), r"z_proj.bias .* \(16,\), got \(3,\)"),
        (
            lambda w: w.update({"z_proj.bias": np.full(16, np.nan)}),
            "finite real numbers for z_proj.bias, got float64 with 16 that are not finite; read",
        ),
        (
            lambda w: w.update({"enc_pos_embed.T_embed.weight": np.ones((4, 8))}),
            r"T_embed.weight .* \(3, 1, 1, 8\), got \(4, 8\)",
        ),
    ],
)
def test_other_weights_are_refused(small, change, message):
    weights = named(small)
    change(weights)
    with pytest.raises(ValueError, match=f"with_released_weights expected .*{message}"):
        with_released_weights(small, weights)


def test_models_that_compute_something_else_are_refused(small):
    other = eqx.filter_eval_shape(lambda: Earthformer.preset("enso", key=KEY, compat=None))
    with pytest.raises(ValueError, match="compat='earthformer', got compat=None"):
        with_released_weights(other, named(small))
