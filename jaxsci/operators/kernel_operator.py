r"""What operators have in common that are layers of a linear kernel and a pointwise map.

    v_0 = P (a, s),    v_{l+1} = σ(K_l v_l + W_l v_l + b_l),    u = Q v_L

with kernels K_l (`jaxsci.nn.AbstractKernel`), pointwise maps W_l, a lifting P of the input and the coordinates
s in [0, 1), and a projection Q with one hidden layer. The last block has no activation.

Reference: Kovachki et al., Neural Operator: Learning Maps Between Function Spaces, JMLR 24 (2023),
arXiv:2108.08481, section 3.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._arrays import as_jax
from .._module import Module
from ..nn import AbstractKernel, Pointwise


class KernelBlock(Module):
    """One layer without its activation: K v + W v + b."""

    kernel: AbstractKernel
    local: Pointwise

    def __call__(self, v: Float[Array, "width *space"]) -> Float[Array, "width *space"]:
        """Apply the layer to one sample."""
        return self.kernel(v) + self.local(v)


class AbstractKernelOperator(Module):
    """One field in, one field out, through a stack of kernel layers."""

    lift: eqx.AbstractVar[Pointwise]
    blocks: eqx.AbstractVar[tuple[KernelBlock, ...]]
    project: eqx.AbstractVar[tuple[Pointwise, Pointwise]]
    in_channels: eqx.AbstractVar[int]
    out_channels: eqx.AbstractVar[int]
    coordinates: eqx.AbstractVar[bool]

    @property
    def dims(self) -> int:
        """Number of space axes."""
        return self.blocks[0].kernel.dims

    def __call__(
        self, x: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Map one sample.

        Raises:
            ValueError: wrong rank, wrong channel count, or fewer points than the kernels need.
        """
        lifted = self.lifted(x)
        v = self._extended(lifted)
        for block in self.blocks[:-1]:
            v = jax.nn.gelu(block(v))
        own = tuple(slice(n) for n in lifted.shape[1:])
        return self.projected(self.blocks[-1](v)[:, *own])

    def lifted(self, x: Float[Array, "in_channels *space"]) -> Float[Array, "width *space"]:
        """P (a, s): the hidden field that the first layer reads."""
        name = type(self).__name__
        x = as_jax(name, "x", x)
        if x.ndim != self.dims + 1 or x.shape[0] != self.in_channels:
            axes = ", ".join("n" + a for a in "xyz"[: self.dims])
            raise ValueError(
                f"{name} expected x of shape (channels={self.in_channels}, {axes}), got {x.shape}; "
                "use jax.vmap for batches."
            )
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(
                f"{name} expected x in floating point, got {x.dtype}; convert it with x.astype(float)."
            )
        if self.coordinates:
            x = jnp.concatenate([x, self._coordinates(x.shape[1:], x.dtype)])
        return self.lift(x)

    def _extended(self, v: Float[Array, "width *space"]) -> Float[Array, "width *larger"]:
        """The hidden field on a domain that is larger at the upper ends, if the operator has one."""
        return v

    def _coordinates(self, space: tuple[int, ...], dtype) -> Float[Array, "dims *space"]:
        """The coordinates of the points that the operator lives on."""
        return unit_coordinates(space, dtype)

    def projected(self, v: Float[Array, "width *space"]) -> Float[Array, "out_channels *space"]:
        """Q v: the output field of the last hidden one."""
        hidden, out = self.project
        # The tanh form of GELU: XLA's erf costs a fifth of the whole step on a CPU.
        return out(jax.nn.gelu(hidden(v)))


def unit_coordinates(space: tuple[int, ...], dtype) -> Float[Array, "dims *space"]:
    """Coordinates i/n of the points of a grid, one channel per axis."""
    axes = [jnp.arange(n, dtype=dtype) / n for n in space]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"))
