"""One film with every forecast, a score by lead time, and the power that is left at small scales."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.earthformer.films import Data, Film
from jaxsci import plots


def draw(
    data: Data,
    film: Film,
    forecasts: Mapping[str, np.ndarray],
    statistics: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> None:
    """Write the figures.

    Args:
        data: knows the score by lead time.
        film: the one that is drawn.
        forecasts: of that film, by forecaster.
        statistics: of all films, by forecaster.
        out: folder of the figures.
    """
    interval, unit = data.frame_time
    rows = plots.frame_rows(
        film["input"][:, 0],
        film["target"][:, 0],
        {name: forecast[:, 0] for name, forecast in forecasts.items()},
        interval=interval,
        quantity=data.QUANTITY,
        time_unit=unit,
    )
    plots.save(rows[0][0], out / "films.png")
    curves = {name: data.by_lead(found) for name, found in statistics.items()}
    quantity, first = next(iter(curves.values()))
    axes = plots.score_by_lead(
        interval * np.arange(1, first.size + 1),
        {name: curve for name, (_, curve) in curves.items()},
        quantity=quantity,
        time_unit=unit,
    )
    plots.save(axes, out / "lead.png")
    some = next(iter(statistics.values()))
    if "power" in some:
        _draw_power(statistics, some["true power"].mean(axis=0), min(data.shape) // 2, out)


def _draw_power(
    statistics: Mapping[str, Mapping[str, Any]], truth: np.ndarray, top: int, out: Path
) -> None:
    axes = plots.profile(
        np.arange(1, top),
        {
            name: plots.Prediction(found["power"].mean(axis=0)[1:top])
            for name, found in statistics.items()
        },
        truth=truth[1:top],
        quantity="power of the last frame",
        x_label="wavenumber",
    )
    axes.set_yscale("log")
    plots.save(axes, out / "spectrum.png")
