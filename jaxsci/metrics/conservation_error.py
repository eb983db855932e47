r"""Conservation error: the total of a predicted field minus the one it should have.

    CE = Σ_i w_i u_i − U,     w = cell volumes for cell averages

Signed, as in Hansen et al. (ProbConserv), ICML 2023, arXiv:2302.11002, who take trapezoid weights
on nodes. With those the true solution has an error too, up to 1.4e-3 on a Stefan problem with 201
nodes; volumes and cell averages have none.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from solvers import Grid

from ..constraints import AffineConstraint


def conservation_error(
    prediction: Float[Array, "..."], total: ArrayLike, grid: Grid | ArrayLike
) -> Float[Array, "..."]:
    """Signed error of the total of every field.

    Args:
        prediction: fields of shape (..., *space); the leading axes are channels, times, samples.
        total: U, a scalar or one entry for each leading index, in the field's unit times the
            volume's.
        grid: a `Grid`, or quadrature weights of shape (*space).

    Returns:
        Array of the leading shape.

    Raises:
        ValueError: fields whose trailing axes are not the grid's, or totals that do not fit the
            leading ones.
    """
    weights = jnp.asarray(grid.volumes if isinstance(grid, Grid) else grid)
    leading = prediction.shape[: prediction.ndim - weights.ndim]
    if weights.ndim == 0 or prediction.shape != (*leading, *weights.shape):
        raise ValueError(
            f"conservation_error expected fields with trailing axes {weights.shape}, got "
            f"{prediction.shape}; put the space axes last."
        )
    total = jnp.asarray(total)
    if total.shape not in ((), leading):
        raise ValueError(
            f"conservation_error expected a total of shape () or {leading}, got {total.shape}; "
            "give one total for each field."
        )
    constraint = AffineConstraint(weights.reshape(1, -1), total[..., None])
    return constraint.residual(prediction.reshape(*leading, -1))[..., 0]
