r"""Low-rank neural operator: kernels of learned basis functions instead of Fourier modes.

    v_{l+1} = σ(K_l v_l + W_l v_l + b_l),     (K v)(x) = Σ_r φ_r(x) W_r ∫ ψ_r(y) v(y) dy

Everything but the kernel (`jaxsci.nn.LowRankKernel`) is as in the Fourier neural operator. The kernel is not
periodic, so a field needs no padding.

Reference: Kovachki et al., Neural Operator: Learning Maps Between Function Spaces, JMLR 24 (2023),
arXiv:2108.08481, section 4.2.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from ..nn import LowRankKernel, Pointwise
from .kernel_operator import AbstractKernelOperator, KernelBlock


class LowRankNeuralOperator(AbstractKernelOperator):
    """Low-rank neural operator on nodes of an interval, both ends among them.

    Args:
        in_channels: channels of the input field.
        out_channels: channels of the output field.
        width: hidden channels.
        rank: basis functions of each kernel.
        depth: number of layers.
        hidden: width of the perceptrons that the basis functions come from.
        projection: hidden channels of the output projection Q.
        coordinates: whether the coordinate of the nodes is given as an extra input channel.
        identity: multiple of the identity that every kernel starts from; see `jaxsci.nn.SpectralConv`.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive.
        TypeError: a key that is none.
    """

    lift: Pointwise
    blocks: tuple[KernelBlock, ...]
    project: tuple[Pointwise, Pointwise]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    coordinates: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        width: int,
        rank: int,
        depth: int = 4,
        hidden: int = 32,
        projection: int = 128,
        coordinates: bool = True,
        identity: float = 0.0,
        key: PRNGKeyArray,
    ):
        name = "LowRankNeuralOperator"
        self.in_channels = whole(name, "in_channels", in_channels)
        self.out_channels = whole(name, "out_channels", out_channels)
        width = whole(name, "width", width)
        depth = whole(name, "depth", depth)
        projection = whole(name, "projection", projection)
        check_key(name, key)
        lift_key, hidden_key, out_key, *block_keys = jax.random.split(key, 3 + depth)
        lifted = self.in_channels + (1 if coordinates else 0)
        self.lift = Pointwise(in_channels=lifted, out_channels=width, key=lift_key)
        pairs = [jax.random.split(k) for k in block_keys]
        self.blocks = tuple(
            KernelBlock(
                LowRankKernel(
                    in_channels=width,
                    out_channels=width,
                    rank=rank,
                    hidden=hidden,
                    identity=identity,
                    key=kernel_key,
                ),
                Pointwise(in_channels=width, out_channels=width, key=local_key),
            )
            for kernel_key, local_key in pairs
        )
        self.project = (
            Pointwise(in_channels=width, out_channels=projection, key=hidden_key),
            Pointwise(in_channels=projection, out_channels=self.out_channels, key=out_key),
        )
        self.coordinates = coordinates

    def _coordinates(self, space: tuple[int, ...], dtype) -> Float[Array, "dims *space"]:
        return jnp.linspace(0.0, 1.0, space[0], dtype=dtype)[None]
