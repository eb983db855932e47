"""The same affine map of the channels at every point of a field: y(s) = W x(s) + b."""

import math

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from .initial import uniform


class Pointwise(Module):
    """A 1×1 convolution in any number of space dimensions.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        bias: whether a constant is added to each output channel.
        key: random key of the initial weights, uniform in ±1/√C_in.
    """

    weight: Float[Array, "out_channels in_channels"]
    bias: Float[Array, " out_channels"] | None

    def __init__(
        self, *, in_channels: int, out_channels: int, bias: bool = True, key: PRNGKeyArray
    ):
        weight_key, bias_key = jax.random.split(key)
        bound = 1 / math.sqrt(in_channels)
        shape = (out_channels, in_channels)
        self.weight = uniform(weight_key, shape, bound=bound)
        self.bias = uniform(bias_key, (out_channels,), bound=bound) if bias else None

    def __call__(
        self, x: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Apply the map to one sample."""
        # Two-dimensional products only: on a CPU the gradient of a wider one is twice as slow.
        y = self.weight.astype(x.dtype) @ x.reshape(x.shape[0], -1)
        if self.bias is not None:
            y = y + self.bias.astype(x.dtype)[:, None]
        return y.reshape(-1, *x.shape[1:])
