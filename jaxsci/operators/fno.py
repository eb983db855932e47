r"""Fourier neural operator in any number of space dimensions.

    v_0 = P (a, s),    v_{l+1} = σ(K_l v_l + W_l v_l + b_l),    u = Q v_L

with spectral convolutions K_l (`jaxsci.nn.SpectralConv`), pointwise maps W_l, a lifting P of the input and
the coordinates s in [0, 1), and a projection Q with one hidden layer. The last block has no activation.

The layers K_l take a field as periodic. One that is not jumps where its ends meet, and the jump rings through
all points; with padding v_0 is continued by zeros, the layers act on the larger domain, and Q reads the part of
v_L that lies on the field's own.

Reference: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
arXiv:2010.08895, equations 2 to 5.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, number, whole, wholes
from ..nn import Pointwise, SpectralConv
from ..nn._transform import Transform
from .kernel_operator import AbstractKernelOperator, KernelBlock


class FNO(AbstractKernelOperator):
    """Fourier neural operator: one field in, one field out, on any grid with enough points.

    Args:
        in_channels: channels of the input field.
        out_channels: channels of the output field.
        width: hidden channels.
        modes: modes kept on each axis, one entry per space dimension: `(16,)`, `(12, 12)`.
        depth: number of Fourier layers.
        projection: hidden channels of the output projection Q.
        coordinates: whether the coordinates of the points are given as extra input channels.
        padding: length that is added behind the upper end of each axis, as a share of the axis; a tuple with
            one entry per space dimension, or one number for all, 0 for periodic fields. The same share
            is the same domain at each resolution where it is a whole number of points.
        transform: how the Fourier transforms are computed; see `jaxsci.nn.choose_transform`.
        identity: multiple of the identity that every kernel starts from; see `jaxsci.nn.SpectralConv`.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, modes that are not a tuple of positive integers, padding that
            is negative, or an `identity` that is not finite.
        TypeError: a key that is none.
    """

    lift: Pointwise
    blocks: tuple[KernelBlock, ...]
    project: tuple[Pointwise, Pointwise]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    coordinates: bool = eqx.field(static=True)
    padding: tuple[float, ...] = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        width: int,
        modes: tuple[int, ...],
        depth: int = 4,
        projection: int = 128,
        coordinates: bool = True,
        padding: float | tuple[float, ...] = 0.0,
        transform: Transform = "auto",
        identity: float = 0.0,
        key: PRNGKeyArray,
    ):
        in_channels = whole("FNO", "in_channels", in_channels)
        out_channels = whole("FNO", "out_channels", out_channels)
        width = whole("FNO", "width", width)
        depth = whole("FNO", "depth", depth)
        projection = whole("FNO", "projection", projection)
        if not isinstance(modes, tuple):
            raise ValueError(
                f"FNO expected modes as a tuple with one entry per space dimension, got {modes!r}; "
                "write modes=(16,) for a 1-D field."
            )
        modes = wholes("FNO", "modes", modes, "modes=(16,) for a 1-D field")
        self.padding = _shares(padding, len(modes))
        check_key("FNO", key)
        lift_key, hidden_key, out_key, *block_keys = jax.random.split(key, 3 + depth)
        lifted = in_channels + (len(modes) if coordinates else 0)
        self.lift = Pointwise(in_channels=lifted, out_channels=width, key=lift_key)
        self.blocks = tuple(
            _block(width=width, modes=modes, transform=transform, identity=identity, key=k)
            for k in block_keys
        )
        self.project = (
            Pointwise(in_channels=width, out_channels=projection, key=hidden_key),
            Pointwise(in_channels=projection, out_channels=out_channels, key=out_key),
        )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.modes = modes
        self.coordinates = coordinates

    def _extended(self, v: Float[Array, "width *space"]) -> Float[Array, "width *larger"]:
        # Rounded first: 0.1 of 30 points are 3, and not one more for its last digit.
        points = [
            math.ceil(round(share * n, 6))
            for share, n in zip(self.padding, v.shape[1:], strict=True)
        ]
        return jnp.pad(v, [(0, 0), *((0, n) for n in points)])


def _shares(padding: float | tuple[float, ...], dims: int) -> tuple[float, ...]:
    given = padding if isinstance(padding, tuple) else (padding,) * dims
    shares = tuple(number("FNO", "padding", share) for share in given)
    if len(shares) != dims or not all(0 <= share < math.inf for share in shares):
        raise ValueError(
            f"FNO expected padding as a share >= 0 for each of {dims} space axes, got {padding!r}; 0.25 adds a "
            "quarter of the axis."
        )
    return shares


def _block(
    *, width: int, modes: tuple[int, ...], transform: Transform, identity: float, key: PRNGKeyArray
) -> KernelBlock:
    kernel_key, local_key = jax.random.split(key)
    kernel = SpectralConv(
        in_channels=width,
        out_channels=width,
        modes=modes,
        transform=transform,
        identity=identity,
        key=kernel_key,
    )
    return KernelBlock(kernel, Pointwise(in_channels=width, out_channels=width, key=local_key))
