"""ICAR-ENSO: monthly sea-surface temperature anomalies of climate models, for forecasts of El Niño.

``CMIP_train.nc`` has ``sst`` of (year, month, lat, lon) in K on a grid of 5°, and ``CMIP_label.nc`` the
Niño3.4 index ``nino`` of (year, month). A row of 36 months begins every year, so two thirds of it repeat in
the rows that follow; here each model's run is one series again, and an event. The first 2265 rows are 15
models of CMIP6 with 151 years each, the others 17 of CMIP5 with 140.

Windows read "frames" (time, 1, lat, lon) between 95°E and 330°E, scaled to about [0, 1] by the smallest and
largest anomaly of the training data, and "nino" (time,), the label in K: that of a month is the mean over it
and the two after it, so the last two months of a window have none that a forecast for it could match.

Reference: Z. Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833: 12 months in, 14 out, the last two
models of CMIP5 for validation and test.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from .._numeric import AnyArray
from ._extras import extra
from ._links import UNREADABLE, member
from .checks import DatasetError
from .windows import check_finite, check_slice

_LOWEST, _HIGHEST = -16.549121856689453, 10.198975563049316  # K, of the published training data
_MONTHS = 36
_SAME = 1e-3  # K; repeated months may have been rounded differently
_LARGEST = 30.0  # K; no anomaly comes near, and every temperature in kelvin is far above


class ENSO:
    """Runs of climate models: what `Windows` cuts. All are held in memory, about 260 MB.

    Args:
        folder: where ``CMIP_train.nc`` and ``CMIP_label.nc`` are.
        split: "train", "validation" (the last model but one), "test" (the last), or None for all.
        models: (number of models, years of each), in the order of the rows.
        skip_corrupt: leave out models whose values are damaged, and list them in `skipped`.
        follow_links: read what the files take from other files, too, as HDF5 can; files from somebody else
            could name any file of this machine.

    Attributes:
        latitudes: degrees north.
        longitudes: degrees east, from 0 to 360.
        skipped: why models were left out, by their rows.

    Raises:
        DatasetError: files that are missing or cannot be opened, lack variables, have other dimensions or
            coordinates, rows that are not the models', values that are not finite, not anomalies in K, or
            differ between rows that repeat the same months.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        split: str | None = None,
        models: Sequence[tuple[int, int]] = ((15, 151), (17, 140)),
        skip_corrupt: bool = False,
        follow_links: bool = False,
    ):
        self.folder, self.split = Path(folder), split
        blocks = _blocks(models)
        parts = {
            None: blocks,
            "train": blocks[:-2],
            "validation": blocks[-2:-1],
            "test": blocks[-1:],
        }
        if split not in parts or len(blocks) < 3:
            raise DatasetError(
                "ENSO expected split in ['train', 'validation', 'test', None] and at least 3 models, got "
                f"{split!r} and {len(blocks)}; choose one of them."
            )
        rows = blocks[-1].stop
        for name in ("CMIP_train.nc", "CMIP_label.nc"):
            _check_contained(self.folder / name, follow_links)
        with (
            _opened(
                self.folder / "CMIP_train.nc", "sst", ("year", "month", "lat", "lon"), rows
            ) as sst,
            _opened(self.folder / "CMIP_label.nc", "nino", ("year", "month"), rows) as nino,
        ):
            longitudes = _values(sst["lon"], "longitudes").astype(float)
            columns = np.flatnonzero((longitudes >= 95.0) & (longitudes <= 330.0))
            self.longitudes = longitudes[columns]
            self.latitudes = _values(sst["lat"], "latitudes").astype(float)
            self._check_grid(longitudes)
            self.skipped: dict[str, str] = {}
            self._runs: list[tuple[np.ndarray, np.ndarray]] = []
            # One model at a time: the rows of all take three times the memory of the series.
            for block in parts[split]:
                try:
                    fields = _values(sst["sst"][block][..., columns], "temperatures")
                    labels = _values(nino["nino"][block], "labels")
                    frames = _series("sst", fields, block)
                    self._runs.append((frames, _series("nino", labels, block)))
                except DatasetError as error:
                    if not skip_corrupt:
                        raise
                    self.skipped[f"rows {block.start} to {block.stop - 1}"] = str(error)
        if not self._runs:
            raise DatasetError(
                f"ENSO expected at least one model in split {split!r}, got none ({len(self.skipped)} "
                "skipped); fetch the files again."
            )

    def __len__(self) -> int:
        """Number of models."""
        return len(self._runs)

    def __repr__(self) -> str:
        return f"ENSO({str(self.folder)!r}, split={self.split!r}, models={len(self)})"

    def frames(self, index: int) -> int:
        """Number of months of a model."""
        return len(self._runs[index][0])

    def read(self, index: int, start: int, stop: int) -> dict[str, np.ndarray]:
        """Months start to stop of one model: "frames", scaled, and "nino" in K."""
        sst, nino = self._runs[index]
        check_slice("ENSO.read", start, stop, self.frames(index))
        return {"frames": encode_sst(sst[start:stop, None]), "nino": nino[start:stop]}

    def _check_grid(self, all_longitudes: np.ndarray) -> None:
        latitudes, longitudes = self.latitudes, self.longitudes
        step = np.diff(longitudes)
        for name, values in (("latitudes", latitudes), ("longitudes", all_longitudes)):
            steps = np.diff(values)
            if not np.allclose(steps, np.median(steps), rtol=1e-4):  # in single precision
                raise DatasetError(
                    f"ENSO expected {name} that are equally spaced, got {values.tolist()}; fetch the file "
                    "again."
                )
        inside = np.abs(latitudes) <= 5.0
        if not (longitudes.size > 1 and (step > 0).all() and inside.any() and longitudes[-1] > 240):
            raise DatasetError(
                "ENSO expected increasing degrees east from 0 to 360 that cover 190 to 240, and latitudes "
                f"around the equator, got {longitudes.tolist()} and {latitudes.tolist()}; add 360 to those "
                "west of Greenwich and sort them."
            )


