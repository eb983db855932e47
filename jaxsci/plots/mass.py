"""The total of a field over time, by model, beside the one that the conservation law prescribes."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from .style import Series, appearance, as_axis, as_series, label, legend, new_axes, style


def mass_over_time(
    times: Series,
    masses: Mapping[str, Series],
    *,
    truth: Series | None = None,
    quantity: str = "total mass",
    unit: str | None = None,
    time_unit: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the total of the predicted fields over time.

    Args:
        times: increasing times, (times,).
        masses: one array (times,) a model, in the order of the legend.
        truth: the prescribed total, (times,); drawn wide and pale, so that a model that conserves
            it lies visibly on top.
        quantity: what is drawn.
        unit: its unit.
        time_unit: unit of the times.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: arrays that do not fit the times.
    """
    times = as_axis("mass_over_time", "times", times)
    axes = new_axes() if axes is None else axes
    with style():
        if truth is not None:
            values = as_series("mass_over_time", "truth", truth, times.size)
            axes.plot(times, values, label="true", color="black", linewidth=4.5, alpha=0.3)
        for index, (name, mass) in enumerate(masses.items()):
            values = as_series("mass_over_time", f"the mass of {name!r}", mass, times.size)
            axes.plot(times, values, label=name, zorder=4, **appearance(index))
        axes.set(xlabel=label("time", time_unit), ylabel=label(quantity, unit), title=title)
        axes.set_xlim(times[0], times[-1])
        legend(axes)
    return axes
