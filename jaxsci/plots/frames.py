"""Sequences of frames in rows: what was given, what came, and what each model forecast."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes

from .style import label, new_grid, style


def frame_rows(
    inputs: ArrayLike,
    target: ArrayLike,
    forecasts: Mapping[str, ArrayLike] | None = None,
    *,
    columns: int = 5,
    interval: float = 1.0,
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
    quantity: str = "u",
    unit: str | None = None,
    time_unit: str | None = None,
    title: str | None = None,
) -> list[list[Axes]]:
    """Draw one channel of a sequence: the inputs above the target, and forecasts below it.

    Frames are evenly chosen, the last of each row among them, and share one colour scale. The time of
    the last input is zero.

    Args:
        inputs: frames that were given, (time, height, width).
        target: frames that came, (time, height, width).
        forecasts: frames of each model, of the shape of the target; NaN is drawn grey.
        columns: at most so many frames of each.
        interval: time between frames.
        limits: values at the ends of the colour scale; by default the least and largest value of the
            inputs and the target, so that forecasts do not change it.
        cmap: name of the colour map.
        quantity: what is drawn.
        unit: its unit.
        time_unit: unit of the interval.
        title: title of the figure.

    Returns:
        The axes, row by row; `save` takes any of them.

    Raises:
        ValueError: frames of another shape, or limits that are not in order.
    """
    given, came = np.asarray(inputs), np.asarray(target)
    rows = {"target": came} | {name: np.asarray(f) for name, f in (forecasts or {}).items()}
    for name, frames in {"the inputs": given, **rows}.items():
        expected = given if name == "the inputs" else came
        if frames.ndim != 3 or not frames.size or frames.shape[1:] != given.shape[1:]:
            raise ValueError(
                f"frame_rows expected {name} of shape (time, height, width) = (time, "
                f"{', '.join(map(str, given.shape[1:]))}), got {frames.shape}; select one sample and "
                "channel."
            )
        if len(frames) != len(expected):
            raise ValueError(
                f"frame_rows expected {len(expected)} frames of {name}, as of the target, got "
                f"{len(frames)}; forecast the same times."
            )
    low, high = limits or _range(given, came)
    if not low < high:
        raise ValueError(f"frame_rows expected increasing limits, got {(low, high)}; swap them.")
    back, ahead = _chosen(len(given), columns), _chosen(len(came), columns)
    width = max(len(back), len(ahead))
    axes = new_grid(1 + len(rows), width, aspect=given.shape[1] / given.shape[2])
    figure = axes[0][0].get_figure(root=True)
    assert figure is not None  # axes are always on a figure until they are removed
    drawn: list[tuple[str, np.ndarray, Sequence[int], int]] = [
        ("input", given, back, width - len(back))
    ]
    drawn += [(name, frames, ahead, 0) for name, frames in rows.items()]
    image = None
    with style():
        for row, (name, frames, chosen, skip) in zip(axes, drawn, strict=True):
            for cell in row:
                cell.set(xticks=[], yticks=[], facecolor="#bbbbbb")
                cell.grid(False)
                cell.set_frame_on(False)
            for cell, index in zip(row[skip:], chosen, strict=False):
                cell.set_frame_on(True)
                image = cell.imshow(frames[index], vmin=low, vmax=high, cmap=cmap, origin="upper")
                if name in ("input", "target"):
                    ahead_by = index + 1 if name == "target" else index + 1 - len(given)
                    cell.set_title(_signed(ahead_by * interval))
            # Horizontal and in short lines: long names would run into the rows beside.
            lines = textwrap.fill(name, 12, break_long_words=False)
            row[0].set_ylabel(lines, rotation=0, ha="right", va="center")
        assert image is not None  # there is at least one frame
        flat = [cell for row in axes for cell in row]
        shown = np.concatenate([given.ravel(), *(frames.ravel() for frames in rows.values())])
        beyond = (bool((shown < low).any()), bool((shown > high).any()))
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
        bar = label(quantity, unit)
        figure.colorbar(image, ax=flat, label=bar, shrink=0.8, extend=extend.get(beyond, "neither"))
        figure.suptitle(title or label("time after the last input", time_unit), fontsize=9)
    return axes


def _signed(time: float) -> str:
    return f"{time:+g}".replace("-", "−") if time else "0"


def _chosen(count: int, columns: int) -> list[int]:
    """Evenly spaced numbers that end with the last."""
    return [int(i) for i in np.unique(np.linspace(count - 1, 0, min(count, columns)).round())]


def _range(*arrays: np.ndarray) -> tuple[float, float]:
    values = np.concatenate([array[np.isfinite(array)] for array in arrays])
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
