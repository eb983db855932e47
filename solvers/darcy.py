r"""Steady flow through a porous medium: −∇·(a ∇u) = f on a box, u = 0 on its boundary.

Two-point fluxes between cell centres with the harmonic mean of a, which is exact for layers that lie
along the faces. The system is symmetric and positive definite: conjugate gradients, preconditioned
by the constant-coefficient problem, which sine transforms (as matrix products) solve directly, so the
number of iterations depends on the contrast of a and not on the grid. Derivatives with respect to a
and f are those of the linear system, by the implicit function theorem.

Reference: R. Eymard, T. Gallouët, R. Herbin, Finite Volume Methods (2000), section 11,
doi:10.1016/S1570-8659(00)07005-8; the flow data of Z. Li et al., arXiv:2010.08895, appendix A.3.2.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .grid import Grid
from .guarded import quotient
from .laws.law import like

Cells = Float[Array, " *space"]


def darcy(
    permeability: Cells,
    grid: Grid,
    *,
    source: ArrayLike = 1.0,
    rtol: float | None = None,
    max_steps: int = 500,
) -> Cells:
    """Solve −∇·(a ∇u) = f with u = 0 on the boundary.

    Args:
        permeability: a > 0 in the cells, of the shape of the grid.
        grid: uniform along each axis.
        source: f, a scalar or one value a cell.
        rtol: tolerance of the residual relative to the right-hand side; by default 1e-5 in single and
            1e-10 in double precision.
        max_steps: most iterations.

    Returns:
        u in the cells.

    Raises:
        ValueError: for a shape that is not the grid's, a stretched grid, or a permeability that is
            not positive and finite.
        equinox.EquinoxRuntimeError: where the iteration does not converge.
    """
    if permeability.shape != grid.shape:
        raise ValueError(
            f"darcy expected a permeability of shape {grid.shape}, got {permeability.shape}; use "
            "jax.vmap for batches."
        )
    if any(spacing is None for spacing in grid.spacings):
        raise ValueError(
            "darcy expected a grid that is uniform along each axis, got a stretched one; use "
            "Grid.uniform."
        )
    if not isinstance(permeability, Tracer) and not bool(
        jnp.all((permeability > 0) & jnp.isfinite(permeability))
    ):
        raise ValueError(
            "darcy expected a positive, finite permeability, got other values; map the field to "
            "positive numbers first, for example by jnp.exp."
        )
    dtype = permeability.dtype
    (load,) = like(permeability, source)
    if load.shape not in ((), grid.shape):
        raise ValueError(
            f"darcy expected a source that is a number or of shape {grid.shape}, got {load.shape}; use "
            "jax.vmap for batches."
        )
    load = eqx.error_if(
        jnp.broadcast_to(load, grid.shape),
        ~jnp.all(jnp.isfinite(load)),  # conjugate gradients stop at once with NaN, at u = 0
        "darcy expected a finite source, got NaN or infinity; repair the values.",
    )
    tolerance = rtol or (1e-5 if dtype == jnp.float32 else 1e-10)
    structure = jax.ShapeDtypeStruct(grid.shape, dtype)
    operator = lineax.FunctionLinearOperator(
        lambda u: minus_divergence(permeability, u, grid),
        structure,
        lineax.positive_semidefinite_tag,
    )
    inverse = lineax.FunctionLinearOperator(
        _constant_inverse(grid, jax.lax.stop_gradient(_mean(permeability))),
        structure,
        lineax.positive_semidefinite_tag,
    )
    solver = lineax.CG(rtol=tolerance, atol=0.0, max_steps=max_steps)
    return lineax.linear_solve(operator, load, solver, options={"preconditioner": inverse}).value


def minus_divergence(permeability: Cells, u: Cells, grid: Grid) -> Cells:
    """−∇·(a ∇u) with u = 0 on the boundary, half a cell from the outermost centres."""
    total = jnp.zeros_like(u)
    for axis, spacing in enumerate(grid.spacings):
        assert spacing is not None
        a, v = jnp.moveaxis(permeability, axis, 0), jnp.moveaxis(u, axis, 0)
        face = 2.0 * a[1:] * quotient(a[:-1], a[1:] + a[:-1])
        inner = face * (v[:-1] - v[1:])
        flux = jnp.concatenate([-2.0 * a[:1] * v[:1], inner, 2.0 * a[-1:] * v[-1:]])
        total = total + jnp.moveaxis(flux[1:] - flux[:-1], 0, axis) / spacing**2
    return total


def _constant_inverse(grid: Grid, level: Float[Array, ""]):
    """The inverse for a = level, diagonal in the discrete sines sin(πk(j + ½)/n)."""
    sines, rates = [], np.zeros(grid.shape)
    for axis, (n, spacing) in enumerate(zip(grid.shape, grid.spacings, strict=True)):
        assert spacing is not None
        k, j = np.arange(1, n + 1)[:, None], np.arange(n)[None, :]
        basis = np.sin(np.pi * k * (j + 0.5) / n)
        sines.append(basis / np.linalg.norm(basis, axis=1, keepdims=True))
        rate = (2.0 * np.sin(0.5 * np.pi * k[:, 0] / n) / spacing) ** 2
        rates = rates + rate.reshape([-1 if i == axis else 1 for i in range(rates.ndim)])

    def along(matrices: list[np.ndarray], u: Cells) -> Cells:
        for axis, matrix in enumerate(matrices):
            product = jnp.tensordot(jnp.asarray(matrix, u.dtype), u, axes=(1, axis))
            u = jnp.moveaxis(product, 0, axis)
        return u

    def inverse(u: Cells) -> Cells:
        modes = along(sines, u) / (level * jnp.asarray(rates, u.dtype))
        return along([basis.T for basis in sines], modes)

    return inverse


def _mean(permeability: Cells) -> Float[Array, ""]:
    """The geometric mean, which balances the two ends of the preconditioned spectrum."""
    return jnp.exp(jnp.mean(jnp.log(permeability)))
