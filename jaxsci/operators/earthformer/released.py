"""The authors' weights in an Earthformer of ours, by the names that their code gives them.

The authors publish PyTorch checkpoints. Loading one runs no code of it, and needs torch only to read the file:

    weights = torch.load("earthformer_sevir.pt", weights_only=True)
    model = Earthformer.preset("sevir", key=key)  # compat="earthformer": what their code computes
    model = with_released_weights(model, {name: w.numpy() for name, w in weights.items()})

Reference: the code beside Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833.
"""

import re
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .model import Earthformer

# Ours on the left, as paths in the model; theirs on the right. Applied in this order, each everywhere.
_NAMES = (
    (r"^auxiliary_stem\.", "initial_aux_encoder."),
    (r"^stem\.", "initial_encoder."),
    (r"^head\.out\.", "dec_final_proj."),
    (r"^head\.", "final_decoder."),
    (r"^positions\.", "enc_pos_embed."),
    (r"^decoder\.positions\.", "dec_pos_embed."),
    (r"^decoder\.query\.", "z_proj."),
    (r"^vectors$", "init_global_vectors"),
    (r"^encoder\.levels\.", "encoder.blocks."),
    (r"^encoder\.merges\.", "encoder.down_layers."),
    (r"^encoder\.vector_maps\.", "encoder.down_layer_global_proj."),
    (r"^decoder\.(down|up)\.stacks\.", r"decoder.\1_self_blocks."),
    (r"^decoder\.(down|up)\.readings\.", r"decoder.\1_cross_blocks."),
    (r"^decoder\.stacks\.", "decoder.self_blocks."),
    (r"^decoder\.readings\.", "decoder.cross_blocks."),
    (r"^decoder\.merges\.", "decoder.downsample_layers."),
    (r"^decoder\.enlarge\.", "decoder.upsample_layers."),
    (r"^final_decoder\.enlarge\.", "final_decoder.upsample_list."),
    (r"^(initial\w+)\.merges\.", r"\1.patch_merge_list."),
    (r"\.blocks\.(\d+)\.(\d+)\.(conv|norm)\.", r".conv_block_list.\1.\2 \3."),
    (r"\.scale$", ".weight"),
    (r"\.shift$", ".bias"),
    (r"\.reduce\.", ".reduction."),
    (r"\.vector_feed_forwards\.", ".global_ffn_l."),
    (r"\.feed_forwards\.", ".ffn_l."),
    (r"(ffn_l\.\d+)\.norm\.", r"\1.layer_norm."),
    (r"(ffn_l\.\d+)\.hidden\.", r"\1.ffn_1."),
    (r"(ffn_l\.\d+)\.out\.", r"\1.ffn_2."),
    (r"\.attentions\.", ".attn_l."),
    (r"(attn_l\.\d+)\.bias$", r"\1.relative_position_bias_table"),
    (r"\.vectors\.norm\.", ".global_vec_norm."),
    (r"\.vectors\.out\.", ".global_proj."),
    (r"\.vectors\.maps\.weight$", ".global_qkv.weight"),
    (r"\.vectors\.maps\.token_query\.", ".l2g_q_net."),
    (r"\.vectors\.maps\.token_key\.", ".g2l_k_net."),
    (r"\.vectors\.maps\.token_value\.", ".g2l_v_net."),
    (r"\.vectors\.maps\.query\.", ".g2l_global_q_net."),
    (r"\.vectors\.maps\.key_value\.", ".l2g_global_kv_net."),
    (r"\.vectors\.maps\.own\.", ".g2g_global_qkv_net."),
    (r"\.vector_query\.", ".l2g_q_net."),
    (r"\.vector_key_value\.", ".l2g_global_kv_net."),
    (r"(attn_l\.\d+)\.query\.", r"\1.q_proj."),
    (r"(attn_l\.\d+)\.key_value\.", r"\1.kv_proj."),
    (r"(attn_l\.\d+)\.out\.", r"\1.proj."),
)
# What their code saves and does not need: indices of biases, and positions that this decoder does not add.
_UNUSED = re.compile(r"relative_position_index$")
_UNUSED_BESIDE_AUXILIARY = re.compile(r"relative_position_index$|^dec_pos_embed\.")


