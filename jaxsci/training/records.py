"""The metrics of a run: one JSON object a line, and the same as a list in memory.

A resumed run first cuts its file back to the step it resumes from, so that the file of an
interrupted run equals that of an uninterrupted one in everything but the wall times.
"""

import json
import os
from pathlib import Path

Record = dict[str, int | float]


class Records:
    """Metrics of the steps logged so far.

    Args:
        path: the JSONL file, or None to keep the metrics in memory only.
        step: keep lines up to this step.

    Raises:
        ValueError: for a file whose lines are not JSON objects with a step.
    """

    def __init__(self, path: str | Path | None, *, step: int):
        self.path = None if path is None else Path(path)
        self.history: list[Record] = []
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self.history = [record for record in _read(self.path) if record["step"] <= step]
        scratch = self.path.with_name(self.path.name + ".tmp")
        scratch.write_text("".join(_line(record) for record in self.history), encoding="utf-8")
        os.replace(scratch, self.path)

    def extend(self, records: list[Record]) -> None:
        """Append `records`, on disk before this returns."""
        self.history.extend(records)
        if self.path is not None and records:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(_line(record) for record in records))
                file.flush()
                os.fsync(file.fileno())


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"


def _read(path: Path) -> list[Record]:
    text = path.read_text(encoding="utf-8")
    # What follows the last newline is a line that a killed process did not finish.
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        records = [json.loads(line) for line in lines]
        return [record for record in records if record["step"] >= 0]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"fit expected {path} to hold one JSON object with a step a line, got something else "
            f"({error}); move that file away or give another metrics_path."
        ) from error
