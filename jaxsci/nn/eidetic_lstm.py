r"""LSTM of short clips that looks its own past memories up by attention.

    i = σ(W_xi * x + W_hi * h)     r = σ(W_xr * x + W_hr * h)     g = tanh(W_xg * x + W_hg * h)
    c' = i ∘ g + LayerNorm(c + Recall(r, C)),     Recall(r, C) = softmax(r · Cᵀ) · C
    i' = σ(W'_xi * x + W_mi * m)   f' = σ(W'_xf * x + W_mf * m)   g' = tanh(W'_xg * x + W_mg * m)
    m' = i' ∘ g' + f' ∘ m
    o = σ(W_xo * x + W_ho * h + W_co * c' + W_mo * m')
    h' = o ∘ tanh(W_1x1x1 * [c', m'])

with a bias in every gate and 3-D convolutions *. C are past memories c; in the recall every point of the clip
attends to every point of all of them. The memory m goes through the layers as in `SpatiotemporalLSTMCell`.

Reference: Wang et al., Eidetic 3D LSTM: A Model for Video Prediction and Beyond, ICLR 2019
(openreview.net/forum?id=B1lKS2AqtX). The public code departs from these equations: it hands the old m on
instead of m', takes tanh(W * m) for m in m', squashes o twice, and normalises all gates. We follow the
equations.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from .conv import Conv, odd
from .conv_block import GroupNorm


def recall(
    r: Float[Array, "depth rows columns width"],
    past: Float[Array, "slots depth rows columns width"],
    filled: Bool[Array, " slots"],
) -> Float[Array, "depth rows columns width"]:
    """Attention from every point of a clip to every point of the past clips that are filled.

    It costs slots · (depth · rows · columns)² products, and as many scores in memory.
    """
    width = r.shape[-1]
    points = past.reshape(past.shape[0], -1, width)
    scores = jnp.einsum("qc,spc->qsp", r.reshape(-1, width), points)
    scores = jnp.where(filled[:, None], scores, -jnp.inf)
    weights = jax.nn.softmax(scores.reshape(scores.shape[0], -1), axis=-1)
    return (weights @ points.reshape(-1, width)).reshape(r.shape)


class EideticLSTMCell(Module):
    """One step of one layer of an eidetic 3-D LSTM.

    Args:
        in_channels: channels of the input clip.
        width: channels of the hidden state and of both memories.
        depth: frames of a clip, and the size of the kernels in time.
        kernel: odd size of the kernels in space.
        key: random key of the initial weights; the forget gate starts with a bias 1 larger.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    of_input: Conv
    of_hidden: Conv
    of_memory: Conv
    of_both: Conv
    fuse: Conv
    norm: GroupNorm
    width: int = eqx.field(static=True)

    def __init__(
        self, *, in_channels: int, width: int, depth: int = 2, kernel: int = 5, key: PRNGKeyArray
    ):
        self.width = whole("EideticLSTMCell", "width", width)
        kernel = odd("EideticLSTMCell", "kernel", kernel)
        size = (whole("EideticLSTMCell", "depth", depth), kernel, kernel)
        check_key("EideticLSTMCell", key)
        keys = jax.random.split(key, 5)

        def conv(inputs: int, outputs: int, size: tuple[int, ...], bias: bool, k) -> Conv:
            return Conv(in_channels=inputs, out_channels=outputs, kernel=size, bias=bias, key=k)

        self.of_input = conv(in_channels, 7 * width, size, True, keys[0])
        self.of_hidden = conv(width, 4 * width, size, False, keys[1])
        self.of_memory = conv(width, 3 * width, size, False, keys[2])
        self.of_both = conv(2 * width, width, size, False, keys[3])
        self.fuse = conv(2 * width, width, (1, 1, 1), True, keys[4])
        # The layer normalisation of the paper: over the whole clip, scale and shift a channel.
        self.norm = GroupNorm(channels=width)

    def __call__(
        self,
        x: Float[Array, "depth rows columns in_channels"],
        h: Float[Array, "depth rows columns width"],
        c: Float[Array, "depth rows columns width"],
        m: Float[Array, "depth rows columns width"],
        past: Float[Array, "slots depth rows columns width"],
        filled: Bool[Array, " slots"],
    ) -> tuple[
        Float[Array, "depth rows columns width"],
        Float[Array, "depth rows columns width"],
        Float[Array, "depth rows columns width"],
    ]:
        """The hidden state h', its memory c', and the memory m' that goes up.

        Args:
            x: the clip that comes in.
            h: hidden state of this layer one step ago.
            c: memory of this layer one step ago.
            m: memory of the layer below.
            past: memories c of this layer, in any order.
            filled: which of them there are yet; at least one.
        """
        from_x, x_o = jnp.split(self.of_input(x), [6 * self.width], axis=-1)
        from_h, h_o = jnp.split(self.of_hidden(h), [3 * self.width], axis=-1)
        from_x = from_x + jnp.concatenate([from_h, self.of_memory(m)], axis=-1)
        i, r, g, i_m, f_m, g_m = jnp.split(from_x, 6, axis=-1)
        remembered = self.norm(c + recall(jax.nn.sigmoid(r), past, filled))
        c = jax.nn.sigmoid(i) * jnp.tanh(g) + remembered
        m = jax.nn.sigmoid(i_m) * jnp.tanh(g_m) + jax.nn.sigmoid(f_m + 1) * m
        both = jnp.concatenate([c, m], axis=-1)
        o = jax.nn.sigmoid(x_o + h_o + self.of_both(both))
        return o * jnp.tanh(self.fuse(both)), c, m
