"""Data sets of films: what was seen, and what came.

Every film is (time, channels, height, width); times are cut into an input and a target.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.metrics import radial_spectrum


class Films(eqx.Module):
    """Inputs and targets of a set of films.

    Attributes:
        x: frames that are given.
        y: frames that follow.
    """

    x: Float[Array, "films time_in channels height width"]
    y: Float[Array, "films time_out channels height width"]


@dataclass(frozen=True, kw_only=True)
class Data(ABC):
    """A data set.

    Args:
        size: side of the frames in pixels.
        time_in: frames that are given.
        time_out: frames to predict.
        train: films to train on.
        test: films to test on, drawn with another key.
    """

    size: int
    time_in: int = 10
    time_out: int = 10
    train: int = 1000
    test: int = 200

    def __post_init__(self):
        if self.size < 16 or self.size % 8:
            raise ValueError(
                f"{type(self).__name__} expected a size of at least 16 that is a multiple of 8, got "
                f"{self.size}; the U-Net halves it three times."
            )
        if min(self.time_in, self.time_out, self.train, self.test) < 1:
            raise ValueError(
                f"{type(self).__name__} expected positive time_in, time_out, train and test, got "
                f"{self.time_in}, {self.time_out}, {self.train} and {self.test}; give numbers of at "
                "least 1."
            )

    @abstractmethod
    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Draw that many films of time_in + time_out frames."""

    def draw(self, count: int, *, key: PRNGKeyArray) -> Films:
        """Draw that many films, cut in two."""
        films = self.films(count, key=key)
        return Films(films[:, : self.time_in], films[:, self.time_in :])

    @abstractmethod
    def scores(
        self, prediction: Float[Array, "films time 1 size size"], target: Array
    ) -> Mapping[str, float]:
        """Errors over a test set."""


def spectra(fields: Float[Array, "films time 1 size size"]) -> Float[Array, " rings"]:
    """Power by wavenumber of the last frames, averaged over films."""
    return jnp.mean(radial_spectrum(fields[:, -1, 0]), axis=0)
