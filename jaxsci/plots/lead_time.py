"""Scores of forecasts against their lead time."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .._arrays import check_finite
from .style import Series, appearance, as_axis, as_real, as_series, label, legend, new_axes, style


def score_by_lead(
    leads: Series,
    scores: Mapping[str, Series],
    *,
    quantity: str = "CSI",
    unit: str | None = None,
    time_unit: str | None = None,
    best: float | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a score of each model over the lead time, such as `ContingencyTable.csi()` at one threshold.

    Args:
        leads: increasing lead times, (leads,).
        scores: one array (leads,) a model, in the order of the legend; NaN leaves a gap.
        quantity: what is drawn.
        unit: its unit.
        time_unit: unit of the lead times.
        best: the score of a perfect forecast, drawn as a thin line.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: scores that do not fit the lead times.
    """
    leads = as_axis("score_by_lead", "leads", leads)
    if best is not None:
        check_finite("score_by_lead", "best", as_real("score_by_lead", "best", best))
    axes = new_axes() if axes is None else axes
    with style():
        if best is not None:
            # With a point at every lead: the legend keeps clear of points, not of axhline.
            perfect = np.full(leads.size, best)
            axes.plot(leads, perfect, label="perfect", color="black", linewidth=0.8)
        for index, (name, score) in enumerate(scores.items()):
            values = as_series("score_by_lead", f"the score of {name!r}", score, leads.size)
            axes.plot(leads, values, label=name, marker="o", markersize=3, **appearance(index))
        axes.set(xlabel=label("lead time", time_unit), ylabel=label(quantity, unit), title=title)
        if np.all(leads == np.round(leads)):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend(axes)
    return axes
