"""An animation of a solution as a GIF, one frame a save time."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes

from ..grid import Grid
from ..incompressible import FlowSolution, StaggeredGrid
from ..time import Solution
from .frames import DOTS, Channel, Frames, figure_of, frames_of, label, new_axes, style
from .plot import draw_field


def animate(
    solution: Solution | FlowSolution,
    grid: Grid | StaggeredGrid,
    path: str | Path,
    *,
    channel: Channel = 0,
    quantity: str | None = None,
    unit: str | None = None,
    length_unit: str | None = None,
    time_unit: str | None = None,
    fps: float = 12.0,
) -> Path:
    """Write a GIF of the save times, all on one scale; the first profile stays in grey.

    Args:
        solution: of `solvers.solve` or `solvers.incompressible.solve`.
        grid: its grid; ``flow.grid`` for an incompressible flow.
        path: the file, ending in ``.gif``; its folder is made.
        channel: which channel, or a function from the state ``(channels, *space)`` to one field.
        quantity: what the field is called.
        unit: its unit.
        length_unit: unit of the coordinates.
        time_unit: unit of time.
        fps: frames a second.

    Returns:
        The path.

    Raises:
        TypeError: for a flow without its staggered grid.
        ValueError: when solution, grid and channel do not fit each other, when the grid has three
            dimensions, for fewer than two save times, another suffix or fps ≤ 0.
    """
    path = Path(path)
    if path.suffix != ".gif":
        raise ValueError(
            f"animate expected a path that ends in .gif, got {path.name!r}; rename the file."
        )
    if not 0 < fps < math.inf:
        raise ValueError(f"animate expected a finite fps > 0, got {fps}; choose for example 12.")
    frames = frames_of("animate", solution, grid, channel, quantity)
    if len(frames.values) < 2:
        raise ValueError(
            f"animate expected at least 2 save times, got {len(frames.values)}; pass save_at to solve."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        axes = new_axes(frames.grid)
        if frames.grid.ndim == 1:
            update = _profile(axes, frames)
            axes.set(xlabel=label("x", length_unit), ylabel=label(frames.quantity, unit))
        else:
            mesh = draw_field(axes, frames, 0, frames.limits, unit, length_unit)
            update = mesh.set_array
        writer = PillowWriter(fps=fps)  # pyright: ignore[reportArgumentType]
        with writer.saving(figure_of(axes), str(path), DOTS):
            for index, values in enumerate(frames.values):
                update(values.T)
                axes.set_title(frames.title(index, time_unit))
                writer.grab_frame()
    return path


def _profile(axes: Axes, frames: Frames) -> Callable[[np.ndarray], None]:
    """Draw the first profile, in grey and as the line that will move; returns what moves it."""
    (x,), (faces,) = frames.grid.centers, frames.grid.faces
    low, high = frames.limits
    margin = 0.05 * (high - low)
    axes.plot(x, frames.values[0], color="#aaaaaa", linewidth=1.0)
    (line,) = axes.plot(x, frames.values[0], color="#0072B2")
    axes.set(xlim=(faces[0], faces[-1]), ylim=(low - margin, high + margin))
    return line.set_ydata
