"""Perceptron with one hidden layer, over the last axis of an array with any leading axes."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import whole
from .._module import Module


class Perceptron(Module):
    """``out(φ(hidden(x)))``, with φ = GELU.

    Args:
        in_channels: channels of the input.
        width: of the hidden layer.
        out_channels: channels of the output.
        key: random key of the initial weights.

    Raises:
        ValueError: a size below one.
    """

    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, *, in_channels: int, width: int, out_channels: int, key: PRNGKeyArray):
        hidden_key, out_key = jax.random.split(key)
        width = whole("Perceptron", "width", width)
        in_channels = whole("Perceptron", "in_channels", in_channels)
        out_channels = whole("Perceptron", "out_channels", out_channels)
        self.hidden = eqx.nn.Linear(in_channels, width, key=hidden_key)
        self.out = eqx.nn.Linear(width, out_channels, key=out_key)

    def __call__(self, x: Float[Array, "*axes in"]) -> Float[Array, "*axes out"]:
        """Map the last axis."""
        return linear(self.out, jax.nn.gelu(linear(self.hidden, x)))


def linear(layer: eqx.nn.Linear, x: Float[Array, "*axes in"]) -> Float[Array, "*axes out"]:
    """A linear layer over the last axis, as one matrix product."""
    y = x @ layer.weight.T.astype(x.dtype)
    return y if layer.bias is None else y + jnp.asarray(layer.bias, x.dtype)
