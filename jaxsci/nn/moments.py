r"""The moments of a convolution kernel, which say what derivative it takes.

    M(w)_{ij} = 1/(i! j!) Σ_{u,v} u^i v^j w(u, v)
    Σ_{u,v} w(u, v) h(x + u, y + v) = Σ_{ij} M(w)_{ij} ∂_x^i ∂_y^j h(x, y)

with u and v counted from the middle of the kernel, by Taylor's theorem. A kernel with k × k points has as many
moments i, j < k as weights, so the moments determine it: the one with M_{ij} = 1 and no other is the finite
difference for ∂_x^i ∂_y^j, exact for polynomials of degree < k in each coordinate.

References: Long et al., PDE-Net: Learning PDEs from Data, ICML 2018, arXiv:1710.09668, section 2; Le Guen and
Thome, PhyDNet, CVPR 2020, arXiv:2003.01460.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .conv import odd


def taylor_matrix(size: int) -> np.ndarray:
    """The matrix u^i / i!, of orders i by points u, in double precision."""
    u = np.arange(size) - size // 2
    return np.stack([u**i / math.factorial(i) for i in range(size)])


def moments(kernels: Float[Array, "*kernels size size"]) -> Float[Array, "*kernels size size"]:
    """M(w) of kernels whose last two axes are x and y."""
    taylor = jnp.asarray(taylor_matrix(kernels.shape[-1]), kernels.dtype)
    return taylor @ kernels @ taylor.T


def derivative_kernels(size: int) -> np.ndarray:
    """The finite differences for all ∂_x^i ∂_y^j with i, j < size, of unit spacing.

    Returns:
        Array of shape (size², size, size) in double precision, j counting faster than i.

    Raises:
        ValueError: an even size, whose points have no middle.
    """
    lines = np.linalg.inv(taylor_matrix(odd("derivative_kernels", "size", size)))
    # Column i of the inverse has the moment 1 of order i and no other.
    return np.einsum("ui,vj->ijuv", lines, lines).reshape(size**2, size, size)
