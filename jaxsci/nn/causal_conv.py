r"""Stacked dilated causal convolutions: each output sees the present and a long past, and nothing later.

    h^l_t = x^l_t + φ( Σ_j W^l_j x^l_{t − j d_l} + b^l ),   j = 0 .. k − 1

The dilations d_l double, so the past that is seen, the reach, grows with 2^layers at a cost that grows with
the layers.

Reference: van den Oord et al., WaveNet, 2016, arXiv:1609.03499, section 2.1.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import whole
from .._module import Module
from .initial import uniform


class CausalConv(Module):
    """One dilated causal convolution over the leading axis, time.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: number of times that are combined.
        dilation: spacing of these times.
        key: random key of the initial weights.

    Raises:
        ValueError: a size below one.
    """

    weight: Float[Array, "taps out"]
    bias: Float[Array, " out"]
    kernel: int = eqx.field(static=True)
    dilation: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        kernel: int = 2,
        dilation: int = 1,
        key: PRNGKeyArray,
    ):
        self.kernel = whole("CausalConv", "kernel", kernel)
        self.dilation = whole("CausalConv", "dilation", dilation)
        taps = self.kernel * whole("CausalConv", "in_channels", in_channels)
        bound = 1 / math.sqrt(taps)
        shape = (taps, whole("CausalConv", "out_channels", out_channels))
        self.weight = uniform(key, shape, bound=bound)
        self.bias = jnp.zeros(shape[1])

    def __call__(self, x: Float[Array, "time in"]) -> Float[Array, "time out"]:
        """Combine each time with earlier ones; before the first there are zeros."""
        # A product of the shifted copies, side by side: on CPUs faster than a convolution of few channels.
        copies = [_delayed(x, j * self.dilation) for j in range(self.kernel)]
        product = jnp.concatenate(copies, axis=-1) @ self.weight.astype(x.dtype)
        return product + self.bias.astype(x.dtype)


class CausalConvStack(Module):
    """Causal convolutions with growing dilations, each added to its input.

    Args:
        in_channels: channels of the input.
        width: channels of the output, and between the layers.
        kernel: number of times that a layer combines.
        dilations: spacing of these times, layer by layer.
        key: random key of the initial weights.

    Raises:
        ValueError: a size below one, or no layers.
    """

    lift: CausalConv
    layers: tuple[CausalConv, ...]

    def __init__(
        self,
        *,
        in_channels: int,
        width: int,
        kernel: int = 2,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32),
        key: PRNGKeyArray,
    ):
        if not dilations:
            raise ValueError(
                "CausalConvStack expected at least one dilation, got none; (1, 2, 4, 8) sees 16 times."
            )
        keys = jax.random.split(key, len(dilations) + 1)
        self.lift = CausalConv(in_channels=in_channels, out_channels=width, kernel=1, key=keys[0])
        self.layers = tuple(
            CausalConv(in_channels=width, out_channels=width, kernel=kernel, dilation=d, key=k)
            for d, k in zip(dilations, keys[1:], strict=True)
        )

    @property
    def reach(self) -> int:
        """How many times, with the present, an output depends on."""
        return 1 + sum((layer.kernel - 1) * layer.dilation for layer in self.layers)

    def __call__(
        self, x: Float[Array, "time in"], started: Bool[Array, " time"]
    ) -> Float[Array, "time width"]:
        """Encode every time of a series.

        Args:
            x: the series.
            started: where it has begun; before, everything is zero, as beyond the ends of the array, so that
                the outputs do not depend on how much was padded.
        """
        begun = started[:, None]
        h = jnp.where(begun, self.lift(x), 0.0)
        for layer in self.layers:
            h = jnp.where(begun, h + jax.nn.gelu(layer(h)), 0.0)
        return h


def _delayed(x: Float[Array, "time channels"], steps: int) -> Float[Array, "time channels"]:
    if steps == 0:
        return x
    if steps >= x.shape[0]:
        return jnp.zeros_like(x)
    return jnp.concatenate([jnp.zeros_like(x[:steps]), x[:-steps]])
