"""What pictures of solutions share: one field over time out of a solution, and the look.

A `Solution` holds cell averages. The face values of an incompressible flow are drawn where they are
means over cells, `StaggeredGrid.centered`. Figures are made without pyplot: nothing needs a display and
nothing stays open.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import matplotlib
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..grid import Grid
from ..incompressible import FlowSolution, StaggeredGrid, SteadyFlow
from ..time import Solution

Channel = int | Callable[[Array], Array]
"""Which field of a state ``(channels, *space)``: a channel, or a function of all of them."""

DOTS = 150  # per inch
SHADES = "viridis"  # even steps of lightness, for print and for the colour-blind
_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "figure.dpi": DOTS,
}


class Frames(NamedTuple):
    """One field at one or more times.

    Attributes:
        grid: the cells.
        times: the times, increasing; None for a steady flow.
        values: cell averages at these times.
        quantity: what to call the field.
    """

    grid: Grid
    times: Float[np.ndarray, " time"] | None
    values: Float[np.ndarray, "time *space"]
    quantity: str

    def title(self, index: int, unit: str | None) -> str:
        """What says which time is shown."""
        return "steady" if self.times is None else time_label(self.times[index], unit)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest finite value of all times; one apart where they are equal."""
        finite = self.values[np.isfinite(self.values)]
        if finite.size == 0:
            return 0.0, 1.0
        low, high = float(finite.min()), float(finite.max())
        return (low, high) if low < high else (low - 0.5, high + 0.5)


def frames_of(
    caller: str,
    solution: Solution | FlowSolution | SteadyFlow,
    grid: Grid | StaggeredGrid,
    channel: Channel,
    quantity: str | None,
) -> Frames:
    """The field of a solution that is to be drawn.

    Raises:
        TypeError: for a flow without its staggered grid.
        ValueError: when solution, grid and channel do not fit each other.
    """
    times, states = _states(caller, solution, grid)
    cells = grid.cells if isinstance(grid, StaggeredGrid) else grid
    if states.ndim != 2 + cells.ndim or states.shape[2:] != cells.shape:
        raise ValueError(
            f"{caller} expected states of shape (time, channels, *{cells.shape}), got {states.shape}; "
            "pass the grid of the solve, and one solution of a batch."
        )
    if cells.ndim > 2:
        raise ValueError(
            f"{caller} expected one or two space dimensions, got {cells.ndim}; slice the states first."
        )
    channels = states.shape[1]
    if isinstance(channel, int | np.integer):
        if not -channels <= channel < channels:
            raise ValueError(
                f"{caller} expected a channel below {channels}, got {channel}; choose another, or "
                "pass a function of the state."
            )
        values, name = states[:, channel], "u" if channels == 1 else f"channel {channel % channels}"
        if isinstance(grid, StaggeredGrid):
            name = "uvw"[channel]
    else:
        values, name = jax.vmap(channel)(states), "u"
    values = np.asarray(values, dtype=float)
    if values.shape != (states.shape[0], *cells.shape):
        raise ValueError(
            f"{caller} expected the channel function to return an array of shape {cells.shape}, got "
            f"{values.shape[1:]}; return one number a cell."
        )
    return Frames(cells, times, values, name if quantity is None else quantity)


def _states(
    caller: str, solution: Solution | FlowSolution | SteadyFlow, grid: Grid | StaggeredGrid
) -> tuple[np.ndarray | None, Array]:
    """Save times, and states with the axes time and channels in front."""
    if isinstance(solution, Solution):
        return np.asarray(solution.times, dtype=float), solution.states
    if not isinstance(grid, StaggeredGrid):
        raise TypeError(
            f"{caller} expected the staggered grid of the flow, got {type(grid).__name__}; pass "
            "flow.grid."
        )
    if isinstance(solution, SteadyFlow):
        return None, grid.centered(solution.velocity)[None]
    return np.asarray(solution.times, dtype=float), jax.vmap(grid.centered)(solution.velocity)


def style() -> AbstractContextManager[None]:
    """The context in which axes are made and drawn on."""
    return matplotlib.rc_context(_SETTINGS)  # pyright: ignore[reportArgumentType]


class _Figure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.savefig(buffer, format="png", dpi=DOTS)
        return buffer.getvalue()


def new_axes(grid: Grid) -> Axes:
    """Axes on a figure of their own, as wide as the domain asks for."""
    width, height = 4.8, 3.2
    if grid.ndim == 2:
        lengths = [faces[-1] - faces[0] for faces in grid.faces]
        # Room for the colour bar; a channel does not become a ribbon.
        height = float(np.clip((width - 1.2) * lengths[1] / lengths[0] + 0.6, 1.8, 6.0))
    with style():
        return _Figure(figsize=(width, height), layout="constrained").add_subplot()


def figure_of(axes: Axes) -> Figure:
    """The figure that the axes are on."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes are on a figure until they are removed
    return figure


def label(quantity: str, unit: str | None) -> str:
    """Axis label with its unit in brackets, where there is one."""
    return f"{quantity} [{unit}]" if unit else quantity


def time_label(time: float, unit: str | None) -> str:
    """``t = 0.5 s``, to four digits."""
    return f"t = {time:.4g}{f' {unit}' if unit else ''}"
