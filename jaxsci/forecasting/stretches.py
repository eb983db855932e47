"""Forking sequences from series on disk: stretches that are read one by one.

The forecast dates of a series, from one before its first value to one before its last, are cut into blocks of
K; a stretch has one block, and as many dates before it as the network reaches back. An epoch over all stretches
makes every forecast once. `ForkSource` is the same for series in memory.
"""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxsci.training import StreamSource

from .forking import normals, single
from .scaling import Prior
from .series import Series
from .store import SeriesStore, map_pieces

_NORMAL = {"level": np.float64, "scale": np.float64, "started": np.bool_}
_TARGETS, _ASKED = "targets", "asked"


class Stretches:
    """All stretches of a store: random access, for `StretchSource` or for grain.

    Level and scale of all dates are computed once, one part of the store in memory at a time, and kept in files
    beside the parts until it is closed.

    Args:
        store: the series.
        prior: for those without history.
        half_life: of level and scale.
        length: dates of a stretch.
        forks: dates K of a stretch that make forecasts.
        horizon: number H of targets.
        counts: whether numbers stay as they are, instead of differences from the level at the first fork in
            units near the typical scale.
        held: last dates of all series that are no targets.

    Raises:
        ValueError: a store in which no series has a known target.
    """

    def __init__(
        self,
        store: SeriesStore,
        prior: Prior,
        *,
        half_life: float,
        length: int,
        forks: int,
        horizon: int,
        counts: bool = False,
        held: int = 0,
    ):
        self.store, self.length, self.forks, self.horizon = store, length, forks, horizon
        self._prior, self._counts, self._held = prior, counts, held
        self._parts = store.parts
        first = [
            np.where(part["observed"].any(1), part["observed"].argmax(1), part["y"].shape[1])
            for part in self._parts
        ]
        dates = [
            np.maximum(part["y"].shape[1] - held - f, 0)
            for part, f in zip(self._parts, first, strict=True)
        ]
        self._first = np.concatenate(first)
        self._part_ends = np.cumsum([len(part["ends"]) for part in self._parts])
        self._ends = np.cumsum(-(-np.concatenate(dates) // forks), dtype=np.int64)
        if len(self) == 0:
            raise ValueError(
                f"Stretches expected series with known targets, got none in {store.path}; fill column y."
            )
        scratch = Path(tempfile.mkdtemp(dir=store.path, prefix="normals-"))
        # Also where nobody calls `close`.
        self._remove = weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        try:
            self._normals = self._computed(prior, half_life, scratch)
        except BaseException:
            self._remove()
            raise

    def _computed(
        self, prior: Prior, half_life: float, scratch: Path
    ) -> list[tuple[np.ndarray, ...]]:
        """Level, scale and start of every date, part by part, mapped from files."""
        for part in self._parts:
            normal = normals(part["y"], part["observed"], prior, half_life)
            for name in _NORMAL:
                with open(scratch / name, "ab") as file:
                    np.asarray(getattr(normal, name)).tofile(file)
        shapes = [part["y"].shape for part in self._parts]
        pieces = (map_pieces(scratch / name, kind, shapes) for name, kind in _NORMAL.items())
        return list(zip(*pieces, strict=True))

    def __len__(self) -> int:
        """Number of stretches."""
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """A stretch: what a `Series` has, targets (K, H), and which of them were observed and are in the block.

        Raises:
            IndexError: no such stretch.
        """
        if not 0 <= index < len(self):
            raise IndexError(
                f"Stretches expected an index from 0 to {len(self) - 1}, got {index}; use one of these."
            )
        series = int(np.searchsorted(self._ends, index, side="right"))
        block = index - (int(self._ends[series - 1]) if series else 0)
        number = int(np.searchsorted(self._part_ends, series, side="right"))
        part, (level, scale, started) = self._parts[number], self._normals[number]
        row = series - (int(self._part_ends[number - 1]) if number else 0)
        count = part["y"].shape[1] - self._held
        begin = int(self._first[series]) - 1 + block * self.forks
        end = min(begin + self.forks - 1, count - 2)
        start = end - self.length + 1

        def cut(array: np.ndarray, more: int = 0, before: float = 0) -> np.ndarray:
            return _cut(array, start, self.length + more, before)

        now = np.arange(end - self.forks + 1, end + 1)
        ahead = now[:, None] + np.arange(1, self.horizon + 1)
        column = np.clip(ahead, 0, count - 1)
        asked = (ahead < count) & (now >= begin)[:, None]
        # Of dates in the panel alone, as the arrays of a panel have them.
        columns = np.arange(max(start, 0), max(end + 1 + self.horizon, 0))
        last = part["y"].shape[1] - 1
        cycles = self.store.cycles(int(part["ends"][row]) - last + columns)
        padding = ((self.length + self.horizon - len(columns), 0), (0, 0))
        future = cut(part["future"][row], self.horizon), np.pad(cycles, padding)
        levels = cut(level[row], before=self._prior.level)
        zero, unit = (0.0, 1.0) if self._counts else (levels[-self.forks], self._prior.unit)

        def told(array: np.ndarray) -> np.ndarray:
            return ((array - zero) / unit).astype(np.float32)

        return {
            "y": told(cut(part["y"][row])),
            "observed": cut(part["observed"][row]),
            "level": told(levels),
            "scale": single(cut(scale[row], before=self._prior.scale) / unit),
            "zero": np.asarray(-zero / unit, np.float32),
            "started": cut(started[row]),
            "past": cut(part["past"][row]),
            "future": np.concatenate(future, -1),
            "static": np.asarray(part["static"][row]),
            "codes": np.asarray(part["codes"][row]),
            _TARGETS: told(part["y"][row][column]),
            _ASKED: part["observed"][row][column] & asked,
        }

    def close(self) -> None:
        """Remove the files of level and scale; nothing can be read any more."""
        self._normals = []
        self._remove()

    def __repr__(self) -> str:
        """What grain's checkpoints compare."""
        return (
            f"Stretches({self.store!r}, length={self.length}, forks={self.forks}, horizon={self.horizon}, "
            f"stretches={len(self)})"
        )


class StretchSource(eqx.Module):
    """An endless stream of shuffled epochs over stretches, for `jaxsci.training.fit`.

    Args:
        stream: of batches of `Stretches`.
    """

    stream: StreamSource

    def batch(
        self, position: Int[Array, ""] | int
    ) -> tuple[Series, Float[Array, "batch forks horizon"], Bool[Array, "batch forks horizon"]]:
        """Stretches, their targets, and which of these were observed and may be asked for."""
        arrays = dict(self.stream.batch(position))
        targets, asked = arrays.pop(_TARGETS), arrays.pop(_ASKED)
        return Series(**arrays), targets, asked

    def close(self) -> None:
        """Stop reading, and remove the files that the stretches are read from."""
        self.stream.close()
        if isinstance(self.stream.items, Stretches):
            self.stream.items.close()


def _cut(array: np.ndarray, start: int, length: int, before: Any) -> np.ndarray:
    """Elements from `start` on, which may lie before the first."""
    out = np.full((length, *array.shape[1:]), before, array.dtype)
    low, high = max(start, 0), max(start + length, 0)
    out[low - start : high - start] = array[low:high]
    return out