def encode_sst(anomaly: Float[AnyArray, "..."]) -> Float[np.ndarray, "..."]:
    """Anomalies in K as numbers that are in [0, 1] for the training data."""
    scale = np.float32(_HIGHEST - _LOWEST)
    return (np.asarray(anomaly, np.float32) - np.float32(_LOWEST)) / scale


def decode_sst(scaled: Float[AnyArray, "..."]) -> Float[np.ndarray, "..."]:
    """Undo `encode_sst`."""
    return np.asarray(scaled, np.float32) * np.float32(_HIGHEST - _LOWEST) + np.float32(_LOWEST)


def _blocks(models: Sequence[tuple[int, int]]) -> list[slice]:
    """The rows of each model."""
    blocks, row = [], 0
    for count, years in models:
        for _ in range(count):
            blocks.append(slice(row, row + years))
            row += years
    return blocks


def _check_contained(path: Path, follow: bool) -> None:
    """Refuse NetCDF 4 files, which are HDF5, that take values from other files."""
    try:
        with path.open("rb") as stream:
            hdf5 = stream.read(4) == b"\x89HDF"
        if follow or not hdf5:
            return
        h5py = extra("ENSO", "h5py", "h5py", "convert the files to NetCDF 3")
        with h5py.File(path, "r") as file:
            for name in file:
                member(h5py, "ENSO", file, name, follow=False)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> DatasetError:
    return DatasetError(
        f"ENSO expected a NetCDF file at {path}, got {error}; check the path, and install jaxsci[earth] "
        "for NetCDF 4."
    )


def _values(variable: xr.DataArray, what: str) -> np.ndarray:
    try:
        return np.asarray(variable.values)
    except UNREADABLE as error:
        raise DatasetError(
            f"ENSO expected to read the {what} of {variable.name!r}, got {error}; fetch the file again."
        ) from error


def _opened(path: Path, name: str, dims: tuple[str, ...], rows: int) -> xr.Dataset:
    try:
        dataset = xr.open_dataset(path, decode_times=False)
    except (*UNREADABLE, ValueError, ImportError) as error:
        raise _unreadable(path, error) from error
    if name not in dataset.data_vars or set(dataset[name].dims) != set(dims):
        found = {str(key): value.dims for key, value in dataset.data_vars.items()}
        dataset.close()
        raise DatasetError(
            f"ENSO expected a variable {name!r} of {dims} in {path}, got {found}; pass the files of the "
            "competition as they are."
        )
    shape = tuple(dataset.sizes[dim] for dim in ("year", "month"))
    if shape != (rows, _MONTHS):
        dataset.close()
        raise DatasetError(
            f"ENSO expected {rows} rows of {_MONTHS} months in {path}, got {shape}; pass the numbers of "
            "models and years of these files."
        )
    return dataset.transpose(*dims)


def _series(name: str, rows: np.ndarray, block: slice) -> np.ndarray:
    """One run of months from rows of 36 that begin every twelve."""
    rows = np.asarray(rows, np.float32)
    where = f"{name!r}, rows {block.start} to {block.stop - 1}"
    check_finite("ENSO", where, rows)
    largest = float(np.abs(rows).max())
    if largest > _LARGEST:
        raise DatasetError(
            f"ENSO expected anomalies within ±{_LARGEST:g} K in {where}, got {largest:g}; subtract each "
            "month's climatology, and give them in K."
        )
    if name == "sst" and rows.min() >= 0:
        raise DatasetError(
            f"ENSO expected anomalies of both signs in {where}, got none below 0; give them in K as "
            "published: they are scaled to [0, 1] when they are read."
        )
    if not np.allclose(rows[:-1, 12:], rows[1:, :24], rtol=0, atol=_SAME):
        raise DatasetError(
            f"ENSO expected each row of {where} to begin a year after the one before, got rows that do "
            "not repeat its months; pass the numbers of models and years of these files."
        )
    return np.concatenate([rows[:, :12].reshape(-1, *rows.shape[2:]), rows[-1, 12:]])
