"""Training curves: losses and metrics over the steps of one or several runs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from .style import Series, appearance, label, legend, new_axes, style


def training_curve(
    curves: Mapping[str, tuple[Series, Series]],
    *,
    quantity: str = "loss",
    unit: str | None = None,
    logarithmic: bool | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw curves over the training step.

    Args:
        curves: (steps, values) of each curve; the steps of two curves may differ, as those of the
            training and the validation loss do. Values that are not finite leave a gap.
        quantity: what is drawn.
        unit: its unit.
        logarithmic: the scale; by default logarithmic where all finite values are positive (a
            likelihood, say, is not).
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: curves whose values do not fit their steps.
    """
    arrays = {name: (np.asarray(a), np.asarray(b)) for name, (a, b) in curves.items()}
    for name, (steps, values) in arrays.items():
        if steps.ndim != 1 or steps.shape != values.shape:
            raise ValueError(
                f"training_curve expected as many steps as values of {name!r}, got shapes "
                f"{steps.shape} and {values.shape}; pass a pair (steps, values)."
            )
    if logarithmic is None:
        logarithmic = all((values[np.isfinite(values)] > 0).all() for _, values in arrays.values())
    axes = new_axes() if axes is None else axes
    with style():
        for index, (name, (steps, values)) in enumerate(arrays.items()):
            shown = np.where(np.isfinite(values), values, np.nan)
            # A handful of points, as of a validation, would not be seen as points in a line.
            marker = "o" if steps.size <= 30 else None
            axes.plot(steps, shown, label=name, marker=marker, markersize=3, **appearance(index))
        axes.set(xlabel="step", ylabel=label(quantity, unit), title=title)
        if logarithmic:
            axes.set_yscale("log")
        legend(axes)
    return axes
