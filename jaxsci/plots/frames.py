"""Sequences of frames in rows: what was given, what came, and what each model forecast."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import ArrayLike
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from .._checks import whole
from .style import as_real, label, new_grid, style


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
    given, came = (
        as_real("frame_rows", name, frames)
        for name, frames in (("the inputs", inputs), ("the target", target))
    )
    rows = {"target": came} | {
        name: as_real("frame_rows", name, frames) for name, frames in (forecasts or {}).items()
    }
    columns = whole("frame_rows", "columns", columns)
    if not 0 < interval < np.inf:
        raise ValueError(
            f"frame_rows expected a positive, finite interval between frames, got {interval}; give that of "
            "the data."
        )
    _check(given, rows)
    low, high = limits or _range(given, came)
    if not low < high:
        raise ValueError(f"frame_rows expected increasing limits, got {(low, high)}; swap them.")
    back, ahead = _chosen(len(given), columns), _chosen(len(came), columns)
    width = max(len(back), len(ahead))
    axes = new_grid(1 + len(rows), width, aspect=given.shape[1] / given.shape[2])
    figure = axes[0][0].get_figure(root=True)
    assert figure is not None  # axes are always on a figure until they are removed
    with style():
        norm = Normalize(low, high)
        _draw_row(axes[0], "input", given[back], norm, cmap, skip=width - len(back))
        for row, (name, frames) in zip(axes[1:], rows.items(), strict=True):
            _draw_row(row, name, frames[ahead], norm, cmap)
        _name_times(axes[0][width - len(back) :], (back + 1 - len(given)) * interval)
        _name_times(axes[1], (ahead + 1) * interval)
        flat = [cell for row in axes for cell in row]
        shown = [given, *rows.values()]
        beyond = (any((f < low).any() for f in shown), any((f > high).any() for f in shown))
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
        figure.colorbar(
            axes[-1][0].get_images()[0],
            ax=flat,
            label=label(quantity, unit),
            shrink=0.8,
            extend=extend.get(beyond, "neither"),
        )
        figure.suptitle(title or label("time after the last input", time_unit), fontsize=9)
    return axes


def _check(given: np.ndarray, rows: Mapping[str, np.ndarray]) -> None:
    """Refuse frames that are not those of the inputs and of the target's times."""
    for name, frames in {"the inputs": given, **rows}.items():
        if frames.ndim != 3 or not frames.size or frames.shape[1:] != given.shape[1:]:
            raise ValueError(
                f"frame_rows expected {name} of shape (time, height, width) = (time, "
                f"{', '.join(map(str, given.shape[1:]))}), got {frames.shape}; select one sample and "
                "channel."
            )
    for name, frames in rows.items():
        if len(frames) != len(rows["target"]):
            raise ValueError(
                f"frame_rows expected {len(rows['target'])} frames of {name}, as of the target, got "
                f"{len(frames)}; forecast the same times."
            )


def _draw_row(
    row: Sequence[Axes], name: str, frames: np.ndarray, norm: Normalize, cmap: str, *, skip: int = 0
) -> None:
    for cell in row:
        cell.set(xticks=[], yticks=[], facecolor="#bbbbbb")
        cell.grid(False)
        cell.set_frame_on(False)
    for cell, frame in zip(row[skip:], frames, strict=False):
        cell.set_frame_on(True)
        cell.imshow(frame, norm=norm, cmap=cmap, origin="upper")
    # Horizontal and in short lines: long names would run into the rows beside.
    lines = textwrap.fill(name, 12, break_long_words=False)
    row[0].set_ylabel(lines, rotation=0, ha="right", va="center")


def _name_times(row: Sequence[Axes], times: np.ndarray) -> None:
    for cell, time in zip(row, times, strict=False):
        cell.set_title(_signed(time))


def _signed(time: float) -> str:
    return f"{time:+g}".replace("-", "−") if time else "0"


def _chosen(count: int, columns: int) -> np.ndarray:
    """Evenly spaced numbers that end with the last."""
    return np.unique(np.linspace(count - 1, 0, min(count, columns)).round()).astype(int)


def _range(*arrays: np.ndarray) -> tuple[float, float]:
    values = np.concatenate([array[np.isfinite(array)] for array in arrays])
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
