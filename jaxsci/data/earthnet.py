"""EarthNet2021: Sentinel-2 pictures of the ground every five days, with the weather of each day.

One npz file is one event: a place and a season.

    highresdynamic   (128, 128, 7 or 5, time)   blue, green, red, near infrared: reflectance, NaN where
                                                there is none; last of all the mask, 1 where it is bad
    highresstatic    (128, 128, 1)              elevation, (z/2000 m + 1)/2
    mesodynamic      (80, 80, 5, 5 time)        daily precipitation over 50 mm, pressure (p − 900 hPa)/200 hPa,
                                                mean, least and largest temperature (T + 50 °C)/100 °C
    mesostatic       (80, 80, 1)                elevation likewise

Files of the training set have thirty pictures and two more channels, cloud probability and scene class;
those of the test sets come in pairs, the context with the weather of all days, and the target.

Reference: C. Requena-Mesa et al., EarthNet2021, CVPR Workshops 2021, arXiv:2104.10066: 10 pictures in, 20 out.
Missing reflectances and weather become 0 and are marked in "valid" and "weather_valid", missing elevations
sea level; reflectances are cut to [0, 1].
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from .checks import DatasetError
from .windows import check_slice

_STATIC = {"highresstatic": (128, 128, 1), "mesostatic": (80, 80, 1)}
# Reflectances and scaled weather stay near [0, 1]; digital counts and hectopascals do not.
_LARGEST = 10.0
_DAYS = 5
_SEA_LEVEL = 0.5


class EarthNet:
    """Places and seasons: what `Windows` cuts.

    Args:
        folder: of the training set, or of one test set with the folders ``context`` and ``target`` in it.
        skip_corrupt: leave out files that are damaged, and list them in `skipped`; that reads every file
            once. Otherwise a file is checked when it is read.

    Attributes:
        names: of the files, without the ending.
        tiles: name of the satellite tile of each, the group by which to split.
        skipped: why files were left out, by name.

    Raises:
        DatasetError: a folder without files, a context without its target, or, when they are read, files
            that are damaged, lack keys or have other shapes, masks that are not 0 or 1, reflectances or
            weather on another scale, weather or elevations that are infinite.
    """

    def __init__(self, folder: str | Path, *, skip_corrupt: bool = False):
        self.folder = Path(folder)
        context = self.folder / "context"
        root = context if context.is_dir() else self.folder
        self._paths = [(path,) for path in sorted(root.rglob("*.npz"))]
        if context.is_dir():
            self._paths = [(path, self._target(path)) for (path,) in self._paths]
        self.skipped: dict[str, str] = {}
        self._lengths: dict[int, int] = {}
        if skip_corrupt:
            self._paths = [paths for paths in self._paths if self._sound(paths)]
        if not self._paths:
            raise DatasetError(
                f"EarthNet expected npz files below {root}, got none that can be used "
                f"({len(self.skipped)} skipped); check the path."
            )
        self.names = tuple(paths[0].stem.removeprefix("context_") for paths in self._paths)
        self.tiles = tuple(name.split("_")[0] for name in self.names)

    def __len__(self) -> int:
        """Number of places and seasons."""
        return len(self._paths)

    def __repr__(self) -> str:
        return f"EarthNet({str(self.folder)!r}, events={len(self)}, skipped={len(self.skipped)})"

    def frames(self, index: int) -> int:
        """Number of pictures of one event, from the headers of its files."""
        if index not in self._lengths:
            shapes = [_header(path, "highresdynamic") for path in self._paths[index]]
            self._lengths[index] = sum(shape[-1] for shape in shapes)
        return self._lengths[index]

    def read(self, index: int, start: int, stop: int) -> dict[str, np.ndarray]:
        """Pictures start to stop of one event: float32, and flags of what is good.

        Returns:
            "frames" (time, 4, 128, 128), reflectances, and "valid" (time, 1, 128, 128); "weather" (5 time, 5,
            80, 80), of the days up to each picture, and "weather_valid" of the same shape; "elevation"
            (1, 128, 128) and "weather_elevation" (1, 80, 80).
        """
        event = _event(self._paths[index])
        check_slice("EarthNet.read", start, stop, len(event["frames"]))
        days = slice(_DAYS * start, _DAYS * stop)
        return {
            "frames": event["frames"][start:stop],
            "valid": event["valid"][start:stop],
            "weather": event["weather"][days],
            "weather_valid": event["weather_valid"][days],
            "elevation": event["elevation"],
            "weather_elevation": event["weather_elevation"],
        }

    def _target(self, context: Path) -> Path:
        below = context.relative_to(self.folder / "context")
        target = (
            self.folder / "target" / below.with_name("target" + below.name.removeprefix("context"))
        )
        if not target.is_file():
            raise DatasetError(
                f"EarthNet expected the target of {context} at {target}, got none; fetch both folders of "
                "the test set."
            )
        return target

    def _sound(self, paths: tuple[Path, ...]) -> bool:
        try:
            _event(paths)
        except DatasetError as error:
            self.skipped[paths[0].name] = str(error)
            return False
        return True


def earthnet_auxiliary(
    window: Mapping[str, np.ndarray],
) -> Float[np.ndarray, "time 7 128 128"]:
    """What acts on the ground, on the grid of the pictures, as the published Earthformer takes it.

    Elevation, the five variables of the weather, and the elevation of the region: the 7 channels of
    `Earthformer.preset("earthnet")`, whose `past` and `future` are the first 10 and the last 20 of 30.

    As in the authors' code, the weather of a picture is that of the first of its five days, and each pixel
    takes the nearest of 80 by 80 cells, although these span a hundred kilometres and the picture two and a
    half. Missing elevations are at sea level here, and 2000 m below it there.

    Args:
        window: of `Windows`, or an event as `EarthNet.read` returns it.

    Raises:
        DatasetError: fields that are missing, or of other shapes than `EarthNet` gives.
    """
    names = ("elevation", "weather", "weather_elevation")
    found = {name: np.shape(window[name]) for name in names if name in window}
    days = found.get("weather", (0,))[0]
    expected = dict(zip(names, ((1, 128, 128), (days, 5, 80, 80), (1, 80, 80)), strict=True))
    if found != expected or days == 0 or days % _DAYS:
        raise DatasetError(
            f"earthnet_auxiliary expected {expected} with {_DAYS} days for each picture, got {found}; pass a "
            "window of EarthNet's events as it is."
        )
    weather = window["weather"][::_DAYS]
    nearest = np.arange(128) * 80 // 128
    weather, region = (
        x[..., nearest[:, None], nearest] for x in (weather, window["weather_elevation"])
    )
    elevation, region = (
        np.broadcast_to(x, (len(weather), *x.shape)) for x in (window["elevation"], region)
    )
    return np.concatenate([elevation, weather, region], axis=1)


def _event(paths: tuple[Path, ...]) -> dict[str, np.ndarray]:
    """All of an event, checked."""
    first = paths[0]
    files = [_load(path, first is path) for path in paths]
    pictures = np.concatenate([file["highresdynamic"] for file in files], axis=-1)
    weather, time = files[0]["mesodynamic"], pictures.shape[-1]
    if weather.shape != (80, 80, 5, _DAYS * time):
        raise DatasetError(
            f"EarthNet expected weather of shape (80, 80, 5, {_DAYS * time}) in {first}, five days for each "
            f"of {time} pictures, got {weather.shape}; fetch the file again."
        )
    reflectance, mask = pictures[:, :, :4], pictures[:, :, 4]
    missing = np.isnan(reflectance)
    _in_range(first, "reflectances", reflectance[~missing])
    for name in ("mesodynamic", *_STATIC):
        values = files[0][name]
        _in_range(first, name, values[~np.isnan(values)])
    if not np.isin(mask[~np.isnan(mask)], (0, 1)).all():
        raise DatasetError(
            f"EarthNet expected a mask of 0 and 1 in {first}, got values from {np.nanmin(mask):g} to "
            f"{np.nanmax(mask):g}; pass the files of EarthNet2021 as they are, mask last."
        )
    # What has no mask is not known to be good.
    valid = (mask == 0) & ~missing.any(axis=2)
    reflectance = np.where(missing, 0.0, reflectance).clip(0.0, 1.0)
    return {
        "frames": _time_first(reflectance),
        "valid": _time_first(valid[:, :, None]),
        "weather": _time_first(np.nan_to_num(weather)),
        "weather_valid": _time_first(~np.isnan(weather)),
        "elevation": _elevation(files[0]["highresstatic"]),
        "weather_elevation": _elevation(files[0]["mesostatic"]),
    }


def _load(path: Path, whole: bool) -> dict[str, Any]:
    """Arrays of a file; of a target only the pictures are needed."""
    names = ("highresdynamic", "mesodynamic", *_STATIC) if whole else ("highresdynamic",)
    try:
        # Opened here: NumPy leaves a file that is no archive open.
        with path.open("rb") as stream, np.load(stream) as file:
            found = {name: np.asarray(file[name], np.float32) for name in names if name in file}
            keys = list(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"EarthNet expected a readable npz file at {path}, got {error}; fetch it again, or pass "
            "skip_corrupt=True."
        ) from error
    if missing := [name for name in names if name not in found]:
        raise DatasetError(
            f"EarthNet expected the keys {list(names)} in {path}, got {keys} without {missing}; fetch the "
            "file again, or pass skip_corrupt=True."
        )
    shape = found["highresdynamic"].shape
    if len(shape) != 4 or shape[:2] != (128, 128) or shape[2] not in (5, 7) or not shape[3]:
        raise DatasetError(
            f"EarthNet expected highresdynamic of shape (128, 128, 5 or 7, time) in {path}, got {shape}; "
            "pass the files of EarthNet2021 as they are."
        )
    for name, expected in _STATIC.items() if whole else ():
        if found[name].shape != expected:
            raise DatasetError(
                f"EarthNet expected {name} of shape {expected} in {path}, got {found[name].shape}; pass the "
                "files of EarthNet2021 as they are."
            )
    # Blue, green, red and near infrared come first, the mask last; in between clouds and scenes.
    found["highresdynamic"] = found["highresdynamic"][:, :, [0, 1, 2, 3, -1]]
    return found


def _header(path: Path, name: str) -> tuple[int, ...]:
    """Shape of an array in an npz file, without reading it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                reader = np.lib.format.read_array_header_2_0
            return reader(file)[0]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"EarthNet expected an npz file with {name!r} at {path}, got {error}; fetch it again, or pass "
            "skip_corrupt=True."
        ) from error


def _in_range(path: Path, name: str, values: np.ndarray) -> None:
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= _LARGEST:
        raise DatasetError(
            f"EarthNet expected {name} scaled to about [0, 1] in {path}, got {largest:g}; divide digital "
            "counts by 10000, and scale the weather as in EarthNet2021."
        )


def _elevation(array: np.ndarray) -> np.ndarray:
    """(height, width, 1) to (1, height, width)."""
    return _time_first(np.nan_to_num(array, nan=_SEA_LEVEL)[..., None])[0]


def _time_first(array: np.ndarray) -> np.ndarray:
    """(height, width, channels, time) to (time, channels, height, width)."""
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