def with_released_weights(model: Earthformer, weights: Mapping[str, Any]) -> Earthformer:
    """The model with the authors' weights.

    Args:
        model: one of the same sizes, best a preset as released.
        weights: arrays by the names of the authors' code.

    Raises:
        ValueError: a model that does not compute what their code does, or weights that are missing, left over,
            of another shape or not finite.
    """
    if model.encoder.levels[0][0].attentions[0].compat is None:
        raise ValueError(
            "with_released_weights expected a model with compat='earthformer', got compat=None, which "
            "forecasts something else from the same weights; leave compat out of the call of `preset`."
        )
    # A stem of one stage has two kinds of names.
    staged = not any(name.startswith("initial_encoder.conv_block.") for name in weights)
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    leaves, structure = jax.tree_util.tree_flatten_with_path(arrays)
    names = [_name(model, path, staged) for path, _ in leaves]
    unused = _UNUSED_BESIDE_AUXILIARY if model.auxiliary else _UNUSED
    missing = sorted(set(names) - set(weights))
    beside = sorted(name for name in set(weights) - set(names) if not unused.search(name))
    if missing or beside:
        raise ValueError(
            f"with_released_weights expected the weights of this model, got {len(missing)} missing "
            f"{missing[:3]} and {len(beside)} left over {beside[:3]}; build the preset of that checkpoint, and "
            "give its names without a prefix."
        )
    found = [
        _fitted(name, weights[name], leaf) for name, (_, leaf) in zip(names, leaves, strict=True)
    ]
    return eqx.combine(jax.tree.unflatten(structure, found), rest)


def _fitted(name: str, value: Any, leaf: Array) -> Array:
    """One array in the layout of ours."""
    value = np.asarray(value)
    shape = value.shape
    if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
        raise ValueError(
            f"with_released_weights expected finite real numbers for {name}, got {value.dtype} with "
            f"{np.count_nonzero(~np.isfinite(value))} that are not finite; read the checkpoint again."
        )
    # Convolutions have their channels first in torch.
    value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    if "_embed." in name:
        # A point of a frame is a row of their table; ours has the axes of a film.
        fits = shape == (leaf.size // leaf.shape[-1], leaf.shape[-1])
        value = value.reshape(leaf.shape) if fits else value
    if value.shape != leaf.shape:
        raise ValueError(
            f"with_released_weights expected {name} for an array of shape {leaf.shape}, got {shape}; build "
            "the preset of that checkpoint, with compat='earthformer'."
        )
    return jnp.asarray(value, leaf.dtype)


def _name(model: Earthformer, path: tuple, staged: bool) -> str:
    """The authors' name of an array of ours."""
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    for pattern, theirs in _NAMES:
        name = re.sub(pattern, theirs, name)
    # Three modules to a convolution: itself, its norm and its rectifier.
    name = re.sub(r"\.(\d+) (conv|norm)\.", lambda m: f".{3 * int(m[1]) + (m[2] == 'norm')}.", name)
    axes = "THW" if len(model.positions.tables) == 3 else ("T", "HW")
    name = re.sub(
        r"_embed\.tables\.(\d)$", lambda m: f"_embed.{axes[int(m[1])]}_embed.weight", name
    )
    if not staged:
        name = re.sub(r"\.(conv_block|patch_merge|upsample)_list\.0\.", r".\1.", name)
    if model.auxiliary == 0:
        # The coarsest level has one stack less than it has readings, which they do not count.
        top = rf"^(decoder\.self_blocks\.{len(model.encoder.levels) - 1})\.(\d+)\."
        name = re.sub(top, lambda m: f"{m[1]}.{int(m[2]) - 1}.", name)
    return name
