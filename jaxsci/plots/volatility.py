r"""Revisions of the forecasts of one target as it comes nearer: realised, and allowed by what was learned.

    realised_t = mean over targets of (m_{t+1} − m_t)²,      allowed_t = MSE(m_t) − MSE(m_{t+1})

Both are equal for ideal forecasts, at each revision; `jaxsci.metrics.excess_volatility` is the sum of the gaps.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from .style import COLORS, Series, as_axis, as_real, label, legend, new_axes, style


def volatility_by_lead(
    leads: Series,
    paths: Mapping[str, ArrayLike],
    target: ArrayLike,
    *,
    unit: str | None = None,
    time_unit: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the mean squared revision made at each lead time, solid, and the allowed one, dashed.

    The excess between them is shaded; time runs to the right, towards the target.

    Args:
        leads: time from each forecast to its target, decreasing, (dates,).
        paths: forecasts of each model in the order of their creation, (targets, dates).
        target: what came, (targets,); those that are NaN are left out.
        unit: unit of the squared revisions.
        time_unit: unit of the lead times.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: leads that do not decrease, paths that do not fit them, or no target that is known.
    """
    # Decreasing leads are increasing when they are counted from the target.
    times = as_axis("volatility_by_lead", "−leads", -np.asarray(leads))
    y = as_real("volatility_by_lead", "target", target)
    known = ~np.isnan(y)
    if y.ndim != 1 or not known.any():
        raise ValueError(
            "volatility_by_lead expected targets of shape (targets,) with one that is not NaN, got shape "
            f"{y.shape} with {known.sum()}; pass what came, as one axis."
        )
    curves = {}
    for name, values in paths.items():
        path = as_real("volatility_by_lead", f"the paths of {name!r}", values)
        if path.shape != (y.size, times.size):
            raise ValueError(
                f"volatility_by_lead expected the paths of {name!r} of shape ({y.size}, {times.size}), that "
                f"is (targets, leads), got {path.shape}; put the creation dates last."
            )
        path, came = path[known], y[known, None]
        step, size = np.diff(path, axis=1), path[:, :-1] + path[:, 1:] - 2 * came
        curves[name] = (step**2).mean(axis=0), -(step * size).mean(axis=0)
    axes = new_axes() if axes is None else axes
    x = -times[1:]  # a revision belongs to the date at which it is made
    with style():
        for index, (name, (realised, allowed)) in enumerate(curves.items()):
            look = {"color": COLORS[index % len(COLORS)], "marker": "o", "markersize": 3}
            axes.plot(x, realised, label=f"{name}, realised", linestyle="-", **look)
            axes.plot(x, allowed, label=f"{name}, allowed", linestyle="--", **look)
            axes.fill_between(x, allowed, realised, color=look["color"], alpha=0.12, linewidth=0)
        axes.set(
            xlabel=label("lead time of the new forecast", time_unit),
            ylabel=label("mean squared revision", unit),
            title=title,
        )
        axes.invert_xaxis()
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        legend(axes)
    return axes
