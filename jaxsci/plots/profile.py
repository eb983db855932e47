"""Profiles of one field along one axis: the truth, and predictions with their uncertainty."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from .style import TRUTH, Series, appearance, as_axis, as_series, label, legend, new_axes, style


class Prediction(NamedTuple):
    """What one model predicts along the axis.

    Attributes:
        mean: the predicted values, (points,).
        std: their standard deviations, or None for a model that gives none.
    """

    mean: Series
    std: Series | None = None


def profile(
    x: Series,
    predictions: Mapping[str, Prediction],
    *,
    truth: Series | None = None,
    band: float = 2.0,
    quantity: str = "u",
    unit: str | None = None,
    x_label: str = "x",
    x_unit: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw predictions as lines in bands of so many standard deviations, and the truth in black.

    Args:
        x: increasing coordinates, (points,).
        predictions: one `Prediction` a model, in the order of the legend.
        truth: true values, (points,).
        band: half width of the bands in standard deviations.
        quantity: what is drawn.
        unit: its unit.
        x_label: name of the coordinate.
        x_unit: unit of the coordinate.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: arrays that do not fit x.
    """
    x = as_axis("profile", "x", x)
    if not 0 < band < np.inf:
        raise ValueError(
            f"profile expected a positive, finite half width of the bands, got {band}; 2 is usual."
        )
    axes = new_axes() if axes is None else axes
    with style():
        if truth is not None:
            axes.plot(x, as_series("profile", "truth", truth, x.size), label="truth", **TRUTH)
        for index, (name, prediction) in enumerate(predictions.items()):
            look = appearance(index)
            mean = as_series("profile", f"the mean of {name!r}", prediction.mean, x.size)
            axes.plot(x, mean, label=name, zorder=4, **look)
            if prediction.std is None:
                continue
            std = as_series("profile", f"the std of {name!r}", prediction.std, x.size)
            lower, upper = mean - band * std, mean + band * std
            axes.fill_between(x, lower, upper, color=look["color"], alpha=0.12, linewidth=0)
            # Where bands overlap their colours mix; the edges still tell them apart.
            axes.plot(x, np.stack([lower, upper], axis=1), linewidth=0.7, alpha=0.7, **look)
        axes.set(xlabel=label(x_label, x_unit), ylabel=label(quantity, unit), title=title)
        axes.set_xlim(x[0], x[-1])
        bands = any(prediction.std is not None for prediction in predictions.values())
        legend(axes, title=f"bands: ±{band:g} standard deviations" if bands else None)
    return axes
