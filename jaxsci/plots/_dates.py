"""What the plots of series share: axes of dates or whole numbers, shades of one colour, short date labels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from .style import COLORS, Series, as_axis, as_series


def as_line(plot: str, name: str, line: tuple[Series, Series]) -> tuple[np.ndarray, np.ndarray]:
    """Increasing dates and as many values."""
    dates = as_axis(plot, f"the dates of {name}", line[0])
    return dates, as_series(plot, name, line[1], dates.size)


def shade(strength: float) -> tuple[float, ...]:
    """The first colour mixed with white; opaque, so that the legend shows what is drawn."""
    return tuple(1 - strength * (1 - part) for part in to_rgb(COLORS[0]))


def date_axis(axes: Axes, dates: np.ndarray) -> None:
    """Labels that do not repeat the year at every tick, where there are dates."""
    if np.issubdtype(dates.dtype, np.datetime64):
        locator = AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
