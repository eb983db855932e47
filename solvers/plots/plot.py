"""A picture of a solution: profiles at all save times in one dimension, a field in two."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap, Normalize

from ..grid import Grid
from ..incompressible import FlowSolution, StaggeredGrid, SteadyFlow
from ..time import Solution
from .frames import (
    SHADES,
    Channel,
    Frames,
    figure_of,
    frames_of,
    label,
    new_axes,
    style,
    time_label,
)

# More lines than this are told apart by a colour bar better than by a legend.
_LEGEND = 6
# The light end of the shades is lost on white.
_LIGHTEST = 0.88


def plot(
    solution: Solution | FlowSolution | SteadyFlow,
    grid: Grid | StaggeredGrid,
    *,
    channel: Channel = 0,
    index: int = -1,
    quantity: str | None = None,
    unit: str | None = None,
    length_unit: str | None = None,
    time_unit: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a solution: in one dimension all save times, from dark to light; in two one of them.

    ``plot(solution, grid, channel=lambda u: law.to_primitive(u)[2], quantity="pressure")`` draws what
    is computed from the state.

    Args:
        solution: of `solvers.solve`, `solvers.incompressible.solve` or `solvers.incompressible.steady`.
        grid: its grid; ``flow.grid`` for an incompressible flow.
        channel: which channel, or a function from the state ``(channels, *space)`` to one field.
        index: which save time is drawn in two dimensions.
        quantity: what the field is called.
        unit: its unit.
        length_unit: unit of the coordinates.
        time_unit: unit of time.
        title: title of the axes; in two dimensions the time by default.
        axes: where to draw; a new figure, ``axes.figure``, by default.

    Returns:
        The axes.

    Raises:
        TypeError: for a flow without its staggered grid.
        ValueError: when solution, grid, channel and index do not fit each other, or the grid has
            three dimensions.
    """
    frames = frames_of("plot", solution, grid, channel, quantity)
    count = len(frames.values)
    if not -count <= index < count:
        raise ValueError(
            f"plot expected an index below the number {count} of save times, got {index}; choose "
            "another."
        )
    axes = new_axes(frames.grid) if axes is None else axes
    with style():
        if frames.grid.ndim == 1:
            _profiles(axes, frames, time_unit)
            axes.set(xlabel=label("x", length_unit), ylabel=label(frames.quantity, unit))
            axes.set_title(title or "")
        else:
            draw_field(axes, frames, index, None, unit, length_unit)
            axes.set_title(frames.title(index, time_unit) if title is None else title)
    return axes


def _profiles(axes: Axes, frames: Frames, time_unit: str | None) -> None:
    (x,), (faces,) = frames.grid.centers, frames.grid.faces
    assert frames.times is not None  # steady flows have more dimensions
    times = frames.times
    shades = matplotlib.colormaps[SHADES]
    first, last = float(times[0]), float(times[-1])
    if len(times) > _LEGEND:
        used = ListedColormap(shades(np.linspace(0.0, _LIGHTEST, 256)))
        place = Normalize(first, last)
        looks = [used(place(time)) for time in times]
        mappable = ScalarMappable(place, used)
        figure_of(axes).colorbar(mappable, ax=axes, label=label("t", time_unit))
    else:
        looks = [shades(s) for s in np.linspace(0.0, _LIGHTEST, max(len(times), 2))]
    for time, values, color in zip(times, frames.values, looks, strict=False):
        axes.plot(x, values, color=color, label=time_label(time, time_unit))
    if len(times) <= _LEGEND:
        axes.legend()
    axes.set_xlim(faces[0], faces[-1])


def draw_field(
    axes: Axes,
    frames: Frames,
    index: int,
    limits: tuple[float, float] | None,
    unit: str | None,
    length_unit: str | None,
) -> QuadMesh:
    """One time of a field of two dimensions, with its colour bar; NaN is grey."""
    x, y = frames.grid.faces
    low, high = (None, None) if limits is None else limits
    axes.grid(False)
    axes.set_facecolor("#bbbbbb")
    mesh = axes.pcolormesh(
        x, y, frames.values[index].T, cmap=SHADES, vmin=low, vmax=high, rasterized=True
    )
    axes.set_aspect("equal")
    axes.set(xlabel=label("x", length_unit), ylabel=label("y", length_unit))
    figure_of(axes).colorbar(mesh, ax=axes, label=label(frames.quantity, unit))
    return mesh
