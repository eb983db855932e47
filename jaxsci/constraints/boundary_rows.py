r"""Boundary conditions as rows on cell averages: what a field is at an end of its domain.

    α u(x_b) + β ∂u/∂x(x_b) = g            Robin; Dirichlet for β = 0, Neumann for α = 0
    ∂ᵏu/∂xᵏ(x_0) = ∂ᵏu/∂xᵏ(x_1), k = 0, 1    periodic

The value and the slope at the end are those of the parabola that has the averages of the three cells next
to it, so the rows are of third and second order in the width of the cells, on stretched grids too.

Reference: C.-W. Shu, ICASE Report 97-65 (1997), section 2.1, for polynomials from cell averages.
"""

import math
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from solvers import Grid

from .._arrays import at_once, floating
from .affine import AffineConstraint, check_grid

Side = Literal["lower", "upper"]

_CELLS = 3  # of the parabola


def dirichlet(
    grid: Grid, value: ArrayLike, *, side: Side, axis: int = 0, noise: ArrayLike | None = None
) -> AffineConstraint:
    """The value of a field at a side: u = g, one row for each cell along it.

    Args:
        grid: where the cell averages live.
        value: g; a scalar, or one for each cell of the side, flattened; a batch in front.
        side: the lower or the upper end.
        axis: the axis that the side ends.
        noise: variance of g; None where it is known exactly.

    Raises:
        ValueError: an axis or side that the grid has not, fewer than three cells along the axis, or
            values that do not fit the side.
    """
    return _robin("dirichlet", grid, 1.0, 0.0, value, side, axis, noise)


def neumann(
    grid: Grid, slope: ArrayLike, *, side: Side, axis: int = 0, noise: ArrayLike | None = None
) -> AffineConstraint:
    """The derivative of a field along the coordinate at a side, ∂u/∂x = g.

    Args:
        grid: where the cell averages live.
        slope: g, along the increasing coordinate at both ends; otherwise as in `dirichlet`.
        side: the lower or the upper end.
        axis: the axis that the side ends.
        noise: variance of g; None where it is known exactly.

    Raises:
        ValueError: as in `dirichlet`.
    """
    return _robin("neumann", grid, 0.0, 1.0, slope, side, axis, noise)


def robin(
    grid: Grid,
    alpha: float,
    beta: float,
    value: ArrayLike,
    *,
    side: Side,
    axis: int = 0,
    noise: ArrayLike | None = None,
) -> AffineConstraint:
    """A combination of the value and the derivative at a side, α u + β ∂u/∂x = g.

    Args:
        grid: where the cell averages live.
        alpha: α.
        beta: β, in the unit of the coordinate.
        value: g, as in `dirichlet`.
        side: the lower or the upper end.
        axis: the axis that the side ends.
        noise: variance of g; None where it is known exactly.

    Raises:
        ValueError: as in `dirichlet`, or α = β = 0.
        TypeError: coefficients that are no numbers.
    """
    try:
        alpha, beta = float(alpha), float(beta)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"robin expected two numbers as coefficients, got {alpha!r} and {beta!r}; build the rows with "
            "AffineConstraint to learn them."
        ) from error
    if not (math.isfinite(alpha) and math.isfinite(beta)) or alpha == beta == 0:
        raise ValueError(
            f"robin expected finite coefficients, one of them not zero, got {alpha} and {beta}; use "
            "dirichlet for a value, neumann for a slope."
        )
    return _robin("robin", grid, alpha, beta, value, side, axis, noise)


def periodic(grid: Grid, *, axis: int = 0, noise: ArrayLike | None = None) -> AffineConstraint:
    """Equal values and equal slopes at the two ends of an axis: two rows for each cell of a side.

    Args:
        grid: where the cell averages live.
        axis: the axis that is closed.
        noise: variance of the differences; None for none.

    Raises:
        ValueError: as in `dirichlet`.
    """
    _check_side("periodic", grid, "lower", axis)
    rows = [_rows(grid, k, "lower", axis) - _rows(grid, k, "upper", axis) for k in (0, 1)]
    stacked = np.concatenate(rows)
    return AffineConstraint(stacked, np.zeros(len(stacked)), noise)


def _robin(
    who: str,
    grid: Grid,
    alpha: float,
    beta: float,
    value: ArrayLike,
    side: Side,
    axis: int,
    noise: ArrayLike | None,
) -> AffineConstraint:
    _check_side(who, grid, side, axis)
    rows = alpha * _rows(grid, 0, side, axis) + beta * _rows(grid, 1, side, axis)
    values = floating(who, value)
    if values.ndim == 0:
        with at_once(values):
            values = jnp.broadcast_to(values, len(rows))
    if values.shape[-1] != len(rows):
        raise ValueError(
            f"{who} expected a scalar or one value for each of the {len(rows)} cells of the side, got "
            f"shape {values.shape}; flatten the side into the last axis."
        )
    return AffineConstraint(rows, values, noise)


def _check_side(who: str, grid: Grid, side: str, axis: int) -> None:
    check_grid(who, grid)
    known = isinstance(side, str) and side in ("lower", "upper")
    if not known or not isinstance(axis, int | np.integer) or axis not in range(grid.ndim):
        raise ValueError(
            f"{who} expected side 'lower' or 'upper' and an axis from 0 to {grid.ndim - 1}, got {side!r} "
            f"and {axis}; name an end of the grid."
        )
    if grid.shape[axis] < _CELLS:
        raise ValueError(
            f"{who} expected at least {_CELLS} cells along axis {axis}, got {grid.shape[axis]}; refine "
            "the grid."
        )


def _rows(grid: Grid, derivative: int, side: Side, axis: int) -> np.ndarray:
    """One row for each cell of the side, shape (transverse, n)."""
    cells = grid.shape[axis]
    along = np.zeros(cells)
    near = slice(0, _CELLS) if side == "lower" else slice(cells - _CELLS, cells)
    end = 0 if side == "lower" else -1
    faces = np.asarray(grid.axes[axis])
    nearest = faces[: _CELLS + 1] if side == "lower" else faces[-_CELLS - 1 :]
    along[near] = _weights(nearest - faces[end], derivative)
    before, after = math.prod(grid.shape[:axis]), math.prod(grid.shape[axis + 1 :])
    return np.kron(np.kron(np.eye(before), along), np.eye(after)).reshape(before * after, -1)


def _weights(faces: np.ndarray, derivative: int) -> np.ndarray:
    """Weights of cell averages for the k-th derivative at 0 of the polynomial that has them."""
    scale = np.abs(faces).max()
    x = faces / scale
    powers = np.arange(1, len(x))
    # The average of x^{p−1} over a cell is (b^p − a^p) / (p (b − a)).
    averages = np.diff(x[:, None] ** powers, axis=0) / (powers * np.diff(x)[:, None])
    unit = np.zeros(len(x) - 1)
    unit[derivative] = math.factorial(derivative) / scale**derivative
    return np.linalg.solve(averages.T, unit)
