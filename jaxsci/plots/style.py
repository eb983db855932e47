"""One look for all figures: readable in print, safe for the colour-blind, and without global state.

Figures are made without pyplot, so that nothing needs a display and nothing stays open. Settings
hold inside a context only.

Reference for the colours: Okabe, Ito, Color Universal Design (2008), https://jfly.uni-koeln.de/color/.
"""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._arrays import numbers
from .._numeric import check_real

Series = ArrayLike | Sequence[int | float]

# Okabe and Ito's eight, without black, which is the truth's, and yellow, which fades on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Lines differ by dashes too, for print without colour.
DASHES = ("-", "--", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (5, 1)), (0, (1, 1)))
TRUTH: dict[str, Any] = {"color": "black", "linewidth": 1.6, "zorder": 3}

_DOTS = 150  # per inch, in pixel formats
_SETTINGS = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.4,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.6,
    "figure.dpi": _DOTS,
}


def style() -> AbstractContextManager[None]:
    """The context in which axes are made and drawn on."""
    return matplotlib.rc_context(_SETTINGS)  # pyright: ignore[reportArgumentType]


class _Figure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.savefig(buffer, format="png", dpi=_DOTS)
        return buffer.getvalue()


def new_axes(*, width: float = 6.4, height: float = 3.2) -> Axes:
    """Axes on a figure of their own, `axes.figure`, which notebooks show; sizes in inches.

    The width is that of the axes and of a legend beside them.
    """
    with style():
        return _Figure(figsize=(width, height), layout="constrained").add_subplot()


def new_grid(
    rows: int, columns: int, *, width: float = 1.1, aspect: float = 1.0
) -> list[list[Axes]]:
    """Rows of equal axes on a figure of their own, each so many inches wide, for pictures."""
    size = (width * columns + 2.0, width * aspect * rows + 0.5)
    with style():
        # Made for axes of one shape: otherwise the names of rows may be cut off.
        figure = _Figure(figsize=size, layout="compressed")
        axes = figure.subplots(rows, columns, squeeze=False)
    return [list(row) for row in axes]


def save(axes: Axes, path: str | Path) -> Path:
    """Write the figure of these axes; the suffix says the format (.png, .pdf, .svg).

    The file holds no dates, so that the same figure is the same file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes are always on a figure until they are removed
    with style(), matplotlib.rc_context({"svg.hashsalt": "jaxsci"}):
        figure.savefig(path, dpi=_DOTS, metadata=dates.get(path.suffix))
    return path


def appearance(index: int) -> dict[str, Any]:
    """Colour and dashes of the index-th series."""
    # From the seventh line on, colours come again with other dashes.
    dash = index + index // len(COLORS)
    return {"color": COLORS[index % len(COLORS)], "linestyle": DASHES[dash % len(DASHES)]}


def legend(axes: Axes, *, title: str | None = None) -> None:
    """A legend to the right of the axes, where it covers no curve and no band.

    The figures of `new_axes` make room for it. One that arranges nothing by itself would cut it off, and has
    it inside, on a background that lets curves shine through.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes are always on a figure until they are removed
    if figure.get_layout_engine() is None:
        axes.legend(title=title)
    else:
        axes.legend(title=title, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def label(quantity: str, unit: str | None) -> str:
    """Axis label with its unit in brackets, where there is one."""
    return f"{quantity} [{unit}]" if unit else quantity


def as_real(plot: str, name: str, values: Any) -> np.ndarray:
    """An array of real numbers."""
    array = np.asarray(numbers(plot, name, values))
    check_real(plot, {name: array})
    return array


def as_series(plot: str, name: str, values: Series, length: int) -> np.ndarray:
    """A one-dimensional array of the expected length."""
    array = as_real(plot, name, values)
    if array.shape != (length,):
        raise ValueError(
            f"{plot} expected {name} of shape ({length},), got {array.shape}; select one sample, "
            "time and channel first."
        )
    return array


def as_axis(plot: str, name: str, values: Series) -> np.ndarray:
    """The coordinates that the other arrays must fit."""
    array = np.asarray(values)
    array = array if array.dtype.kind == "M" else as_real(plot, name, array)
    if array.ndim != 1 or array.size < 2 or not (np.diff(array) > 0).all():
        raise ValueError(
            f"{plot} expected {name} to be at least 2 increasing coordinates, got shape "
            f"{array.shape}; sort them and pass one axis."
        )
    return array
