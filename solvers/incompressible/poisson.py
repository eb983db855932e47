"""Direct solution of Poisson's equation Δp = s in the cells, by fast diagonalisation.

The Laplacian ∇·∇ of the staggered grid is a sum of one-dimensional ones, and each has eigenvectors
that are known: the discrete Fourier basis on a periodic axis, with −(4/h²) sin²(πk/n), and between
walls, where ∂p/∂n = 0, the cosines of DCT-II, with −(4/h²) sin²(πk/2n). In their product basis the
equation is a division. Cosines are applied as a dense matrix, which is exact, differentiates, and
is faster than a transform up to some hundred cells an axis.

Reference: R. E. Lynch, J. R. Rice, D. H. Thomas, Numer. Math. 6 (1964) 185,
doi:10.1007/BF01386067.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from .staggered import StaggeredGrid, Velocity


def poisson(grid: StaggeredGrid, source: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
    """The p of zero mean with ∇·∇p = s − mean(s): without the mean there is no solution.

    Raises:
        ValueError: when the source does not fit the cells.
    """
    if source.shape != grid.cells.shape:
        raise ValueError(
            f"poisson expected a source of shape {grid.cells.shape}, got {source.shape}; use "
            "jax.vmap for batches."
        )
    loops = [axis for axis in range(grid.ndim) if grid.periodic[axis]]
    walls = [axis for axis in range(grid.ndim) if not grid.periodic[axis]]
    x = source
    for axis in walls:
        x = _multiply(_cosines(x.shape[axis]), x, axis)
    if loops:
        x = jnp.fft.rfftn(x, axes=loops)
    x = x * jnp.asarray(_inverse_eigenvalues(grid), dtype=x.dtype)
    if loops:
        x = jnp.fft.irfftn(x, s=[grid.cells.shape[axis] for axis in loops], axes=loops)
    for axis in walls:
        x = _multiply(_cosines(x.shape[axis]).T, x, axis)
    return x


def project(grid: StaggeredGrid, u: Velocity) -> tuple[Velocity, Float[Array, "*cells"]]:
    """Helmholtz and Hodge: u = v + ∇φ, with ∇·v = 0 and v·n = 0 in the walls.

    Returns:
        v, and φ of zero mean.

    Raises:
        ValueError: for another number of components than the grid has axes.
    """
    if len(u) != grid.ndim:
        raise ValueError(
            f"project expected {grid.ndim} components, one an axis, got {len(u)}; give a tuple of arrays."
        )
    inside = tuple(grid.pin(component, d) for d, component in enumerate(u))
    potential = poisson(grid, grid.divergence(inside))
    slopes = grid.gradient(potential)
    return tuple(a - b for a, b in zip(inside, slopes, strict=True)), potential


@functools.cache
def _cosines(n: int) -> Float[np.ndarray, "n n"]:
    """Rows: the orthonormal eigenvectors of the second difference with zero slope at both ends."""
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    rows = np.sqrt(2.0 / n) * np.cos(np.pi * k * (2 * i + 1) / (2 * n))
    rows[0] = np.sqrt(1.0 / n)
    return rows


def _inverse_eigenvalues(grid: StaggeredGrid) -> Float[np.ndarray, "..."]:
    """1/λ in the layout of the transforms: real ones halve the last periodic axis; 0 for λ = 0."""
    halved = max((axis for axis in range(grid.ndim) if grid.periodic[axis]), default=None)
    total = np.zeros(())
    for axis, (n, h) in enumerate(zip(grid.cells.shape, grid.spacings, strict=True)):
        k = np.arange(n // 2 + 1 if axis == halved else n)
        angle = np.pi * k / (n if grid.periodic[axis] else 2 * n)
        total = np.add.outer(total, -4.0 / h**2 * np.sin(angle) ** 2)
    total.flat[0] = np.inf  # the constant
    return 1.0 / total


def _multiply(matrix: np.ndarray, x: Array, axis: int) -> Array:
    """The matrix applied along an axis, in the full precision of x on every device."""
    factor = jnp.asarray(matrix, dtype=x.dtype)
    product = jnp.tensordot(x, factor, axes=(axis, 1), precision=lax.Precision.HIGHEST)
    return jnp.moveaxis(product, -1, axis)
