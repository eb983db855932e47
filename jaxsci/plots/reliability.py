"""Reliability of quantiles: the share of targets at most ŷ_q against q, on the diagonal if calibrated."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from .style import Series, appearance, as_series, legend, new_axes, style


def reliability(
    levels: Series,
    coverage: Mapping[str, Series],
    *,
    targets: int | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw empirical over nominal coverage of each model, as `quantile_coverage` counts it.

    Args:
        levels: nominal levels, increasing inside (0, 1).
        coverage: one array (levels,) a model, in the order of the legend; NaN leaves a gap.
        targets: number of independent targets behind the shares; draws the band of two standard errors,
            2 √(q (1 − q) / n), in which most points of a calibrated forecast are.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: levels that do not increase inside (0, 1), coverages that do not fit them or are no
            shares, or fewer than one target.
    """
    q = np.asarray(levels)
    if q.ndim != 1 or not q.size or not (np.diff(q, prepend=0.0, append=1.0) > 0).all():
        raise ValueError(
            f"reliability expected levels that increase inside (0, 1), got {q.tolist()}; sort them, and "
            "give shares instead of per cent."
        )
    if targets is not None and targets < 1:
        raise ValueError(f"reliability expected at least 1 target, got {targets}; count them.")
    shares = {
        name: as_series("reliability", f"the coverage of {name!r}", values, q.size)
        for name, values in coverage.items()
    }
    for name, values in shares.items():
        if ((values < 0) | (values > 1)).any():
            raise ValueError(
                f"reliability expected coverages of {name!r} in [0, 1], got {values.tolist()}; give shares "
                "instead of per cent."
            )
    # Square axes, at the left, leave a long name in the legend no room by themselves.
    width = 3.4 + 0.09 * max([20, *map(len, shares)])
    axes = new_axes(width=width, height=3.4) if axes is None else axes
    with style():
        axes.plot([0, 1], [0, 1], label="calibrated", color="black", linewidth=0.8)
        if targets is not None:
            p = np.linspace(0.0, 1.0, 101)
            error = 2 * np.sqrt(p * (1 - p) / targets)
            axes.fill_between(
                p,
                np.clip(p - error, 0, 1),
                np.clip(p + error, 0, 1),
                label="± 2 standard errors",
                color="black",
                alpha=0.12,
                linewidth=0,
            )
        for index, (name, values) in enumerate(shares.items()):
            axes.plot(q, values, label=name, marker="o", markersize=3, **appearance(index))
        axes.set(xlabel="nominal level q", ylabel="share of targets at most ŷ_q", title=title)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", anchor="W")
        legend(axes)
    return axes
