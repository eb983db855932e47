"""ICAR-ENSO: more than a year of sea-surface temperature in climate models, from the year before.

12 months in and 14 out; the last two models of CMIP5 are validated and judged on, all others trained on. The
forecast fields give the Niño3.4 index, a mean over three months, at 12 leads; its correlation with the
label at each lead is averaged plainly (C-M) and with the weights of the competition (C-WM).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from experiments.earthformer.observed import Observed, mean_square
from experiments.earthformer.synthetic import write_enso
from jaxsci.data import ENSO, DatasetError, Windows
from jaxsci.metrics import correlation_skill, mean_skill, nino34_index, weighted_mean_skill

_LATITUDES = np.arange(-55.0, 61.0, 5.0)
_LONGITUDES = np.arange(95.0, 331.0, 5.0)
_AVERAGED = 3  # months of the index


@dataclass(frozen=True, kw_only=True)
class Nino(Observed):
    """Sea-surface temperature anomalies, scaled to about [0, 1].

    Args:
        stride: months from the start of one window to that of the next.
        models: (number of models, years of each), in the order of the rows of the files.
    """

    QUANTITY: ClassVar[str] = "scaled anomaly"
    NAME: ClassVar[str] = "ICAR-ENSO"
    HOME: ClassVar[str] = "the competition ICAR-ENSO at Tianchi"
    LAYOUT: ClassVar[tuple[str, ...]] = ("CMIP_train.nc", "CMIP_label.nc")

    root: str = "data/enso"
    time_in: int = 12
    time_out: int = 14
    stride: int = 1
    models: tuple[tuple[int, int], ...] = ((15, 151), (17, 140))

    def __post_init__(self):
        super().__post_init__()
        if self.time_out < _AVERAGED:
            raise ValueError(
                f"Nino expected time_out of at least the {_AVERAGED} months of the index, got "
                f"{self.time_out}; forecast more months."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Every five degrees, 55°S to 60°N and 95°E to 330°E."""
        return _LATITUDES.size, _LONGITUDES.size

    @property
    def frame_time(self) -> tuple[float, str]:
        """Frames are a month apart."""
        return 1.0, "months"

    def open(self, folder: Path, part: str) -> tuple[Windows, int]:
        """Windows of whole models."""
        events = ENSO(folder, split=part, models=self.models, skip_corrupt=self.skip_corrupt)
        grid = (events.latitudes, events.longitudes)
        if not all(map(np.array_equal, grid, (_LATITUDES, _LONGITUDES))):
            raise DatasetError(
                "Nino expected 24 latitudes from 55°S to 60°N and 48 longitudes from 95°E to 330°E, got "
                f"{grid[0].size} from {grid[0][0]:g} and {grid[1].size} from {grid[1][0]:g}; pass the files of "
                "the competition as they are."
            )
        windows = Windows(events, inputs=self.time_in, targets=self.time_out, stride=self.stride)
        return windows, len(events.skipped)

    def write(self, folder: Path) -> None:
        """A few short models of an oscillation."""
        write_enso(folder, self.models)

    def statistics(self, prediction, film) -> dict[str, Any]:
        """The index that the forecast has, and the true one."""
        # Correlations do not change with the scale, so the index of scaled anomalies will do.
        index = nino34_index(prediction[:, 0], _LATITUDES, _LONGITUDES, months=_AVERAGED)
        return super().statistics(prediction, film) | {
            "index": index,
            "true index": film["nino"][self.time_in :][: index.shape[0]],
        }

    def scores(self, statistics) -> dict[str, float]:
        """The skills of the competition, and the error of the fields."""
        skill = _skill(statistics)
        return {
            "C-Niño3.4-M": float(mean_skill(skill)),
            "C-Niño3.4-WM": float(weighted_mean_skill(skill)),
            "MSE ×1e-4": mean_square(statistics, 1e4),
        }

    def monitor(self, scores) -> float:
        """C-M is to be high."""
        return -scores["C-Niño3.4-M"]

    def by_lead(self, statistics) -> tuple[str, np.ndarray]:
        """Correlation at each lead."""
        return "correlation of Niño3.4", np.asarray(_skill(statistics))

    def _described(self) -> str:
        return "the NetCDF files as published, with the rows of 15 models of CMIP6 and 17 of CMIP5"


def _skill(statistics):
    return correlation_skill(
        jnp.asarray(statistics["index"]), jnp.asarray(statistics["true index"])
    )
