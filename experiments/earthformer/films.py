"""Data sets of films: what was seen, what came, and how a forecast is scored.

A film is a dictionary of "input" and "target", (time, channels, height, width) each, and of what else its data
set has; a part of a data set gives random access to films, as `jaxsci.data.Windows` does.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.data import ArrayEvents, Windows
from jaxsci.metrics import radial_spectrum
from jaxsci.training import ArraySource, Source, StreamSource
from jaxsci.training.streaming import Items

Film = Mapping[str, Array]


class Parts(NamedTuple):
    """A data set, cut into parts that share nothing.

    Attributes:
        train: films to train on.
        test: films to judge on.
        validation: films to stop the training by, or None.
        about: counts for the table, by row.
    """

    train: Items
    test: Items
    validation: Items | None = None
    about: Mapping[str, Mapping[str, float]] = {}


@dataclass(frozen=True, kw_only=True)
class Data(ABC):
    """A data set.

    Args:
        time_in: frames that are given.
        time_out: frames to predict.
    """

    QUANTITY: ClassVar[str]

    time_in: int = 10
    time_out: int = 10

    def __post_init__(self):
        if min(self.time_in, self.time_out) < 1:
            raise ValueError(
                f"{type(self).__name__} expected positive time_in and time_out, got {self.time_in} and "
                f"{self.time_out}; give numbers of at least 1."
            )
        if min(self.shape) < 16 or any(side % 8 for side in self.shape):
            raise ValueError(
                f"{type(self).__name__} expected frames of at least 16 pixels a side, in multiples of 8, "
                f"got {self.shape}; the U-Net halves them three times."
            )

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Height and width of the frames."""

    @property
    def frame_time(self) -> tuple[float, str]:
        """Time from one frame to the next, and its unit."""
        return 1.0, "frames"

    @abstractmethod
    def parts(self, *, key: PRNGKeyArray, out: Path) -> Parts:
        """The films."""

    def source(self, films: Items, batch: int, *, key: PRNGKeyArray) -> Source:
        """Batches of films, read when they are needed."""
        return StreamSource(films, batch, key=key)

    def statistics(
        self, prediction: Float[Array, "time 1 height width"], film: Film
    ) -> dict[str, Any]:
        """What the scores of a set of films need to know of one of them."""
        error = prediction - film["target"]
        return {"squared error": jnp.mean(error**2, axis=(1, 2, 3))}

    @abstractmethod
    def scores(self, statistics: Mapping[str, Any]) -> dict[str, float]:
        """Scores from the statistics of all films, which are along the first axes."""

    def monitor(self, scores: Mapping[str, float]) -> float:
        """The number by which the best model is chosen; low is good."""
        raise NotImplementedError(f"{type(self).__name__} has no films to validate on.")

    def by_lead(self, statistics: Mapping[str, Any]) -> tuple[str, np.ndarray]:
        """A score for each frame that is forecast, with its name."""
        return "mean squared error", np.mean(statistics["squared error"], axis=0)


@dataclass(frozen=True, kw_only=True)
class Drawn(Data):
    """Films of a known law, drawn afresh for every seed and held in memory.

    Args:
        size: side of the frames in pixels.
        train: films to train on.
        test: films to test on, drawn with another key.
    """

    size: int
    train: int = 1000
    test: int = 200

    def __post_init__(self):
        super().__post_init__()
        if min(self.train, self.test) < 1:
            raise ValueError(
                f"{type(self).__name__} expected positive train and test, got {self.train} and "
                f"{self.test}; give numbers of at least 1."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Squares."""
        return self.size, self.size

    @abstractmethod
    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Draw that many films of time_in + time_out frames."""

    def parts(self, *, key: PRNGKeyArray, out: Path) -> Parts:
        """Draw the films of both parts."""
        del out
        train_key, test_key = jax.random.split(key)
        return Parts(self._windows(self.train, train_key), self._windows(self.test, test_key))

    def source(self, films: Items, batch: int, *, key: PRNGKeyArray) -> Source:
        """Batches of films that are all in memory."""
        arrays, _ = next(batches(films, len(films)))
        return ArraySource(arrays, batch, key=key)

    def statistics(self, prediction, film) -> dict[str, Any]:
        """Errors by frame, and the power that is left of the last one at each wavenumber."""
        target = film["target"]
        return super().statistics(prediction, film) | {
            "power": radial_spectrum(prediction[-1, 0]),
            "true power": radial_spectrum(target[-1, 0]),
        }

    def _windows(self, count: int, key: PRNGKeyArray) -> Windows:
        films = np.asarray(self.films(count, key=key))
        return Windows(ArrayEvents(films), inputs=self.time_in, targets=self.time_out)


def batches(films: Items, size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """All films in order, in equal batches, and how many of each are not there to fill it up."""
    for start in range(0, len(films), size):
        numbers = range(start, min(start + size, len(films)))
        chosen = [films[number] for number in numbers]
        filled = [chosen[i % len(chosen)] for i in range(size)]
        yield jax.tree.map(lambda *arrays: np.stack(arrays), *filled), len(chosen)
