"""Backtest: forecasts of successive creation dates over the truth, pale when early and dark when late."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from ._dates import as_line, date_axis, shade
from .style import TRUTH, Series, label, legend, new_axes, style


def backtest_traces(
    truth: tuple[Series, Series],
    traces: Sequence[tuple[Series, Series]],
    *,
    quantity: str = "y",
    unit: str | None = None,
    date_label: str = "date",
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw each forecast as a line that begins with a dot, and the truth in black under them.

    Lines that fan out show how much the forecasts of one date were revised.

    Args:
        truth: increasing dates (datetime64) or numbers, and the values at them; NaN leaves a gap.
        traces: (dates, values) of each forecast, such as its medians, in the order of their creation.
        quantity: what is drawn.
        unit: its unit.
        date_label: name of the horizontal axis.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: no forecast, values that do not fit their dates, or forecasts in another order.
    """
    dates, values = as_line("backtest_traces", "the truth", truth)
    lines = [as_line("backtest_traces", f"forecast {i}", trace) for i, trace in enumerate(traces)]
    starts = [line[0][0] for line in lines]
    if not lines or not all(before < after for before, after in pairwise(starts)):
        raise ValueError(
            "backtest_traces expected at least 1 forecast, each beginning later than the one before, got "
            f"{len(lines)} that begin at {[str(start) for start in starts]}; sort them by creation date."
        )
    axes = new_axes() if axes is None else axes
    last = len(lines) - 1
    with style():
        axes.plot(dates, values, label="observed", **{**TRUTH, "zorder": 2.1})
        for i, (x, y) in enumerate(lines):
            name = {0: "first forecast", last: "last forecast"}.get(i) if last else "forecast"
            # Late ones on top of early ones.
            color, order = shade(0.35 + 0.65 * i / max(last, 1)), 3 + i / len(lines)
            axes.plot(
                x, y, label=name, color=color, marker="o", markersize=3, markevery=[0], zorder=order
            )
        axes.set(xlabel=date_label, ylabel=label(quantity, unit), title=title)
        axes.margins(x=0.01)
        date_axis(axes, dates)
        legend(axes)
    return axes
