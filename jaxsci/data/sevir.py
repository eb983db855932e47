"""SEVIR: storm events over the United States, four hours of radar and satellite pictures each.

A folder holds ``CATALOG.csv``, one row an event and image type, and HDF5 files under ``data``, named by the
catalog; ``file[type][index]`` is one event, (height, width, time), every five minutes.

    type    pixels   stored as   unit of what is read
    vil     384      uint8       vertically integrated liquid, on the scale 0 to 255, here over 255
    ir069   192      int16       °C, brightness temperature at 6.9 μm, stored in hundredths
    ir107   192      int16       °C, brightness temperature at 10.7 μm, stored in hundredths
    vis     768      int16       reflectance at 0.64 μm, stored in ten-thousandths
    lght    48       flashes     flashes a pixel and five minutes, from one list of points an event

References: M. Veillette, S. Samsi, C. Mattioli, SEVIR: A Storm Event Imagery Dataset for Deep Learning
Applications in Radar and Satellite Meteorology, NeurIPS 2020; Z. Gao et al., Earthformer, NeurIPS 2022,
arXiv:2207.05833, for the filters, dates and windows: 13 inputs, 12 targets, stride 12.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Real

from ._extras import extra
from ._links import UNREADABLE, inside, member
from .checks import DatasetError
from .windows import check_finite, check_slice

SEVIR_SPLITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "train": ("1900-01-01", "2019-01-01"),
        "validation": ("2019-01-01", "2019-06-01"),
        "test": ("2019-06-01", "2100-01-01"),
    }
)
"""Parts by date: events after the first and up to the second."""

ImageType = Literal["vil", "ir069", "ir107", "vis", "lght"]

_COLUMNS = ("id", "file_name", "file_index", "img_type", "time_utc", "pct_missing")
_FRAMES = 49
_LIGHTNING_STARTS = np.arange(-120.0, 125.0, 5.0) * 60  # seconds from the middle of the event


class _Row(NamedTuple):
    id: str
    file: str
    number: int


class _Raster(NamedTuple):
    pixels: int
    dtype: str
    divisor: float


_RASTERS = {
    "vil": _Raster(384, "uint8", 255.0),
    "ir069": _Raster(192, "int16", 100.0),
    "ir107": _Raster(192, "int16", 100.0),
    "vis": _Raster(768, "int16", 10_000.0),
}


class SEVIR:
    """Events of one image type: what `Windows` cuts.

    Files are opened for each reading, so that the object can be sent to workers. Events of which part is
    missing are left out, and so are those whose id the catalog has twice, as in the published experiments.

    Args:
        folder: where the catalog and ``data`` are.
        image_type: "vil", "ir069", "ir107", "vis" or "lght".
        split: "train", "validation" or "test" by date, or a pair (after, up to) of dates; None for all.
        low_resolution: the files of SEVIR-LR, "vil" at 128 by 128 pixels every ten minutes.
        skip_corrupt: leave out files that are damaged or missing, and list them in `skipped`.
        follow_links: read what lies outside ``data``, by a name in the catalog or by a link, and what HDF5
            files take from other files; data from somebody else could name any file of this machine.

    Attributes:
        ids: names of the events.
        skipped: why files were left out, by name.

    Raises:
        ImportError: where h5py is not installed.
        DatasetError: a catalog that is missing or lacks columns, rows that point nowhere, files without the
            data or with other shapes or types, or no event at all.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        image_type: ImageType = "vil",
        split: str | tuple[str, str] | None = None,
        low_resolution: bool = False,
        skip_corrupt: bool = False,
        follow_links: bool = False,
    ):
        self.folder, self.image_type, self.split = Path(folder), image_type, split
        self._follow = follow_links
        if image_type not in (*_RASTERS, "lght") or (low_resolution and image_type != "vil"):
            raise DatasetError(
                f"SEVIR expected an image type in {[*_RASTERS, 'lght']}, and 'vil' for low resolution, "
                f"got {image_type!r}; choose one of them."
            )
        self._pixels = 128 if low_resolution else 48
        if image_type in _RASTERS and not low_resolution:
            self._pixels = _RASTERS[image_type].pixels
        self._frames = 25 if low_resolution else _FRAMES
        self._hdf5 = extra("SEVIR", "h5py", "h5py", "convert the files to arrays for ArrayEvents")
        rows = _rows(self.folder / "CATALOG.csv", image_type, split)
        self.skipped: dict[str, str] = {}
        self._check_files(rows, skip_corrupt)
        self._rows = [row for row in rows if row.file not in self.skipped]
        if not self._rows:
            raise DatasetError(
                f"SEVIR expected at least one event of type {image_type!r} and split {split!r}, got none "
                f"({len(self.skipped)} files skipped); check the catalog, the dates and the files."
            )
        self.ids = tuple(row.id for row in self._rows)

    def __len__(self) -> int:
        """Number of events."""
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"SEVIR({str(self.folder)!r}, image_type={self.image_type!r}, split={self.split!r}, "
            f"events={len(self)})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the module, which cannot be sent."""
        return {name: value for name, value in vars(self).items() if name != "_hdf5"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._hdf5 = extra("SEVIR", "h5py", "h5py", "convert the files to arrays for ArrayEvents")

    def frames(self, index: int) -> int:
        """Number of frames of an event, the same for all."""
        del index
        return self._frames

    def read(self, index: int, start: int, stop: int) -> dict[str, np.ndarray]:
        """Frames of one event in the unit of the table, float32 of shape (time, 1, height, width).

        Raises:
            DatasetError: a file that cannot be read any more.
        """
        row = self._rows[index]
        check_slice("SEVIR.read", start, stop, self._frames)
        try:
            with self._hdf5.File(self._path(row.file), "r") as file:
                if self.image_type == "lght":
                    points = np.asarray(self._member(file, row.id))
                    frames = lightning_frames(points)[start:stop].astype(np.float32)
                else:
                    event = np.asarray(
                        self._member(file, self.image_type)[row.number, :, :, start:stop]
                    )
                    frames = np.moveaxis(event, -1, 0).astype(np.float32)
                    # A quotient, which times 255 gives the byte again; a product would not.
                    frames = frames / np.float32(_RASTERS[self.image_type].divisor)
        except UNREADABLE as error:
            raise DatasetError(
                f"SEVIR expected to read event {row.id!r} from {row.file}, got {error}; fetch the "
                "file again, or leave out the windows that Windows.damaged names."
            ) from error
        return {"frames": np.ascontiguousarray(frames[:, None])}

    def _path(self, name: str) -> Path:
        return inside("SEVIR", self.folder / "data", name, follow=self._follow)

    def _member(self, file: Any, name: str) -> Any:
        return member(self._hdf5, "SEVIR", file, name, follow=self._follow)

    def _check_files(self, rows: Sequence[_Row], skip_corrupt: bool) -> None:
        """Look at the headers of all files that the rows name."""
        for name in dict.fromkeys(row.file for row in rows):
            try:
                self._check_file(name, [row for row in rows if row.file == name])
            except DatasetError as error:
                if not skip_corrupt:
                    raise
                self.skipped[name] = str(error)

    def _check_file(self, name: str, events: Sequence[_Row]) -> None:
        path = self._path(name)
        if not path.is_file():
            raise DatasetError(
                f"SEVIR expected the file {path}, to which {len(events)} rows of the catalog point, got "
                "none; fetch it, or pass skip_corrupt=True."
            )
        try:
            with self._hdf5.File(path, "r") as file:
                if self.image_type == "lght":
                    points = {row.id: self._member(file, row.id) for row in events}
                    found = {
                        key: (x.shape, x.dtype.kind) for key, x in points.items() if x is not None
                    }
                elif (data := self._member(file, self.image_type)) is not None:
                    found = (data.shape, str(data.dtype))
                else:
                    found = list(file)
        except UNREADABLE as error:
            raise DatasetError(
                f"SEVIR expected a readable HDF5 file at {path}, got {error}; fetch it again, or pass "
                "skip_corrupt=True."
            ) from error
        if isinstance(found, dict):
            self._check_points(path, events, found)
        elif isinstance(found, tuple):
            self._check_raster(path, events, *found)
        else:
            raise DatasetError(
                f"SEVIR expected the key {self.image_type!r} in {path}, got {found}; fetch the file "
                "again, or pass skip_corrupt=True."
            )

    def _check_points(self, path: Path, events: Sequence[_Row], found: dict[str, Any]) -> None:
        for event, _, _ in events:
            shape, kind = found.get(event, (None, "f"))
            if shape is None or len(shape) != 2 or shape[1] != 5 or kind not in "iuf":
                raise DatasetError(
                    f"SEVIR expected the flashes of {event!r} as (flashes, 5) in {path}, got "
                    f"{'nothing under that key' if shape is None else shape}; fetch the file again, or "
                    "pass skip_corrupt=True."
                )

    def _check_raster(
        self, path: Path, events: Sequence[_Row], shape: tuple[int, ...], kind: str
    ) -> None:
        one, dtype = (self._pixels, self._pixels, self._frames), _RASTERS[self.image_type].dtype
        if tuple(shape[1:]) != one or kind != dtype:
            raise DatasetError(
                f"SEVIR expected {self.image_type!r} in {path} to be {dtype} of shape (events, "
                f"{one[0]}, {one[1]}, {one[2]}), got {kind} of shape {tuple(shape)}; pass the files as "
                "they are published, low_resolution=True for those of SEVIR-LR."
            )
        for row in events:
            if not 0 <= row.number < shape[0]:
                raise DatasetError(
                    f"SEVIR expected the event {row.id!r} at the index {row.number} that the catalog names "
                    f"in {path}, got {shape[0]} events; fetch the file and the catalog again."
                )


def lightning_frames(points: Real[np.ndarray, "flashes 5"]) -> Int[np.ndarray, "49 48 48"]:
    """Flashes of one event counted in 48 × 48 pixels and 49 intervals of five minutes.

    Args:
        points: (flashes, 5): seconds from the middle of the event, latitude, longitude, and the pixel's
            column and row, of which the first and the last two are used.

    Returns:
        Counts (49, 48, 48), the first interval with all flashes before it.
    """
    counts = np.zeros((_FRAMES, 48, 48), np.int64)
    check_finite("lightning_frames", "the flashes", points[:, [0, 3, 4]])
    columns, rows = points[:, 3], points[:, 4]
    inside = (columns >= 0) & (columns < 48) & (rows >= 0) & (rows < 48)
    times = np.digitize(points[inside, 0], _LIGHTNING_STARTS) - 1
    place = (times.clip(0), rows[inside].astype(int), columns[inside].astype(int))
    np.add.at(counts, place, 1)
    return counts


def _rows(path: Path, image_type: str, split: str | tuple[str, str] | None) -> list[_Row]:
    """The catalog's rows of one type and part, without gaps and without repeated events."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            rows = [] if missing else [row for row in reader if row["img_type"] == image_type]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"SEVIR expected its catalog at {path}, got {error}; pass the folder that holds CATALOG.csv "
            "and data."
        ) from error
    if missing:
        raise DatasetError(
            f"SEVIR expected the columns {list(_COLUMNS)} in {path}, got none named {missing}; fetch the "
            "catalog again."
        )
    after, until = _dates(split)
    kept = []
    for number, row in enumerate(rows):
        try:
            # Lists of flashes are found by the name of the event; they have no index.
            index = -1 if image_type == "lght" else _index(row["file_index"])
            whole = float(row["pct_missing"]) == 0
            time = _utc(row["time_utc"])
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"SEVIR expected an index, a percentage and a date in row {number} of type "
                f"{image_type!r} in {path}, got {error}; fetch the catalog again."
            ) from error
        if whole and after < time <= until:
            kept.append(_Row(row["id"], row["file_name"], index))
    # An id that is there twice names two places in the files, of which nobody knows the right one.
    times = Counter(row.id for row in kept)
    return [row for row in kept if times[row.id] == 1]


def _dates(split: str | tuple[str, str] | None) -> tuple[datetime, datetime]:
    if split is None:
        return datetime.min, datetime.max
    if isinstance(split, str) and split not in SEVIR_SPLITS:
        raise DatasetError(
            f"SEVIR expected split in {list(SEVIR_SPLITS)} or a pair of dates, got {split!r}; choose one."
        )
    try:
        after, until = SEVIR_SPLITS[split] if isinstance(split, str) else split
        return _utc(after), _utc(until)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"SEVIR expected split as a pair of dates, got {split!r} ({error}); write them as in "
            "('2019-01-01', '2019-06-01')."
        ) from error


def _utc(text: str) -> datetime:
    """A date in UTC, which is that of the catalog where none is named."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def _index(text: str) -> int:
    # Pandas writes whole numbers with ".0" where others are missing.
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"the index {text}, which is no whole number")
    return int(number)
