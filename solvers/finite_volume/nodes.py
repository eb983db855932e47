"""Point values at cell faces from cell averages.

At each face a cubic is matched to the averages of the four nearest cells (fewer on coarser grids);
at a Neumann or Robin end one average gives way to the condition, at a Dirichlet end the value is the
prescribed one. Inside, the result is limited to the range of the cells it came from, widened where
their curvature keeps its sign, so that a shock makes no new extrema and a smooth extremum is not
clipped. The weights depend on the grid alone and are computed once, in double precision.

Reference: P. Colella, P. R. Woodward, J. Comput. Phys. 54 (1984) 174, section 1,
doi:10.1016/0021-9991(84)90143-8.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..boundary import AbstractBoundary, Dirichlet, Neumann, Periodic, Robin, prescribed

if TYPE_CHECKING:
    from ..laws.law import State

_POINTS = 4


def node_values(
    sides: tuple[AbstractBoundary, AbstractBoundary],
    widths: Float[np.ndarray, " cells"],
    t: ArrayLike,
    u: "State",
    axis: int,
) -> Float[Array, "channels *faces"]:
    """Values at the ``cells + 1`` faces of an axis, the ends honouring their conditions.

    At an outflow end the limited slope of the last two cells is extrapolated.
    """
    cells = jnp.moveaxis(u, axis + 1, -1)
    periodic = isinstance(sides[0], Periodic)
    count = min(_POINTS, widths.size)
    if periodic:
        margin = min(count // 2 + 1, widths.size)
        cells = jnp.concatenate([cells[..., -margin:], cells, cells[..., :margin]], axis=-1)
        extended = np.pad(widths, margin, mode="wrap")
        nodes = _interpolate(cells, extended, count)[..., margin:-margin]
        # One face: the two ends see the same cells through different round-off.
        nodes = jnp.concatenate([nodes[..., :-1], nodes[..., :1]], axis=-1)
    else:
        nodes = _interpolate(cells, widths, count)
        ends = [
            _end(sides[0], widths, t, u, cells, axis, lower=True),
            _end(sides[1], widths[::-1], t, u, cells[..., ::-1], axis, lower=False),
        ]
        nodes = jnp.concatenate([ends[0], nodes[..., 1:-1], ends[1]], axis=-1)
    return jnp.moveaxis(nodes, -1, axis + 1)


def _interpolate(cells: Array, widths: np.ndarray, count: int) -> Array:
    """Limited polynomial values at all faces of an array of cells (one-sided near its ends)."""
    faces = np.insert(np.cumsum(widths), 0, 0.0)
    first = np.clip(np.arange(faces.size) - count // 2, 0, widths.size - count)
    weights = np.stack(
        [_value_weights(faces[i : i + count + 1] - x) for i, x in zip(first, faces, strict=True)]
    )
    stencil = cells[..., first[:, None] + np.arange(count)]
    nodes = jnp.sum(stencil * jnp.asarray(weights, dtype=cells.dtype), axis=-1)
    bend = jnp.diff(stencil, n=2, axis=-1)
    margin = jnp.zeros_like(nodes)
    if count == _POINTS:
        same = bend[..., 0] * bend[..., 1] > 0
        margin = jnp.where(same, jnp.min(jnp.abs(bend), axis=-1), 0.0)
    return jnp.clip(nodes, jnp.min(stencil, axis=-1) - margin, jnp.max(stencil, axis=-1) + margin)


def _average_rows(faces: np.ndarray, degree: int) -> np.ndarray:
    """Rows that give the cell averages of 1, x, ..., x^{degree−1}."""
    powers = np.arange(1, degree + 1)
    moments = faces[:, None] ** powers / powers
    return np.diff(moments, axis=0) / np.diff(faces)[:, None]


def _value_weights(faces: np.ndarray) -> np.ndarray:
    """Weights of the cell averages in the value at x = 0 of the polynomial that matches them."""
    scale = np.max(np.abs(faces))
    rows = _average_rows(faces / scale, faces.size - 1)
    return np.linalg.solve(rows.T, np.eye(faces.size - 1)[0])


def _end(
    side: AbstractBoundary,
    widths: np.ndarray,
    t: ArrayLike,
    u: "State",
    cells: Array,
    axis: int,
    *,
    lower: bool,
) -> Array:
    """Value at an end; `widths` and `cells` start at the end, in the direction inwards."""
    edge = jnp.expand_dims(jnp.moveaxis(u, axis + 1, -1)[..., 0], axis + 1)
    first = cells[..., :1]
    if isinstance(side, Dirichlet):
        value = jnp.broadcast_to(prescribed(side.value, t, edge, axis), edge.shape)
        return jnp.moveaxis(value, axis + 1, -1)
    if isinstance(side, Neumann):
        gradient = jnp.broadcast_to(prescribed(side.gradient, t, edge, axis), edge.shape)
        inward = jnp.moveaxis(gradient if lower else -gradient, axis + 1, -1)
        count = min(_POINTS - 1, widths.size)
        faces = np.insert(np.cumsum(widths[:count]), 0, 0.0)
        scale = faces[-1]
        rows = _average_rows(faces / scale, count + 1)
        slope = np.eye(count + 1)[1] / scale
        weights = np.linalg.solve(np.vstack([rows, slope]).T, np.eye(count + 1)[0])
        averages = cells[..., :count] * jnp.asarray(weights[:-1], dtype=cells.dtype)
        return jnp.sum(averages, axis=-1, keepdims=True) + float(weights[-1]) * inward
    if isinstance(side, Robin):
        return _robin(side, widths, t, edge, cells, axis)
    if widths.size < 3:
        return first
    steps = [
        (cells[..., i : i + 1] - cells[..., i + 1 : i + 2]) / float(widths[i] + widths[i + 1])
        for i in range(2)
    ]
    agree = steps[0] * steps[1] > 0
    smaller = jnp.where(jnp.abs(steps[0]) < jnp.abs(steps[1]), steps[0], steps[1])
    return first + jnp.where(agree, smaller, 0.0) * float(widths[0])


def _robin(
    side: Robin, widths: np.ndarray, t: ArrayLike, edge: Array, cells: Array, axis: int
) -> Array:
    """Value of the polynomial p + αq that meets the condition: p matches averages, those of q vanish."""
    a, b, g = (
        jnp.moveaxis(jnp.broadcast_to(prescribed(part, t, edge, axis), edge.shape), axis + 1, -1)
        for part in (side.a, side.b, side.g)
    )
    count = min(_POINTS - 1, widths.size)
    faces = np.insert(np.cumsum(widths[:count]), 0, 0.0)
    scale, units = faces[-1], np.eye(count + 1)
    rows = _average_rows(faces / scale, count + 1)
    weights = np.linalg.solve(rows[:, :count].T, units[:count, :2])
    averages = cells[..., :count] @ jnp.asarray(weights, dtype=cells.dtype)
    value = averages[..., :1]
    slope = averages[..., 1:] / scale
    bend = float(np.linalg.solve(np.vstack([rows, units[0]]), units[-1])[1] / scale)
    return value + (g - a * value + b * slope) / (a - b * bend)
