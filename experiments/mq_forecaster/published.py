"""Published series, read from the user's own files, or drawn for a test of the pipeline."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from jaxsci.data import DatasetError, read_ett, read_m4, read_tourism, split_ett
from jaxsci.experiment import ExperimentError, require_files


@dataclass(frozen=True, kw_only=True)
class Published(ABC):
    """Series of one data set and the dates that they are forecast on.

    Args:
        root: folder of the files.
        synthetic: draw a few short series instead; they test the pipeline only.
        windows: creation dates of the forecasts that are judged.
        step: dates from one to the next.
    """

    NAME: ClassVar[str]
    HOME: ClassVar[str]
    FILES: ClassVar[tuple[str, ...]]
    HORIZON: ClassVar[int]
    SEASON: ClassVar[int]
    # Periods of the networks, which may see more than one.
    SEASONS: ClassVar[tuple[int, ...]]
    # Whether some series are sums of others.
    ADD_UP: ClassVar[bool] = False

    root: str
    synthetic: bool = False
    windows: int = 1
    step: int = 1

    def check(self) -> None:
        """Refuse to begin without the files."""
        if not self.synthetic:
            require_files(self.NAME, self.root, self.FILES, source=self.HOME)

    def frame(self) -> pd.DataFrame:
        """The series, to their last date that is judged."""
        if self.synthetic:
            return self.drawn()
        try:
            return self.read()
        except DatasetError as error:
            raise ExperimentError(str(error)) from error

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The series of the files."""

    def drawn(self) -> pd.DataFrame:
        """Eight seasonal series with noise, always the same."""
        rng = np.random.default_rng(0)
        length = 6 * max(self.SEASONS) + 2 * self.HORIZON + self.windows * self.step
        t = np.arange(length)
        y = 10 + rng.uniform(1, 4, (8, 1)) * np.sin(2 * np.pi * t / self.SEASON)
        y = y + rng.normal(size=y.shape)
        names = np.repeat([f"s{i}" for i in range(8)], length)
        return pd.DataFrame({"unique_id": names, "ds": np.tile(t, 8), "y": y.ravel()})

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the bottom series that each series is the sum of; none where series do not add up."""
        return {}

    @property
    def folder(self) -> Path:
        """The folder, with the user's own directory written out."""
        return Path(self.root).expanduser()


@dataclass(frozen=True, kw_only=True)
class M4Hourly(Published):
    """414 hourly series of the M4 competition; the next 48 hours."""

    NAME: ClassVar[str] = "M4 hourly"
    HOME: ClassVar[str] = "the data set of the M4 competition (Mcompetitions/M4-methods)"
    FILES: ClassVar[tuple[str, ...]] = ("Hourly-train.csv", "Hourly-test.csv")
    HORIZON: ClassVar[int] = 48
    SEASON: ClassVar[int] = 24
    SEASONS: ClassVar[tuple[int, ...]] = (24, 168)

    root: str = "data/m4_hourly"

    def read(self) -> pd.DataFrame:
        """Training and test values in one frame; the latter are the last 48 of each series."""
        return read_m4(*(self.folder / name for name in self.FILES))


@dataclass(frozen=True, kw_only=True)
class ETTh1(Published):
    """Seven hourly series of an electricity transformer; the next 24 hours, from dates in months 17 to 20."""

    NAME: ClassVar[str] = "ETTh1"
    HOME: ClassVar[str] = "the ETDataset (zhouhaoyi/ETDataset)"
    FILES: ClassVar[tuple[str, ...]] = ("ETTh1.csv",)
    HORIZON: ClassVar[int] = 24
    SEASON: ClassVar[int] = 24
    SEASONS: ClassVar[tuple[int, ...]] = (24, 168)

    root: str = "data/ett"
    windows: int = 20
    step: int = 144

    def read(self) -> pd.DataFrame:
        """The 20 months that are published as training, validation and test."""
        frame = read_ett(self.folder / self.FILES[0])
        split_ett(frame)  # refuses a file that ends before
        return frame.loc[frame["ds"] < frame["ds"].min() + pd.Timedelta(days=600)]


@dataclass(frozen=True, kw_only=True)
class Tourism(Published):
    """Quarterly tourism in Australia, 96 series that add up; the next year, from five quarters."""

    NAME: ClassVar[str] = "Australian tourism"
    HOME: ClassVar[str] = "the hierarchical data sets of Athanasopoulos, Ahmed and Hyndman (2009)"
    FILES: ClassVar[tuple[str, ...]] = ("australian_tourism.csv",)
    HORIZON: ClassVar[int] = 4
    SEASON: ClassVar[int] = 4
    SEASONS: ClassVar[tuple[int, ...]] = (4,)
    ADD_UP: ClassVar[bool] = True

    root: str = "data/tourism"
    windows: int = 5
    step: int = 1

    def read(self) -> pd.DataFrame:
        """All levels of the hierarchy."""
        return read_tourism(self.folder / self.FILES[0]).frame

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """All levels from 56 bottom series."""
        if self.synthetic:
            return {f"s{i}": (f"s{i}",) for i in range(1, 8)} | {
                "s0": tuple(f"s{i}" for i in range(1, 8))
            }
        return read_tourism(self.folder / self.FILES[0]).parts

    def drawn(self) -> pd.DataFrame:
        """Seven series and their sum."""
        frame = super().drawn()
        bottom = frame.loc[frame["unique_id"] != "s0"]
        total = bottom.groupby("ds", as_index=False)["y"].sum().assign(unique_id="s0")
        return pd.concat([total, bottom], ignore_index=True)
