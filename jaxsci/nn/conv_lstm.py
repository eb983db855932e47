r"""Long short-term memory at every point of an image, with convolutions for its matrix products.

    i = σ(W_xi * x + W_hi * h + b_i)        f = σ(W_xf * x + W_hf * h + b_f)
    g = tanh(W_xg * x + W_hg * h + b_g)     o = σ(W_xo * x + W_ho * h + b_o)
    c' = f ∘ c + i ∘ g                      h' = o ∘ tanh(c')

Reference: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting,
NeurIPS 2015, arXiv:1506.04214, equation 3, less its peephole terms W_c ∘ c: they are weights of a point, which
would tie the cell to one grid.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import whole
from .._module import Module
from .conv import Conv, odd


class ConvLSTMCell(Module):
    """One step of a convolutional LSTM.

    Args:
        in_channels: channels of the input.
        width: channels of the state.
        kernel: odd size of the kernels.
        periodic: whether images go on periodically instead of with zeros.
        key: random key of the initial weights; the forget gates start with a bias 1 larger, so that
            the cell remembers at first.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    gates: Conv
    width: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        width: int,
        kernel: int = 3,
        periodic: bool = False,
        key: PRNGKeyArray,
    ):
        self.width = whole("ConvLSTMCell", "width", width)
        kernel = odd("ConvLSTMCell", "kernel", kernel)
        self.gates = Conv(
            in_channels=whole("ConvLSTMCell", "in_channels", in_channels) + self.width,
            out_channels=4 * self.width,
            kernel=(kernel, kernel),
            periodic=periodic,
            key=key,
        )

    def start(
        self, rows: int, columns: int, dtype
    ) -> tuple[Float[Array, "rows columns width"], Float[Array, "rows columns width"]]:
        """The state (h, c) = 0."""
        zeros = jnp.zeros((rows, columns, self.width), dtype)
        return zeros, zeros

    def __call__(
        self,
        x: Float[Array, "rows columns in_channels"],
        state: tuple[Float[Array, "rows columns width"], Float[Array, "rows columns width"]],
    ) -> tuple[Float[Array, "rows columns width"], Float[Array, "rows columns width"]]:
        """The state (h', c') after an input."""
        h, c = state
        i, f, g, o = jnp.split(self.gates(jnp.concatenate([x, h], axis=-1)), 4, axis=-1)
        c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
