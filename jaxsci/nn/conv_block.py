r"""Convolution, group normalisation and a leaky rectifier, the layer of most convolutional networks.

    y = LeakyReLU(GN(W * x + b)),     GN(v)_c = γ_c (v_c − μ_g) / √(σ_g² + ε) + β_c,   c in group g

μ_g and σ_g² are the mean and the variance over all points and all channels of a group. One sample is normalised
on its own, so that nothing depends on its batch, unlike with batch normalisation.

Reference: Wu and He, Group Normalization, ECCV 2018, arXiv:1803.08494, section 3.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._arrays import check_floating
from .._checks import number, whole
from .._module import Module
from .conv import Conv
from .precision import at_least_single


class GroupNorm(Module):
    """Normalise each group of channels over all points; channels come last.

    One group is a layer normalisation of the whole sample. Scale and shift are one number a channel, not
    one a point, so that the grid stays free.

    Args:
        channels: number of channels.
        groups: number of groups, a divisor of the channels.
        epsilon: ε, added to the variance.

    Raises:
        ValueError: groups that do not divide the channels, or ε that is not positive.
    """

    scale: Float[Array, " channels"]
    shift: Float[Array, " channels"]
    groups: int = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(self, *, channels: int, groups: int = 1, epsilon: float = 1e-5):
        channels = whole("GroupNorm", "channels", channels)
        self.groups = whole("GroupNorm", "groups", groups)
        if channels % groups:
            raise ValueError(
                f"GroupNorm expected groups to divide the channels, got groups={groups} and "
                f"channels={channels}; choose for example {math.gcd(channels, groups)}."
            )
        self.scale = jnp.ones(channels)
        self.shift = jnp.zeros(channels)
        self.epsilon = number("GroupNorm", "epsilon", epsilon)
        if not 0 < self.epsilon < math.inf:
            raise ValueError(
                f"GroupNorm expected epsilon > 0, got {epsilon}; without it a constant field has no spread to "
                "divide by."
            )

    def __call__(self, x: Float[Array, "*space channels"]) -> Float[Array, "*space channels"]:
        """Normalise one sample.

        Raises:
            ValueError: another number of channels, or whole numbers.
        """
        check_floating("GroupNorm", "x", x)
        if x.ndim < 1 or x.shape[-1] != len(self.scale):
            raise ValueError(
                f"GroupNorm expected fields of {len(self.scale)} channels, the last axis, got shape {x.shape}; "
                "move the channels there, or build it for as many."
            )
        # Statistics at least in single precision.
        wide = x.astype(at_least_single(x.dtype))
        grouped = wide.reshape(-1, self.groups, x.shape[-1] // self.groups)
        centred = grouped - grouped.mean(axis=(0, 2), keepdims=True)
        variance = jnp.square(centred).mean(axis=(0, 2), keepdims=True)
        normal = (centred * jax.lax.rsqrt(variance + self.epsilon)).astype(x.dtype).reshape(x.shape)
        return normal * self.scale.astype(x.dtype) + self.shift.astype(x.dtype)


class ConvBlock(Module):
    """Convolution, group normalisation, leaky rectifier.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        groups: groups of the normalisation; 16 by default, or fewer if 16 does not divide the channels.
        kernel: size of the kernel on both axes.
        stride: every how many points the output is wanted.
        upsample: points of the output to one of the input, on both axes.
        slope: slope of the rectifier below zero.
        periodic: whether the field goes on periodically instead of with zeros.
        key: random key of the initial weights.
    """

    conv: Conv
    norm: GroupNorm
    slope: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        groups: int | None = None,
        kernel: int = 3,
        stride: int = 1,
        upsample: int = 1,
        slope: float = 0.0,
        periodic: bool = False,
        key: PRNGKeyArray,
    ):
        self.conv = Conv(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel=(kernel, kernel),
            stride=stride,
            upsample=upsample,
            periodic=periodic,
            key=key,
        )
        self.norm = GroupNorm(channels=out_channels, groups=groups or math.gcd(out_channels, 16))
        self.slope = slope

    def __call__(
        self, x: Float[Array, "height width in_channels"]
    ) -> Float[Array, "height_out width_out out_channels"]:
        """Apply the layer to one sample."""
        return jax.nn.leaky_relu(self.norm(self.conv(x)), self.slope)
