r"""LSTM with two memories: one that flows through time, and one that zigzags through the layers.

    i = σ(W_xi * x + W_hi * h)     i' = σ(W'_xi * x + W_mi * m)
    f = σ(W_xf * x + W_hf * h)     f' = σ(W'_xf * x + W_mf * m)
    g = tanh(W_xg * x + W_hg * h)  g' = tanh(W'_xg * x + W_mg * m)
    c' = f ∘ c + i ∘ g             m' = f' ∘ m + i' ∘ g'
    o = σ(W_xo * x + W_ho * h + W_co * c' + W_mo * m')
    h' = o ∘ tanh(W_1x1 * [c', m'])

with a bias in every gate. c comes from the same layer one step ago, m from the layer below in the same step;
the lowest layer takes m of the highest one, one step ago.

Reference: Wang et al., PredRNN: Recurrent Neural Networks for Predictive Learning using Spatiotemporal LSTMs,
NeurIPS 2017, section 3; also arXiv:2103.09504.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from .conv import Conv, odd


class SpatiotemporalLSTMCell(Module):
    """One step of one layer of a spatio-temporal LSTM.

    Args:
        in_channels: channels of the input.
        width: channels of the hidden state and of both memories.
        kernel: odd size of the kernels.
        key: random key of the initial weights; both forget gates start with a bias 1 larger.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    of_input: Conv
    of_hidden: Conv
    of_memory: Conv
    of_both: Conv
    fuse: Conv
    width: int = eqx.field(static=True)

    def __init__(self, *, in_channels: int, width: int, kernel: int = 5, key: PRNGKeyArray):
        who = "SpatiotemporalLSTMCell"
        self.width = whole(who, "width", width)
        kernel = odd(who, "kernel", kernel)
        check_key(who, key)
        keys = jax.random.split(key, 5)

        def conv(inputs: int, outputs: int, size: int, bias: bool, k: PRNGKeyArray) -> Conv:
            return Conv(
                in_channels=inputs, out_channels=outputs, kernel=(size, size), bias=bias, key=k
            )

        # One bias a gate is enough; the input's has it.
        self.of_input = conv(in_channels, 7 * width, kernel, True, keys[0])
        self.of_hidden = conv(width, 4 * width, kernel, False, keys[1])
        self.of_memory = conv(width, 3 * width, kernel, False, keys[2])
        self.of_both = conv(2 * width, width, kernel, False, keys[3])
        self.fuse = conv(2 * width, width, 1, True, keys[4])

    def __call__(
        self,
        x: Float[Array, "rows columns in_channels"],
        h: Float[Array, "rows columns width"],
        c: Float[Array, "rows columns width"],
        m: Float[Array, "rows columns width"],
    ) -> tuple[
        Float[Array, "rows columns width"],
        Float[Array, "rows columns width"],
        Float[Array, "rows columns width"],
    ]:
        """The hidden state h', its memory c', and the memory m' that goes up."""
        # Gates that the same arrays feed are one convolution.
        from_x, x_o = jnp.split(self.of_input(x), [6 * self.width], axis=-1)
        from_h, h_o = jnp.split(self.of_hidden(h), [3 * self.width], axis=-1)
        from_x = from_x + jnp.concatenate([from_h, self.of_memory(m)], axis=-1)
        i, f, g, i_m, f_m, g_m = jnp.split(from_x, 6, axis=-1)
        c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        m = jax.nn.sigmoid(f_m + 1) * m + jax.nn.sigmoid(i_m) * jnp.tanh(g_m)
        both = jnp.concatenate([c, m], axis=-1)
        o = jax.nn.sigmoid(x_o + h_o + self.of_both(both))
        return o * jnp.tanh(self.fuse(both)), c, m
