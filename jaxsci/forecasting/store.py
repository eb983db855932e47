"""Series on disk: any number of them, in parts that fit into memory.

A store is a folder of panels, each of some of the series, as plain arrays in single precision that are mapped
into memory and read where they are needed. `write_store` makes one of a parquet file or folder:

    rows in any order --hash of unique_id--> parts --Schema--> panels
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .panel import Panel, Schema
from .parting import part_rows, read_part

_FORMAT = 1
_FILE = "store.json"
_ARRAYS = ("ids", "ends", "y", "observed", "past", "future", "static", "codes")


@dataclass(frozen=True)
class Part:
    """The arrays of some series, as in a `Panel`, but future covariates without the calendar's features."""

    ids: np.ndarray
    ends: np.ndarray
    y: np.ndarray
    observed: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    codes: np.ndarray


class SeriesStore:
    """A store that was written before: its parts, in order, as panels.

    Args:
        path: its folder.

    Raises:
        FileNotFoundError: no such folder, or one that was not written to its end.
        ValueError: a store of another version, or damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not (self.path / _FILE).is_file():
            raise FileNotFoundError(
                f"SeriesStore expected a folder written by write_store, got {path}, which has no {_FILE}; "
                "write it, or correct the path."
            )
        try:
            content = json.loads((self.path / _FILE).read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise ValueError(f"format {content['format']}")
            self.schema = Schema.from_json(content["schema"])
            self._sizes: list[int] = content["sizes"]
            self._ahead: str | None = content["ahead"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"SeriesStore expected a store of format {_FORMAT} in {path}, got {error!r}; write it again."
            ) from error

    def __len__(self) -> int:
        """Number of parts."""
        return len(self._sizes)

    def __iter__(self) -> Iterator[Panel]:
        """The parts, one in memory at a time."""
        return (self.panel(number) for number in range(len(self)))

    @property
    def series(self) -> int:
        """Number of series in all parts."""
        return sum(self._sizes)

    def part(self, number: int) -> Part:
        """The arrays of one part, mapped into memory."""
        folder = self.path / f"part-{number:04d}"
        return Part(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS))

    def panel(self, number: int) -> Panel:
        """One part as a panel."""
        part = self.part(number)
        width = part.future.shape[1]
        dates = part.ends[:, None] - (part.y.shape[1] - 1) + np.arange(width)
        first, table = self.cycles
        return Panel(
            ids=np.asarray(part.ids),
            ends=np.asarray(part.ends),
            calendar=self.schema.calendar,
            horizon=self.schema.horizon,
            y=part.y,
            observed=part.observed,
            past=part.past,
            future=np.concatenate([part.future, table[dates - first]], -1),
            static=np.asarray(part.static),
            codes=np.asarray(part.codes),
            categories=tuple(c.width for c in self.schema.static if c.levels is not None),
        )

    @cached_property
    def cycles(self) -> tuple[int, np.ndarray]:
        """The calendar's features of all dates, and the number of the first of them."""
        reaches = [
            (int((part.ends - part.y.shape[1]).min()) + 1, int(part.ends.max()))
            for part in map(self.part, range(len(self)))
        ]
        first = min(low for low, _ in reaches)
        last = max(high for _, high in reaches) + self.schema.horizon
        dates = np.arange(first, last + 1)
        table = self.schema.calendar.features(dates, self.schema.seasons)
        return first, table.astype(np.float32)

    def check_ahead(self) -> None:
        """Refuse series whose future covariates are not known for all dates to be forecast.

        Raises:
            ValueError: the first of them.
        """
        if self._ahead is not None:
            raise ValueError(self._ahead)

    def __repr__(self) -> str:
        return f"SeriesStore({str(self.path)!r}, series={self.series}, parts={len(self)})"


def write_store(
    source: Any,
    path: str | Path,
    *,
    columns: Sequence[str],
    learn: Callable[[Iterable[pd.DataFrame]], Schema],
    rows: int,
) -> SeriesStore:
    """Write the series of parquet files into a new folder, which appears when it is complete.

    Args:
        source: a parquet file, or a folder of such, with rows in any order.
        path: of the new folder.
        columns: that are needed.
        learn: makes a schema of the parts, which are frames.
        rows: of the files that a part holds, more or less.

    Raises:
        FileExistsError: if `path` exists.
        ValueError: as `part_rows` and `Schema.of`.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(
            f"write_store expected a new folder, got {path}, which exists; open it with SeriesStore, or choose "
            "another path."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.partial-") as scratch:
        folder = Path(scratch)
        files = part_rows(source, folder, columns=columns, rows=rows)
        schema = learn(map(read_part, files))
        made, sizes, missing = folder / "store", [], None
        for number, file in enumerate(files):
            frame = read_part(file)
            try:
                panel = schema.panel(frame, ahead=missing is None)
            except ValueError as error:
                # To learn from, covariates need not be known ahead; whatever else is wrong is raised again.
                panel, missing = schema.panel(frame), str(error)
            _write_part(made / f"part-{number:04d}", panel, schema)
            sizes.append(len(panel.ids))
            file.unlink()
        content = {"format": _FORMAT, "schema": schema.to_json(), "sizes": sizes, "ahead": missing}
        (made / _FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(made, path)
    return SeriesStore(path)


def _write_part(folder: Path, panel: Panel, schema: Schema) -> None:
    folder.mkdir(parents=True)
    ids = panel.ids if np.issubdtype(panel.ids.dtype, np.integer) else panel.ids.astype(str)
    future = panel.future[..., : sum(column.width for column in schema.future)]
    numbers = {name: getattr(panel, name).astype(np.float32) for name in ("y", "past", "static")}
    arrays = {
        "ids": ids,
        "ends": panel.ends,
        "observed": panel.observed,
        "future": future.astype(np.float32),
        "codes": panel.codes.astype(np.int32),
        **numbers,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
