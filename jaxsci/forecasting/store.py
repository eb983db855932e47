"""Series on disk: more of them than fit into memory, in parts that do.

A store is a folder of panels, each of some of the series. Their arrays, in single precision, lie one after the
other in a file for each quantity, which is mapped into memory and read where it is needed. `write_store` makes
one of parquet files:

    rows in any order --hash of unique_id--> parts --Schema--> panels
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxsci._folders import complete
from solvers._files import digest, no_folder, read_json, read_object, seal, write_json

from .panel import Panel
from .parting import part_rows, read_part
from .schema import Schema

_FORMAT = 4
_FILE = "store.json"
_REMEDY = "write the store again with write_store"
# The arrays of a part, as in a `Panel`, but future covariates without the calendar's features.
_TYPES = {
    "ends": np.int64,
    "y": np.float64,
    "observed": np.bool_,
    "past": np.float32,
    "future": np.float32,
    "static": np.float32,
    "codes": np.int32,
}


class SeriesStore:
    """A store that was written before: its parts, in order, as panels.

    Args:
        path: its folder.
        verify: compare the checksums of all files, which reads everything once. Without it only their
            sizes are looked at.

    Raises:
        FileNotFoundError: no such folder, or one that was not written to its end.
        ValueError: a store of another version, or damaged.
    """

    def __init__(self, path: str | Path, *, verify: bool = True):
        self.path = Path(path).resolve()
        if not (self.path / _FILE).is_file():
            raise FileNotFoundError(
                f"SeriesStore expected a folder written by write_store, with its {_FILE}, at {path}, got "
                f"{no_folder(self.path)}."
            )
        keys = ("schema", "shapes", "ahead", "files")
        content = read_object(
            self.path / _FILE, keys=keys, error=ValueError, remedy=_REMEDY, format=_FORMAT
        )
        self._check_files(content["files"], verify)
        self.schema = Schema.from_json(content["schema"])
        self.shapes: list[tuple[int, int]] = [(n, t) for n, t in content["shapes"]]
        self._ahead: str | None = content["ahead"]

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.shapes)

    def __iter__(self) -> Iterator[Panel]:
        """The parts, one in memory at a time."""
        return (self.panel(number) for number in range(len(self)))

    @property
    def series(self) -> int:
        """Number of series in all parts."""
        return sum(count for count, _ in self.shapes)

    @cached_property
    def parts(self) -> list[dict[str, np.ndarray]]:
        """The arrays of all parts, mapped into memory: those of a `Panel`, without the calendar's features."""
        mapped = (self._pieces(name) for name in _TYPES)
        return [dict(zip(_TYPES, arrays, strict=True)) for arrays in zip(*mapped, strict=True)]

    def panel(self, number: int) -> Panel:
        """One part as a panel."""
        part = self.parts[number]
        past, width = part["y"].shape[1], part["future"].shape[1]
        dates = part["ends"][:, None] - (past - 1) + np.arange(width)
        future = np.concatenate([part["future"], self.cycles(dates)], -1)
        ids = read_json(_ids_file(self.path, number), error=ValueError, remedy=_REMEDY)
        return Panel(
            ids=np.array(ids, np.int64 if isinstance(ids[0], int) else object),
            calendar=self.schema.calendar,
            horizon=self.schema.horizon,
            categories=tuple(c.width for c in self.schema.static if c.levels is not None),
            **part | {"future": future},
        )

    def cycles(self, dates: np.ndarray) -> np.ndarray:
        """The calendar's features of dates, by their numbers."""
        calendar, seasons = self.schema.calendar, self.schema.seasons
        # Of counters they are quick to compute, and there may be any number of them between two series.
        if isinstance(calendar.spacing, int):
            return calendar.features(dates, seasons).astype(np.float32)
        first, table = self._cycles
        return table[dates - first]

    @cached_property
    def _cycles(self) -> tuple[int, np.ndarray]:
        """The features of all dates, and the number of the first of them."""
        first = min(int(part["ends"].min()) - part["y"].shape[1] + 1 for part in self.parts)
        last = max(int(part["ends"].max()) for part in self.parts) + self.schema.horizon
        dates = np.arange(first, last + 1)
        table = self.schema.calendar.features(dates, self.schema.seasons)
        return first, table.astype(np.float32)

    def check_ahead(self) -> None:
        """Refuse series whose future covariates are not known for all dates to be forecast.

        Raises:
            ValueError: the first of them.
        """
        if self._ahead is not None:
            raise ValueError(
                f"predict expected future covariates in {self.path} for all dates ahead, got too few: "
                f"{self._ahead}; write a store of files that have these rows."
            )

    def _shapes_of(self, name: str) -> list[tuple[int, ...]]:
        """Of one quantity, part by part."""
        schema = self.schema
        widths = {role: sum(c.width for c in getattr(schema, role)) for role in ("past", "future")}
        categories = sum(c.levels is not None for c in schema.static)
        after: dict[str, Callable[[int], tuple[int, ...]]] = {
            "ends": lambda t: (),
            "y": lambda t: (t,),
            "observed": lambda t: (t,),
            "past": lambda t: (t, widths["past"]),
            "future": lambda t: (t + schema.horizon, widths["future"]),
            "static": lambda t: (sum(c.width for c in schema.static if c.levels is None),),
            "codes": lambda t: (categories,),
        }
        return [(n, *after[name](t)) for n, t in self.shapes]

    def _pieces(self, name: str) -> list[np.ndarray]:
        return map_pieces(self.path / f"{name}.bin", _TYPES[name], self._shapes_of(name))

    def _check_files(self, files: dict[str, str], verify: bool) -> None:
        for name, expected in files.items():
            file = self.path / name
            size = f"{file.stat().st_size} bytes" if file.is_file() else "no file"
            found = digest(file) if verify else size
            if found != (expected if verify else expected.split(" with ")[0]):
                raise ValueError(
                    f"SeriesStore expected a whole store in {self.path}, got one in which {name} has {found} "
                    f"instead of {expected}; {_REMEDY}."
                )

    def __repr__(self) -> str:
        return f"SeriesStore({str(self.path)!r}, series={self.series}, parts={len(self)})"


