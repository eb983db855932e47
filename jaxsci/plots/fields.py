"""A signed error over two axes, space and time or two of space, as a map."""

import numpy as np
from matplotlib.axes import Axes

from .style import Series, as_axis, as_real, label, new_axes, style


def error_map(
    error: Series,
    x: Series,
    y: Series,
    *,
    limit: float | None = None,
    quantity: str = "error",
    unit: str | None = None,
    x_label: str = "x",
    y_label: str = "time",
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a signed error, white where it is zero, on a colour scale symmetric about zero.

    Args:
        error: prediction minus truth, of shape (len(y), len(x)); NaN is drawn grey.
        x: increasing coordinates to the right.
        y: increasing coordinates upwards.
        limit: largest absolute error of the colour scale, so that maps can share one; the largest
            of this map by default. Larger errors get the end colour, and the bar an arrow.
        quantity: what is drawn.
        unit: its unit.
        x_label: name of x, with its unit.
        y_label: name of y, with its unit.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: an error that does not fit the axes, or a limit that is not positive.
    """
    x, y = as_axis("error_map", "x", x), as_axis("error_map", "y", y)
    values = as_real("error_map", "error", error)
    if values.shape != (y.size, x.size):
        raise ValueError(
            f"error_map expected an error of shape (y, x) = ({y.size}, {x.size}), got "
            f"{values.shape}; transpose it, or select one sample and channel."
        )
    if limit is not None and not 0 < limit < np.inf:
        raise ValueError(f"error_map expected a positive limit, got {limit}; leave it out.")
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0.0))
    # An error of zero everywhere still needs a scale; any will do.
    bound = limit if limit is not None else largest or 1.0
    axes = new_axes() if axes is None else axes
    figure = axes.get_figure()
    assert figure is not None  # axes are always on a figure until they are removed
    with style():
        axes.grid(False)
        axes.set_facecolor("#bbbbbb")
        mesh = axes.pcolormesh(
            x, y, values, cmap="RdBu_r", vmin=-bound, vmax=bound, shading="nearest", rasterized=True
        )
        extend = "both" if largest > bound else "neither"
        figure.colorbar(mesh, ax=axes, label=label(quantity, unit), extend=extend)
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
    return axes
