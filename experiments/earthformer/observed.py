"""Published films, read from the user's own files, or from tiny synthetic ones in the same layout."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import PRNGKeyArray

from experiments.earthformer.films import Data, Film, Parts
from jaxsci.data import DatasetError, Windows
from jaxsci.experiment import ExperimentError, require_files
from jaxsci.training.streaming import Items

DATA = "data"
SYNTHETIC = "data: synthetic files that test the pipeline only"


@dataclass(frozen=True, kw_only=True)
class Observed(Data):
    """A published data set, cut into parts as published.

    Args:
        root: folder of the files.
        synthetic: write tiny files in the published layout and read those; they test the pipeline only.
        skip_corrupt: leave out what is damaged, and count it in the table, instead of refusing it; for that all
            windows that are used are read once before the training.
        train: windows to train on, evenly chosen; 0 for all.
        validation: windows to stop the training by; 0 for all.
        test: windows to judge on; 0 for all.
        in_memory: keep the windows that were read, where they are few and small.
    """

    NAME: ClassVar[str]
    HOME: ClassVar[str]
    LAYOUT: ClassVar[tuple[str, ...]]

    root: str
    synthetic: bool = False
    skip_corrupt: bool = False
    train: int = 0
    validation: int = 0
    test: int = 0
    in_memory: bool = False

    def __post_init__(self):
        super().__post_init__()
        if min(self.train, self.validation, self.test) < 0:
            raise ValueError(
                f"{type(self).__name__} expected numbers of windows of at least 0, got {self.train}, "
                f"{self.validation} and {self.test}; 0 takes all."
            )

    def check(self) -> None:
        """Refuse to begin without the files."""
        if not self.synthetic:
            require_files(
                self.NAME, self.root, self.LAYOUT, source=self.HOME, layout=self._described()
            )

    def parts(self, *, key: PRNGKeyArray, out: Path) -> Parts:
        """Open the files; nothing is drawn."""
        del key
        folder = out / "synthetic" if self.synthetic else self._folder
        try:
            if self.synthetic:
                self.write(folder)
            opened = {part: self.open(folder, part) for part in ("train", "validation", "test")}
        except (DatasetError, ImportError) as error:
            raise ExperimentError(str(error)) from error
        windows = {part: found for part, (found, _) in opened.items()}
        limits = {"train": self.train, "validation": self.validation, "test": self.test}
        skipped = sum(count for _, count in opened.values())
        chosen = {}
        for part, found in windows.items():
            numbers = _evenly(len(found), limits[part])
            # A file that opens may be damaged inside: what will be used is read once before it is counted on.
            damaged = found.damaged(numbers.tolist()) if self.skip_corrupt else {}
            skipped += len(damaged)
            sound = numbers[[int(n) not in damaged for n in numbers]]
            if not sound.size:
                raise ExperimentError(
                    f"{type(self).__name__} expected windows for {part} that can be read, got none of "
                    f"{len(numbers)}: {next(iter(damaged.values()), 'there are none')}"
                )
            chosen[part] = _Chosen(found, sound, self.in_memory)
        counts = {f"{part} windows": float(len(found)) for part, found in chosen.items()}
        row = SYNTHETIC if self.synthetic else DATA
        about = {row: counts | {"left out as damaged": float(skipped)}}
        return Parts(chosen["train"], chosen["test"], chosen["validation"], about)

    @abstractmethod
    def open(self, folder: Path, part: str) -> tuple[Windows, int]:
        """The windows of "train", "validation" or "test", and how much was left out as damaged."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the synthetic files, the same every time."""

    @abstractmethod
    def _described(self) -> str:
        """The layout of the files in words."""

    @property
    def _folder(self) -> Path:
        return Path(self.root).expanduser()


def _evenly(count: int, most: int) -> np.ndarray:
    """Numbers of at most so many windows; 0 for all."""
    return np.linspace(0, count - 1, min(most, count) if most else count).astype(int)


class _Chosen:
    """Some of the films; what cannot be read is the user's to mend."""

    def __init__(self, films: Items, numbers: np.ndarray, keep: bool):
        self.films, self.numbers = films, numbers
        self.kept: dict[int, Film] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Film:
        if self.kept is not None and index in self.kept:
            return self.kept[index]
        try:
            film = self.films[int(self.numbers[index])]
        except DatasetError as error:
            raise ExperimentError(str(error)) from error
        if self.kept is not None:
            self.kept[index] = film
        return film


def mean_square(statistics: Mapping[str, np.ndarray], factor: float) -> float:
    """Mean squared error over all pixels and films, times a factor."""
    return factor * float(np.mean(statistics["squared error"], dtype=np.float64))
