r"""BOON's correction of a linear kernel, with one kernel evaluation, exact for any number of channels.

The corrected kernel T₁ K T₂ first changes the input in the end planes of an axis (T₂) so that the output
there depends on the input there alone, with the blocks K_ij of the kernel,

    (T)_0 = K̃_00 x_0,   K̃_00 = K_00 − K_0N K_NN⁻¹ K_N0,       (T)_N = K_NN x_N,

and then overwrites the end planes with the boundary condition (T₁). T₂ touches two planes only, so

    T = K x + K_{:,0} δ_0 + K_{:,N} δ_N,
    [K_00 K_0N; K_N0 K_NN] [δ_0; δ_N] = [K̃_00 x_0 − (K x)_0; K_NN x_N − (K x)_N],

which is a low-rank change of the coefficients: one analysis, one synthesis, and a small system whose matrix
does not depend on the sample. In one dimension the blocks are C × C. Along the other axes of a field (time,
or the second space axis) a Fourier kernel is diagonal, so the system falls apart into one of that size for
each of their kept frequencies. What the kernel needs for it is `jaxsci.nn.AbstractKernel`.

One axis is eliminated, as published. The end planes of two axes share no modes in which the kernel is
block-diagonal, and the dense block of both is singular as soon as a boundary has more nodes than the kernel
has modes, so there is no exact elimination of both.

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through physics-based
boundary constraints, ICLR 2023, arXiv:2212.07477, section 4 and algorithms 1 to 3. The published code needs
five to seven kernel evaluations and uses one scalar for all channels and frequencies, which is exact for
C = 1 in one dimension only.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..nn import AbstractKernel


def eliminate_ends(
    kernel: AbstractKernel, x: Float[Array, "channels *space"], *, axis: int = -1
) -> Float[Array, "channels *space"]:
    """K T₂ x: the kernel applied to the input whose end planes have been eliminated.

    Args:
        kernel: a linear kernel with as many output as input channels.
        x: one sample; the first and last nodes along the axis lie on the boundary.
        axis: the space axis whose ends are eliminated; the last by default.

    Returns:
        The field before its end planes are overwritten; there it equals K̃_00 x_0 and K_NN x_N.

    Raises:
        ValueError: a kernel with other output than input channels, one that cannot tell the two ends
            apart, an axis that the sample has not, or a sample that does not fit the kernel.
    """
    if kernel.in_channels != kernel.out_channels:
        raise ValueError(
            "eliminate_ends expected a kernel with as many output as input channels, got "
            f"{kernel.out_channels} and {kernel.in_channels}; its end blocks are inverted."
        )
    if not -kernel.dims <= axis < kernel.dims:
        raise ValueError(
            f"eliminate_ends expected an axis from {-kernel.dims} to {kernel.dims - 1}, got {axis}; "
            "count the space axes of the kernel."
        )
    axis %= kernel.dims
    kernel.check_ends(axis)
    mixed = kernel.mix(kernel.analyse(x))
    space = x.shape[1:]
    planes = jnp.stack([jnp.take(x, i, axis=axis + 1) for i in (0, space[axis] - 1)])
    x_0, x_n = kernel.end_modes(planes, axis)
    y_0, y_n = kernel.end_outputs(mixed, space, axis)  # (K x)_0 and (K x)_N

    (k_00, k_0n), (k_n0, k_nn) = kernel.end_blocks(space, axis, x.dtype)
    # The inverses depend on the kernel alone, so that vmap over samples shares them.
    inverse = _inverse(k_nn)
    reduced = k_00 - k_0n @ inverse @ k_n0
    rest_n = x_n - _apply(inverse, y_n)
    delta_0 = x_0 - _apply(_inverse(reduced), y_0 + _apply(k_0n, rest_n))
    delta_n = rest_n - _apply(inverse @ k_n0, delta_0)
    change = kernel.end_inputs(jnp.stack([delta_0, delta_n]), space, axis)
    return kernel.synthesise(mixed + kernel.mix(change), space)


def _inverse(blocks: Float[Array, "modes size size"]) -> Float[Array, "modes size size"]:
    # One after the other: batched factorisations on a CPU were seen to hang now and then, when several of
    # them waited for the threads of the same small pool.
    # In single precision at least, which is what LAPACK has.
    wide = blocks.astype(jnp.float32) if blocks.dtype.itemsize < 4 else blocks
    return jax.lax.map(jnp.linalg.inv, wide).astype(blocks.dtype)


def _apply(
    blocks: Float[Array, "modes size size"], v: Float[Array, "modes size"]
) -> Float[Array, "modes size"]:
    return jnp.einsum("qij,qj->qi", blocks, v)
