"""Quadrature: cell averages of a function by Gauss points, weights of nodes and of latitudes.

ū_i = 1/|C_i| ∫_{C_i} u dx ≈ Σ_q w_q u(x_i + ½ h_i ξ_q), exact for polynomials of degree 2p − 1.

Reference: P. Davis, P. Rabinowitz, Methods of Numerical Integration (1984), sections 2.1 and 2.7.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._annotations import answered
from .grid import Grid


def cell_averages(
    function: Callable[..., Array], grid: Grid, *, points: int = 5
) -> Float[Array, "*shape"]:
    """Averages of ``function(x, y, ...)`` over the cells by a product Gauss rule.

    The rule is as good as the function is smooth *within a cell*: a jump inside a cell costs up to
    its size times the largest weight, so put jumps on faces or average in closed form.

    Args:
        function: takes one coordinate array a dimension, all of one shape; returns values of that
            shape. It may close over traced parameters.
        grid: the grid, of any dimension.
        points: Gauss points an axis.

    Returns:
        Array of shape `grid.shape`; add a channel axis with ``[None]`` for a solver state.
    """
    if not 1 <= points <= 100:
        raise ValueError(
            f"cell_averages expected 1 to 100 points an axis, got {points}; 5 are usual."
        )
    nodes, weights = np.polynomial.legendre.leggauss(points)
    # Axes: (cells of axis 0, points of axis 0, cells of axis 1, ...), then points are summed away.
    coordinates = [
        (center[:, None] + 0.5 * width[:, None] * nodes)
        for center, width in zip(grid.centers, grid.widths, strict=True)
    ]
    shape = tuple(n for c in coordinates for n in c.shape)
    arrays = []
    for axis, c in enumerate(coordinates):
        expanded = c.reshape((1,) * (2 * axis) + c.shape + (1,) * (2 * (grid.ndim - 1 - axis)))
        arrays.append(jnp.asarray(np.broadcast_to(expanded, shape), dtype=float))
    values = jnp.broadcast_to(
        jnp.asarray(answered("cell_averages", "function", function(*arrays))), shape
    )  # constants, too
    if not jnp.issubdtype(values.dtype, jnp.inexact):
        values = values.astype(float)  # a step written with integers; weights would round to zero
    rule = jnp.asarray(0.5 * weights, dtype=values.dtype)
    for axis in range(grid.ndim):
        values = jnp.tensordot(values, rule, axes=((axis + 1,), (0,)))
    return values


def trapezoid_weights(
    nodes: Float[Array, " nodes"] | Float[np.ndarray, " nodes"] | Sequence[float],
) -> Float[np.ndarray, " nodes"]:
    """Weights of the trapezoid rule on arbitrary increasing nodes, w_i = ½(Δx_{i−1} + Δx_i).

    For values *at nodes*, ends included; second order, and biased wherever the integrand bends or
    jumps between nodes. Cell averages need no such rule: see `Grid.quadrature_weights`.

    Raises:
        ValueError: when there are fewer than two nodes, or they are not finite and increasing.
    """
    x = np.asarray(nodes, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not np.all(np.isfinite(x)) or not np.all(np.diff(x) > 0):
        raise ValueError(
            "trapezoid_weights expected at least 2 finite, strictly increasing nodes, got an "
            f"array of shape {x.shape} that is not; sort the nodes and remove duplicates."
        )
    gaps = np.diff(x)
    return 0.5 * (np.append(gaps, 0.0) + np.insert(gaps, 0, 0.0))


def latitude_weights(
    latitudes: Float[Array, " lat"] | Float[np.ndarray, " lat"] | Sequence[float],
) -> Float[np.ndarray, "lat 1"]:
    """Shares of the sphere that belong to each latitude of a regular grid, w_j ∝ sin φ_{j+½} − sin φ_{j−½}.

    The bands end halfway between neighbours, and at the poles; so a latitude at a pole has its cap, where
    cos φ would be 0. Weighted by them a mean over (..., lat, lon) is one over the area.

    Reference: S. Rasp et al., WeatherBench 2, J. Adv. Model. Earth Syst. 16 (2024), doi:10.1029/2023MS004019.

    Args:
        latitudes: degrees north, increasing or decreasing.

    Returns:
        Weights of mean 1, with an axis of length 1 for the longitudes.

    Raises:
        ValueError: fewer than two latitudes, or some that are not within ±90 degrees and in order.
    """
    phi = np.asarray(latitudes, dtype=np.float64)
    steps = np.diff(phi) if phi.ndim == 1 else phi
    ordered = phi.ndim == 1 and phi.size >= 2 and ((steps > 0).all() or (steps < 0).all())
    if not ordered or not (np.abs(phi) <= 90).all():
        raise ValueError(
            f"latitude_weights expected at least 2 latitudes in order between -90 and 90 degrees, got an "
            f"array of shape {phi.shape} that is not; give degrees north, each once."
        )
    edges = np.concatenate([[90.0], 0.5 * (phi[1:] + phi[:-1]), [90.0]])
    edges[0], edges[-1] = (-90.0, 90.0) if phi[0] < phi[-1] else (90.0, -90.0)
    bands = np.abs(np.diff(np.sin(np.radians(edges))))
    return (bands / bands.mean())[:, None]