def map_pieces(file: Path, kind: Any, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Arrays that lie one after the other in a file, mapped into memory at once."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    # An empty file cannot be mapped.
    flat = np.memmap(file, kind, "r") if ends[-1] else np.zeros(0, kind)
    starts = (0, *ends[:-1])
    return [flat[a:b].reshape(s) for a, b, s in zip(starts, ends, shapes, strict=True)]


def write_store(
    source: Any,
    path: str | Path,
    *,
    columns: Sequence[str],
    learn: Callable[[Iterator[pd.DataFrame]], Schema],
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
    with complete(path) as made:
        files = part_rows(source, made.parent, columns=columns, rows=rows)
        schema = learn(map(read_part, files))
        shapes, missing = [], None
        for number, file in enumerate(files):
            frame = read_part(file)
            try:
                panel = schema.panel(frame, ahead=missing is None)
            except ValueError as error:
                # To learn from, covariates need not be known ahead; whatever else is wrong is raised again.
                panel, missing = schema.panel(frame), str(error).split("; ")[0]
            _append(made, number, panel, schema)
            shapes.append(panel.y.shape)
            file.unlink()
        content = {
            "format": _FORMAT,
            "schema": schema.to_json(),
            "shapes": shapes,
            "ahead": missing,
            "files": {file.name: digest(file) for file in sorted(made.iterdir())},
        }
        write_json(made / _FILE, seal(content))
    return SeriesStore(path, verify=False)


def _append(folder: Path, number: int, panel: Panel, schema: Schema) -> None:
    """Write the arrays of a part behind those of the one before."""
    for name, kind in _TYPES.items():
        array = getattr(panel, name)
        if name == "future":
            array = array[..., : sum(column.width for column in schema.future)]
        with open(folder / f"{name}.bin", "ab") as file:
            np.ascontiguousarray(array, kind).tofile(file)
    text = json.dumps(panel.ids.tolist())
    _ids_file(folder, number).write_text(text, encoding="utf-8")


def _ids_file(folder: Path, number: int) -> Path:
    return folder / f"ids-{number:04d}.json"
