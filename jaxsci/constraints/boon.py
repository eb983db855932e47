r"""BOON's correction of a spectral kernel, with one kernel evaluation, exact for any number of channels.

The corrected kernel T₁ K T₂ first changes the input at the end nodes (T₂) so that the output there depends
on the input there alone, with C × C blocks K_ij of the kernel,

    (T)_0 = K̃_00 x_0,   K̃_00 = K_00 − K_0N K_NN⁻¹ K_N0,       (T)_N = K_NN x_N,

and then overwrites the end nodes with the boundary condition (T₁). T₂ touches two nodes only, so

    T = K x + K_{:,0} δ_0 + K_{:,N} δ_N,
    [K_00 K_0N; K_N0 K_NN] [δ_0; δ_N] = [K̃_00 x_0 − (K x)_0; K_NN x_N − (K x)_N],

which is a rank-two change of the mixed Fourier coefficients: one analysis, one mixing, one synthesis, and a
2C × 2C system whose matrix does not depend on the sample. For a spectral convolution the blocks are
K_00 = K_NN = κ_0, K_0N = κ_1, K_N0 = κ_{N−1} with κ the kernel's response to a unit impulse.

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through physics-based
boundary constraints, ICLR 2023, arXiv:2212.07477, section 4 and algorithms 1 to 3. The published code needs
five kernel evaluations and uses one scalar for all channels, which is exact for C = 1 only.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..nn import SpectralConv
from ..nn.spectral import conjugate_weights, dft_matrices


def eliminate_ends(
    kernel: SpectralConv, x: Float[Array, "channels nodes"]
) -> Float[Array, "channels nodes"]:
    """K T₂ x: the kernel applied to the input whose end nodes have been eliminated.

    Args:
        kernel: a 1-D spectral convolution with as many output as input channels.
        x: one sample; nodes 0 and N−1 lie on the boundary.

    Returns:
        The field before its end nodes are overwritten; there it equals K̃_00 x_0 and K_NN x_N.

    Raises:
        ValueError: a kernel that is not 1-D and square, or a sample that does not fit it.
    """
    channels, nodes = kernel.out_channels, x.shape[-1]
    if len(kernel.modes) != 1 or kernel.in_channels != channels:
        raise ValueError(
            "eliminate_ends expected a 1-D kernel with as many output as input channels, got "
            f"modes={kernel.modes}, in_channels={kernel.in_channels}, out_channels={channels}."
        )
    if kernel.modes[0] < 2:
        raise ValueError(
            "eliminate_ends expected a kernel of at least 2 modes, got 1, which cannot tell the two ends "
            "apart; build the kernel with more modes."
        )
    analysis, synthesis = _end_rows(nodes, kernel.modes[0])
    analysis, synthesis = jnp.asarray(analysis, x.dtype), jnp.asarray(synthesis, x.dtype)

    mixed = kernel.mix(kernel.analyse(x))
    plain = jnp.einsum("epk,pck->ec", synthesis, mixed)  # (K x)_0 and (K x)_N
    k_00, k_0n, k_n0 = _impulse_blocks(kernel, nodes, x.dtype)
    # The inverses depend on the kernel alone, so that vmap over samples shares them.
    inverse = jnp.linalg.inv(k_00)
    reduced = k_00 - k_0n @ inverse @ k_n0
    rest_0, rest_n = reduced @ x[:, 0] - plain[0], k_00 @ x[:, -1] - plain[1]
    delta_0 = jnp.linalg.inv(reduced) @ (rest_0 - k_0n @ (inverse @ rest_n))
    delta_n = inverse @ (rest_n - k_n0 @ delta_0)
    delta = jnp.stack([delta_0, delta_n])
    # The transform of an impulse at an end node is a column of the forward transform.
    change = kernel.mix(jnp.einsum("epk,ec->pck", analysis, delta))
    return kernel.synthesise(mixed + change, (nodes,))


def _impulse_blocks(kernel: SpectralConv, nodes: int, dtype) -> tuple[Array, Array, Array]:
    """κ_0, κ_1 and κ_{N−1}: C × C responses at distance 0, 1 and −1 from a unit impulse."""
    cos, sin = dft_matrices(nodes, kernel.modes[0], False)
    offsets = np.array([0, 1, nodes - 1])
    weights = conjugate_weights(nodes, kernel.modes[0]) / nodes
    cos, sin = (jnp.asarray(part[offsets] * weights, dtype) for part in (cos, sin))
    blocks = jnp.einsum("jk,koi->joi", cos, kernel.real.astype(dtype)) - jnp.einsum(
        "jk,koi->joi", sin, kernel.imag.astype(dtype)
    )
    return blocks[0], blocks[1], blocks[2]


def _end_rows(nodes: int, modes: int) -> tuple[np.ndarray, np.ndarray]:
    """Forward transform of impulses at the two ends, and the inverse transform's two end rows.

    Both have shape (end, real or imaginary, mode).
    """
    cos, sin = dft_matrices(nodes, modes, False)
    ends = np.array([0, nodes - 1])
    weights = conjugate_weights(nodes, modes) / nodes
    rows = np.stack([cos[ends], -sin[ends]], axis=1)
    return rows, rows * weights
