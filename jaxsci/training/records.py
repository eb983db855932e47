"""The metrics of a run: one JSON object a line, and the same as a list in memory.

A resumed run first cuts its file back to the step it resumes from, so that the file of an
interrupted run equals that of an uninterrupted one in everything but the wall times. A checkpoint
says what the file held by then: lines that were lost or changed in between are missed.
"""

import json
import os
import warnings
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from solvers._lock import alone

Record = dict[str, int | float]


class Records:
    """Metrics of the steps logged so far.

    Args:
        path: the JSONL file, held against other processes until `close`, or None to keep the
            metrics in memory only.
        step: keep lines up to this step.
        written: what a checkpoint of that step says of the file; a file that holds something else
            is warned of.

    Raises:
        ValueError: for a file whose lines are not JSON objects of increasing steps.
        BlockingIOError: for a file that another process writes.
    """

    def __init__(self, path: str | Path | None, *, step: int, written: dict[str, Any] | None):
        self.path = None if path is None else Path(path)
        self.history: list[Record] = []
        self._lines = self._checksum = 0
        self._held = ExitStack()
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(f".{self.path.name}.lock")
        with ExitStack() as held:
            held.enter_context(alone(lock, who="fit", path=self.path))
            found = _read(self.path) if self.path.exists() else []
            self.history = [record for record in found if record["step"] <= step]
            scratch = self.path.with_name(self.path.name + ".tmp")
            try:
                scratch.write_text(self._count(self.history), encoding="utf-8")
                os.replace(scratch, self.path)
            finally:
                scratch.unlink(missing_ok=True)
            self._held = held.pop_all()
        if written is not None and written != self.written:
            warnings.warn(
                f"fit expected {self.path} to hold the {written['lines']} records that were logged until "
                f"step {step}, got {self._lines}{' others' * (written['lines'] == self._lines)}; the "
                "history goes on without what was lost.",
                stacklevel=3,
            )

    @property
    def written(self) -> dict[str, Any]:
        """How many lines the file holds, and their checksum."""
        return {"lines": self._lines, "crc32": f"{self._checksum:08x}"}

    def extend(self, records: list[Record]) -> None:
        """Append `records`, on disk before this returns."""
        self.history.extend(records)
        if self.path is not None and records:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._count(records))
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        """Let others write the file."""
        self._held.close()

    def _count(self, records: Iterable[Record]) -> str:
        """The lines of `records`, which are counted as written."""
        lines = [json.dumps(record) + "\n" for record in records]
        for line in lines:
            self._checksum = zlib.crc32(line.encode(), self._checksum)
        self._lines += len(lines)
        return "".join(lines)


def _read(path: Path) -> list[Record]:
    try:
        text = path.read_text(encoding="utf-8")
        # What follows the last newline is a line that a killed process did not finish.
        lines = text[: text.rfind("\n") + 1].splitlines()
        records = [json.loads(line) for line in lines]
        steps = [int(record["step"]) for record in records]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"fit expected {path} to hold one JSON object with a step a line, got something else "
            f"({error}); move that file away or give another metrics_path."
        ) from error
    for before, after in pairwise(steps):
        if after <= before:
            raise ValueError(
                f"fit expected the steps in {path} to increase, got {after} after {before}; move that "
                "file away or give another metrics_path."
            )
    return records
