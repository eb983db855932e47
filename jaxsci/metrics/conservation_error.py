r"""Conservation error: the total of a predicted field minus the one it should have.

    CE = Σ_i w_i u_i − U,     w = cell volumes for cell averages

Signed, as in Hansen et al. (ProbConserv), ICML 2023, arXiv:2302.11002, who take trapezoid weights
on nodes. With those the true solution has an error too, up to 1.4e-3 on a Stefan problem with 201
nodes; volumes and cell averages have none.
"""

import numpy as np
from jaxtyping import Float

from solvers import Grid

from .._arrays import numbers
from .._numeric import AnyArray, namespace, numeric
from ..constraints.affine import apply_rows


@numeric("prediction", "total")
def conservation_error(
    prediction: Float[AnyArray, "..."],
    total: Float[AnyArray, "..."],
    grid: Grid | Float[AnyArray, "*space"],
) -> Float[AnyArray, "..."]:
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
    volumes = grid.volumes if isinstance(grid, Grid) else grid
    weights = numbers("conservation_error", "grid", volumes)
    leading = prediction.shape[: prediction.ndim - weights.ndim]
    if weights.ndim == 0 or prediction.shape != (*leading, *weights.shape):
        raise ValueError(
            f"conservation_error expected fields with trailing axes {weights.shape}, got "
            f"{prediction.shape}; put the space axes last."
        )
    if total.shape not in ((), leading):
        raise ValueError(
            f"conservation_error expected a total of shape () or {leading}, got {total.shape}; "
            "give one total for each field."
        )
    cells = prediction.reshape(*leading, -1)
    weights = namespace(cells).asarray(weights, dtype=cells.dtype).reshape(1, -1)
    # NumPy sums in pairs already.
    held = (
        (weights * cells).sum(axis=-1)
        if isinstance(cells, np.ndarray)
        else apply_rows(weights, cells)[..., 0]
    )
    return held - total
