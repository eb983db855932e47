"""SEVIR: an hour of radar pictures of storms, from those of the hour before.

13 frames in and 12 out, every five minutes; windows of an event begin every 12 frames; events up to 1
January 2019 are trained on, those up to 1 June validated on, later ones judged. CSI is counted over all
pixels, frames and windows of a part, and CSI-M is its mean over six thresholds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np

from experiments.earthformer.observed import Observed, mean_square
from experiments.earthformer.synthetic import write_sevir
from jaxsci.data import SEVIR, Windows
from jaxsci.data.windows import Events
from jaxsci.metrics import VIL_THRESHOLDS, ContingencyTable, contingency_counts


@dataclass(frozen=True, kw_only=True)
class Storms(Observed):
    """Vertically integrated liquid of SEVIR.

    Args:
        stride: frames from the start of one window to that of the next.
        low_resolution: the files are those of SEVIR-LR, 25 frames of 128 × 128, whose windows are 7 frames
            in and 6 out.
        pool: side of the blocks of which the largest value is kept, 3 in SEVIR-LR; 1 for all pixels.
    """

    QUANTITY: ClassVar[str] = "scaled liquid"
    NAME: ClassVar[str] = "SEVIR"
    HOME: ClassVar[str] = "the SEVIR bucket of the AWS open data registry"
    LAYOUT: ClassVar[tuple[str, ...]] = ("CATALOG.csv", "data/vil")

    root: str = "data/sevir"
    time_in: int = 13
    time_out: int = 12
    stride: int = 12
    low_resolution: bool = False
    pool: int = 1

    def __post_init__(self):
        if self.pool < 1 or self._pixels % self.pool:
            raise ValueError(
                f"Storms expected a pool that divides {self._pixels} pixels, got {self.pool}; "
                "take 1, 2 or 4."
            )
        super().__post_init__()

    @property
    def shape(self) -> tuple[int, int]:
        """Squares, after pooling."""
        return self._pixels // self.pool, self._pixels // self.pool

    @property
    def frame_time(self) -> tuple[float, str]:
        """Frames of SEVIR-LR are ten minutes apart."""
        return (10.0 if self.low_resolution else 5.0), "min"

    def open(self, folder: Path, part: str) -> tuple[Windows, int]:
        """Windows of the events of a range of dates."""
        events = SEVIR(
            folder,
            split=part,
            low_resolution=self.low_resolution,
            skip_corrupt=self.skip_corrupt,
        )
        pooled = Pooled(events, self.pool)
        windows = Windows(pooled, inputs=self.time_in, targets=self.time_out, stride=self.stride)
        return windows, len(events.skipped)

    def write(self, folder: Path) -> None:
        """A few events of moving rain."""
        write_sevir(folder)

    def statistics(self, prediction, film) -> dict[str, Any]:
        """Hits, misses and false alarms on the scale of the thresholds."""
        counts = contingency_counts(255 * prediction, 255 * film["target"])
        return super().statistics(prediction, film) | {"counts": counts}

    def scores(self, statistics) -> dict[str, float]:
        """CSI-M and CSI at each threshold, the highest first."""
        csi = _table(statistics).over_leads().csi(empty=0.0)[:, 0]
        named = {f"CSI-{level:g}": float(s) for level, s in zip(VIL_THRESHOLDS, csi, strict=True)}
        return {
            "CSI-M": float(csi.mean()),
            **dict(reversed(named.items())),
            "MSE ×1e-3": mean_square(statistics, 1e3),
        }

    def monitor(self, scores) -> float:
        """CSI-M is to be high."""
        return -scores["CSI-M"]

    def by_lead(self, statistics) -> tuple[str, np.ndarray]:
        """CSI-M of each frame."""
        return "CSI-M", _table(statistics).csi(empty=0.0).mean(axis=0)

    @property
    def _pixels(self) -> int:
        return 128 if self.low_resolution else 384

    def _described(self) -> str:
        return (
            "laid out as published (CATALOG.csv, and the HDF5 files of the type vil that it names below "
            "data/vil)"
        )


class Pooled:
    """Events whose frames keep the largest value of each block."""

    def __init__(self, events: Events, pool: int):
        self.events, self.pool = events, pool

    def __len__(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        return f"Pooled({self.events!r}, {self.pool})"

    def frames(self, index: int) -> int:
        """Number of frames of an event."""
        return self.events.frames(index)

    def read(self, index: int, start: int, stop: int) -> dict[str, np.ndarray]:
        """Frames of one event."""
        frames = self.events.read(index, start, stop)["frames"]
        *leading, height, width = frames.shape
        n = self.pool
        blocks = frames.reshape(*leading, height // n, n, width // n, n)
        return {"frames": blocks.max(axis=(-3, -1))}


def _table(statistics) -> ContingencyTable:
    counts = jax.tree.map(np.asarray, statistics["counts"])
    return ContingencyTable.empty(counts.hits.shape[-1]).add(counts)
