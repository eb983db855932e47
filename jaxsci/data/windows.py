"""Windows of events: pairs of past and future frames, read when asked for, no event in two parts.

An event is one stretch of frames that belong together: a storm, a climate model's run, a place seen by a
satellite. Windows of one event overlap or follow each other, so a split by windows would test on what was
trained on; events are split first, and windows are cut afterwards.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from jaxsci._checks import whole

from .checks import DatasetError


@runtime_checkable
class Events(Protocol):
    """A data set of events: how many there are, their length, and any stretch of one of them."""

    def __len__(self) -> int:
        """Number of events."""
        ...

    def frames(self, index: int) -> int:
        """Number of frames of one event."""
        ...

    def read(self, index: int, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Frames start to stop of one event.

        "frames" has shape (time, channels, *space); what else there is keeps its name.
        """
        ...


class Windows:
    """All windows of some events: a random-access source, for grain or for a plain loop.

    Items are dictionaries of "input" and "target", (time, channels, *space) each, and of what else the
    events hold. An item is read from the files when it is asked for; two items share nothing, so workers
    and threads may read at the same time.

    Args:
        events: where frames come from.
        inputs: frames that are given.
        targets: frames that are to be predicted.
        stride: frames from the start of one window to that of the next; by default windows do not overlap.
        select: numbers of the events to use, as from `split_by_group`; all by default.

    Raises:
        DatasetError: what are no events, an event with fewer frames than a window, or numbers of events
            that do not exist or repeat themselves.
    """

    def __init__(
        self,
        events: Events,
        *,
        inputs: int,
        targets: int,
        stride: int | None = None,
        select: Sequence[int] | np.ndarray | None = None,
    ):
        if not isinstance(events, Events):
            raise DatasetError(
                f"Windows expected events, with frames and read, got {type(events).__name__}; pass a data set "
                "such as SEVIR, or ArrayEvents(frames)."
            )
        self.events = events
        self.inputs = whole("Windows", "inputs", inputs)
        self.targets = whole("Windows", "targets", targets)
        self.length = self.inputs + self.targets
        self.stride = self.length if stride is None else whole("Windows", "stride", stride)
        chosen = np.arange(len(events)) if select is None else np.asarray(select, int)
        wrong = (chosen < 0) | (chosen >= len(events))
        if wrong.any() or len(np.unique(chosen)) < len(chosen):
            raise DatasetError(
                f"Windows expected different events from 0 to {len(events) - 1}, got "
                f"{chosen[wrong].tolist() or 'some twice'}; select from these events."
            )
        counts = []
        for event in chosen:
            frames = events.frames(int(event))
            if frames < self.length:
                raise DatasetError(
                    f"Windows expected at least {self.length} frames, {self.inputs} inputs and "
                    f"{self.targets} targets, got {frames} in event {event}; ask for shorter windows or "
                    "leave the event out."
                )
            counts.append(1 + (frames - self.length) // self.stride)
        self._events = chosen
        self._ends = np.cumsum(counts, dtype=int)

    def __len__(self) -> int:
        """Number of windows."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Read one window."""
        event, start = self.locate(index)
        window = dict(self.events.read(event, start, start + self.length))
        frames = window.pop("frames")
        return {"input": frames[: self.inputs], "target": frames[self.inputs :]} | window

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """Read all windows, event by event."""
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        """What grain's checkpoints compare."""
        return (
            f"Windows({self.events!r}, inputs={self.inputs}, targets={self.targets}, "
            f"stride={self.stride}, windows={len(self)})"
        )

    def damaged(self, numbers: Iterable[int] | None = None) -> dict[int, str]:
        """Read windows once, and say what is wrong with those that cannot be read.

        A file may open and still be damaged inside. To train on the others, give a source the rest.

        Args:
            numbers: of the windows to read; all by default, which takes as long as an epoch.

        Returns:
            The message of each that is damaged, by its number.
        """
        found = {}
        for number in range(len(self)) if numbers is None else numbers:
            try:
                self[int(number)]
            except DatasetError as error:
                found[int(number)] = str(error)
        return found

    def locate(self, index: int) -> tuple[int, int]:
        """Number of the event of a window, and the frame at which the window starts.

        Raises:
            IndexError: beyond the last window.
        """
        if not 0 <= index < len(self):
            raise IndexError(
                f"Windows expected an index from 0 to {len(self) - 1}, got {index}; there are "
                f"{len(self)} windows."
            )
        place = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return int(self._events[place]), (int(index) - before) * self.stride


class ArrayEvents:
    """Events held in memory, such as sequences made by a solver or a generator.

    Args:
        frames: (events, time, channels, *space), floating-point.

    Raises:
        DatasetError: another layout, or values that are not finite.
    """

    def __init__(self, frames: np.ndarray):
        self._frames = np.asarray(frames)
        kind = self._frames.dtype
        if self._frames.ndim < 3 or not np.issubdtype(kind, np.floating):
            raise DatasetError(
                "ArrayEvents expected floating-point frames of shape (events, time, channels, *space), "
                f"got {kind} of shape {self._frames.shape}; stack the sequences along axis 0."
            )
        check_finite("ArrayEvents", "the frames", self._frames)

    def __len__(self) -> int:
        """Number of events."""
        return len(self._frames)

    def __repr__(self) -> str:
        return f"ArrayEvents(shape={self._frames.shape})"

    def frames(self, index: int) -> int:  # noqa: D102
        del index
        return self._frames.shape[1]

    def read(self, index: int, start: int, stop: int) -> dict[str, np.ndarray]:  # noqa: D102
        check_slice("ArrayEvents.read", start, stop, self._frames.shape[1])
        return {"frames": self._frames[index, start:stop]}


def split_by_group(
    groups: Sequence[Hashable], shares: Mapping[str, float], *, seed: int
) -> dict[str, np.ndarray]:
    """Split events into parts at random, so that no group is in two of them.

    Args:
        groups: the group of each event, such as the place it was seen at; its own number or name where
            every event is a group of its own.
        shares: share of the groups of each part; they add up to one.
        seed: of the shuffle.

    Returns:
        Numbers of the events of each part, in increasing order.

    Raises:
        DatasetError: shares that are not positive or do not add up to one, or a part without a group.
    """
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise DatasetError(
            f"split_by_group expected positive shares that add up to 1, got {dict(shares)}; mend them."
        )
    names = list(dict.fromkeys(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    edges = np.round(np.cumsum([0.0, *shares.values()]) * len(names)).astype(int)
    part_of = {}
    for part, start, stop in zip(shares, edges[:-1], edges[1:], strict=True):
        if start == stop:
            raise DatasetError(
                f"split_by_group expected at least one group in every part, got none in {part!r} of "
                f"{len(names)} groups; give it a larger share."
            )
        part_of |= {names[i]: part for i in order[start:stop]}
    return {
        part: np.array([i for i, group in enumerate(groups) if part_of[group] == part], int)
        for part in shares
    }


def check_slice(who: str, start: int, stop: int, frames: int) -> None:
    """Refuse a slice beyond the ends of an event, which NumPy would wrap round or cut off."""
    if not 0 <= start < stop <= frames:
        raise DatasetError(
            f"{who} expected 0 <= start < stop <= {frames}, the frames of the event, got start={start} and "
            f"stop={stop}; ask for frames inside."
        )


def check_finite(who: str, name: str, values: np.ndarray) -> None:
    """Refuse values that are NaN or infinite, and say where the first is."""
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DatasetError(
            f"{who} expected finite values in {name}, got {values[where]} at index {where}; repair the "
            "file or leave the event out."
        )
