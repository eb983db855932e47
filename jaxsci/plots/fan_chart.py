"""Fan chart: the quantiles of one forecast as nested bands, after the history and under what came.

Reference: E. Britton, P. Fisher, J. Whitley, The Inflation Report projections: understanding the fan chart,
Bank of England Quarterly Bulletin 38 (1998) 30.
"""

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from ._dates import as_line, date_axis, shade
from .style import TRUTH, Series, as_axis, as_real, as_series, label, legend, new_axes, style


def fan_chart(
    dates: Series,
    quantiles: ArrayLike,
    levels: Series,
    *,
    history: tuple[Series, Series] | None = None,
    observed: Series | None = None,
    quantity: str = "y",
    unit: str | None = None,
    date_label: str = "date",
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw bands from the lowest to the highest level, from the second to the last but one, and so on.

    The level in the middle, where their number is odd, is a line.

    Args:
        dates: increasing dates (datetime64) or numbers of the forecast, (horizon,).
        quantiles: its quantiles, (horizon, quantile); NaN leaves a gap.
        levels: their levels, increasing inside (0, 1).
        history: (dates, values) of what was known when it was made.
        observed: what came at the dates of the forecast, (horizon,), NaN where it is not known.
        quantity: what is drawn.
        unit: its unit.
        date_label: name of the horizontal axis.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: arrays that do not fit the dates or the levels, levels that do not increase inside (0, 1),
            or a history that is not over when the forecast begins.
    """
    x, q = as_axis("fan_chart", "dates", dates), np.asarray(levels)
    values = as_real("fan_chart", "quantiles", quantiles)
    increase = q.ndim == 1 and q.size and (np.diff(q, prepend=0.0, append=1.0) > 0).all()
    if not increase or values.shape != (x.size, q.size):
        raise ValueError(
            f"fan_chart expected quantiles of shape ({x.size}, levels) and levels that increase inside "
            f"(0, 1), got shape {values.shape} and levels {q.tolist()}; select one series and one "
            "creation date, and sort its quantiles."
        )
    known = [as_line("fan_chart", "the history", history)] if history is not None else []
    if known and not known[0][0][-1] < x[0]:
        raise ValueError(
            f"fan_chart expected a history that ends before {x[0]}, the first date of the forecast, got "
            f"{known[0][0][-1]}; cut it off at the creation date."
        )
    if observed is not None:
        known.append((x, as_series("fan_chart", "observed", observed, x.size)))
    axes = new_axes() if axes is None else axes
    bands = q.size // 2
    with style():
        for i in range(bands):
            text = f"{q[i]:g} to {q[-1 - i]:g}"
            color = shade(0.15 + 0.4 * (i + 1) / bands)
            axes.fill_between(
                x, values[:, i], values[:, -1 - i], label=text, color=color, linewidth=0
            )
        if q.size % 2:
            name = "median" if q[bands] == 0.5 else f"{q[bands]:g}"
            axes.plot(x, values[:, bands], label=name, color=shade(1.0))
        if known:
            # One line: a gap between the history and what came would look like missing data.
            line = [np.concatenate(parts) for parts in zip(*known, strict=True)]
            axes.plot(*line, label="observed", **TRUTH)
        if history is not None:
            axes.axvline(known[0][0][-1], color="black", linewidth=0.8, linestyle=":")  # pyright: ignore[reportArgumentType]
        axes.set(xlabel=date_label, ylabel=label(quantity, unit), title=title)
        axes.margins(x=0.01)
        date_axis(axes, x)
        legend(axes, title="quantiles" if bands else None)
    return axes
