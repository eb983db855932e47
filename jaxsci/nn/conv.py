r"""Convolutions of fields whose channels come last, in one to three dimensions.

    y(s) = b + Σ_u W(u) x(s + u),     W(u) ∈ R^{C_in × C_out}

As everywhere in machine learning this is a correlation: the kernel is not turned over. Channels come last
because this is how video comes, and because matrix products want them there. On CPUs convolutions are such
products. Depthwise ones are slow there and are not offered.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from ._rows import convolve_rows, in_rows, repeat_rows, upsample_rows
from .initial import uniform


def convolve(
    x: Float[Array, "*space in_channels"],
    weight: Float[Array, "*kernel in_channels out_channels"],
    *,
    stride: int = 1,
    upsample: int = 1,
    periodic: bool = False,
    ahead: bool = False,
) -> Float[Array, "*space_out out_channels"]:
    """Convolve one sample, padded so that a stride of 1 keeps its size.

    A kernel of even size k reaches k/2 points ahead and k/2 − 1 points back.

    Args:
        x: the field.
        weight: the kernel.
        stride: every how many points the output is wanted.
        upsample: points of the output to one of the input, with zeros put between: the transposed
            convolution with this stride.
        periodic: whether the field goes on periodically instead of with zeros.
        ahead: whether the kernel reaches ahead only, all its k − 1 points.
    """
    kernel = weight.shape[:-2]
    if set(kernel) == {1} and stride == upsample == 1:
        # A matrix product: quicker to compile and to run than a convolution.
        y = x.reshape(-1, x.shape[-1]) @ weight.reshape(weight.shape[-2:]).astype(x.dtype)
        return y.reshape(*x.shape[:-1], -1)
    back = [0 if ahead else (k - 1) // 2 for k in kernel]
    pad = [(b, k - 1 - b + upsample - 1) for k, b in zip(kernel, back, strict=True)]
    if periodic:
        x = jnp.pad(x, [*pad, (0, 0)], mode="wrap")
        pad = [(0, 0)] * len(kernel)
    weight = weight.astype(x.dtype)
    if in_rows() and min(kernel) >= upsample and stride == 1 < upsample:
        return upsample_rows(x, weight, upsample)
    if in_rows() and upsample == 1:
        return convolve_rows(x, weight, pad, stride=stride)
    axes = "DHW"[-len(kernel) :]
    y = jax.lax.conv_general_dilated(
        x[None],
        weight,
        window_strides=[stride] * len(kernel),
        padding=pad,
        lhs_dilation=[upsample] * len(kernel),
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
    )
    return y[0]


def convolve_repeated(
    x: Float[Array, "*space in_channels"],
    weight: Float[Array, "*kernel in_channels out_channels"],
    factors: tuple[int, ...],
) -> Float[Array, "*space_out out_channels"]:
    """Convolve one sample of which every point is first repeated, `factors` times along each axis.

    On CPUs copies of a point share one product, in four ninths of the operations for a 3 x 3 kernel and factors
    of 2.

    Args:
        x: the field.
        weight: the kernel.
        factors: how often points are repeated along each axis.
    """
    if in_rows() and max(factors) > 1:
        return repeat_rows(x, weight, factors)
    for axis, factor in enumerate(factors):
        x = jnp.repeat(x, factor, axis=axis)
    return convolve(x, weight)


class Conv(Module):
    """A convolution with a bias.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: size along every axis, one to three of them.
        stride: every how many points the output is wanted.
        upsample: the stride of a transposed convolution; see `convolve`.
        periodic: whether the field goes on periodically instead of with zeros.
        ahead: whether the kernel reaches ahead only; see `convolve`.
        bias: whether a constant is added to each output channel.
        key: random key of the initial weights, uniform in ±1/√(C_in · points of the kernel).

    Raises:
        ValueError: a size that is not positive, or a transposed convolution that is periodic or reaches ahead.
        TypeError: a key that is none.
    """

    weight: Float[Array, "*kernel in_channels out_channels"]
    bias: Float[Array, " out_channels"] | None
    stride: int = eqx.field(static=True)
    upsample: int = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    ahead: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: int = 1,
        upsample: int = 1,
        periodic: bool = False,
        ahead: bool = False,
        bias: bool = True,
        key: PRNGKeyArray,
    ):
        in_channels = whole("Conv", "in_channels", in_channels)
        out_channels = whole("Conv", "out_channels", out_channels)
        if not 1 <= len(kernel) <= 3:
            raise ValueError(
                f"Conv expected a kernel of one to three axes, got {tuple(kernel)}; write kernel=(3, 3) for "
                "images."
            )
        kernel = tuple(whole("Conv", "kernel", k) for k in kernel)
        self.stride = whole("Conv", "stride", stride)
        self.upsample = whole("Conv", "upsample", upsample)
        if periodic and upsample > 1:
            raise ValueError(
                f"Conv expected no upsampling of a periodic field, got upsample={upsample}; use a "
                "pointwise map and `from_patches`."
            )
        if ahead and upsample > 1:
            raise ValueError(
                f"Conv expected no upsampling where the kernel reaches ahead, got upsample={upsample}; leave "
                "one of them away."
            )
        check_key("Conv", key)
        weight_key, bias_key = jax.random.split(key)
        bound = 1 / math.sqrt(in_channels * math.prod(kernel))
        shape = (*kernel, in_channels, out_channels)
        self.weight = uniform(weight_key, shape, bound=bound)
        self.bias = uniform(bias_key, (out_channels,), bound=bound) if bias else None
        self.periodic, self.ahead = periodic, ahead

    def __call__(
        self, x: Float[Array, "*space in_channels"]
    ) -> Float[Array, "*space_out out_channels"]:
        """Apply the convolution to one sample.

        Raises:
            ValueError: another number of axes or channels.
        """
        self._check(x)
        return self._offset(
            convolve(
                x,
                self.weight,
                stride=self.stride,
                upsample=self.upsample,
                periodic=self.periodic,
                ahead=self.ahead,
            )
        )

    def on_repeated(
        self, x: Float[Array, "*space in_channels"], factors: tuple[int, ...]
    ) -> Float[Array, "*space_out out_channels"]:
        """Apply it to a sample of which every point is repeated, `factors` times along each axis.

        Raises:
            ValueError: another number of axes or channels, or a convolution with a stride, with upsampling, of
                periodic fields, or that reaches ahead.
        """
        if self.stride > 1 or self.upsample > 1 or self.periodic or self.ahead:
            raise ValueError(
                "Conv.on_repeated expected a plain convolution, got one with a stride, with upsampling, of "
                "periodic fields, or that reaches ahead; repeat the points, and call it."
            )
        self._check(x)
        return self._offset(convolve_repeated(x, self.weight, factors))

    def _check(self, x: Array) -> None:
        axes, channels = self.weight.ndim - 2, self.weight.shape[-2]
        if x.ndim != axes + 1 or x.shape[-1] != channels:
            raise ValueError(
                f"Conv expected {axes} axes and {channels} channels behind them, got x of shape {x.shape}; "
                "use jax.vmap for batches."
            )

    def _offset(self, y: Array) -> Array:
        return y if self.bias is None else y + self.bias.astype(y.dtype)


def odd(who: str, name: str, value: int) -> int:
    """A kernel size that has a middle."""
    value = whole(who, name, value)
    if value % 2 == 0:
        raise ValueError(
            f"{who} expected {name} to be odd, got {value}; an even kernel moves the image."
        )
    return value
