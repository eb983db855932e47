"""Histograms of one uncertain number, such as the position of a shock, with the true one marked."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from .._arrays import check_finite
from .style import COLORS, TRUTH, Series, as_real, label, legend, new_axes, style


def histogram(
    samples: Mapping[str, Series],
    *,
    truth: float | None = None,
    bins: int = 25,
    quantity: str = "shock position",
    unit: str | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the samples of every model in common bins, as densities.

    The bars of a bin stand in its middle, each narrower than the one behind it, so that equal ones stay
    visible; a height is a density over the whole bin.

    Args:
        samples: one array of draws a model, of any shape. NaN stands for "none", for instance a
            profile without a shock; the legend says how many there are.
        truth: the true value.
        bins: number of bins over the range of all samples and the truth.
        quantity: what was sampled.
        unit: its unit.
        title: title of the axes.
        axes: where to draw; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: a model without samples, or no finite sample at all.
    """
    arrays = {
        name: as_real("histogram", f"the samples of {name!r}", values).astype(np.float64).ravel()
        for name, values in samples.items()
    }
    if truth is not None:
        check_finite("histogram", "truth", as_real("histogram", "truth", truth))
    for name, values in arrays.items():
        if values.size == 0:
            raise ValueError(f"histogram expected samples of {name!r}, got none; draw some.")
    finite = {name: values[np.isfinite(values)] for name, values in arrays.items()}
    everything = np.concatenate([*finite.values(), np.array([] if truth is None else [truth])])
    if not any(values.size for values in finite.values()):
        raise ValueError(
            "histogram expected at least one finite sample, got none; check the model and "
            "the level."
        )
    edges = np.histogram_bin_edges(everything, bins)
    axes = new_axes() if axes is None else axes
    with style():
        for index, (name, values) in enumerate(finite.items()):
            missing = 1 - values.size / arrays[name].size
            text = name if missing == 0 else f"{name} ({missing:.1%} none)"
            # Normalised by all draws: what has no value is missing from the area.
            bin_width = edges[1] - edges[0]
            density = np.histogram(values, edges)[0] / (arrays[name].size * bin_width)
            width = bin_width * (1 - index / len(finite))
            middle = (edges[:-1] + edges[1:]) / 2
            axes.bar(middle, density, width, label=text, color=COLORS[index % len(COLORS)])
        if truth is not None:
            axes.axvline(truth, label="true", **TRUTH)
        name = label(quantity, unit)
        axes.set(xlabel=name, ylabel=label("density", unit and f"1/{unit}"), title=title)
        legend(axes)
    return axes
