"""Tiny files in the published layouts of SEVIR and ICAR-ENSO: the whole protocol runs without the real ones.

Rain is three Gaussian cells that drift, El Niño an oscillation of one pattern: what is learned from them
says nothing about either.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from jaxsci.experiment import ExperimentError

_EVENTS = {
    "vil/2018/SEVIR_VIL_RANDOMEVENTS_2018_0101_0430.h5": "2018-03-01 12:00:00",
    "vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5": "2018-05-01 12:00:00",
    "vil/2019/SEVIR_VIL_STORMEVENTS_2019_0101_0630.h5": "2019-03-01 12:00:00",
    "vil/2019/SEVIR_VIL_STORMEVENTS_2019_0701_1231.h5": "2019-08-01 12:00:00",
}
_COLUMNS = ("id", "file_name", "file_index", "img_type", "time_utc", "pct_missing")


def write_sevir(folder: Path) -> None:
    """Two events to train on, one to validate on and one to judge, 49 frames of 384 × 384 each."""
    try:
        import h5py
    except ImportError as error:
        raise ExperimentError(
            "Expected the package h5py for the files of SEVIR, got none; install jaxsci[earth]."
        ) from error
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "CATALOG.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(_COLUMNS)
        for name, time in _EVENTS.items():
            path = folder / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            events = _rain(rng)[None]
            with h5py.File(path, "w") as file:
                file.create_dataset(
                    "vil",
                    data=events,
                    compression="gzip",
                    compression_opts=1,
                    chunks=(1, 384, 384, 7),
                )
            writer.writerow((path.stem, name, 0, "vil", time, 0.0))


def _rain(rng: np.random.Generator) -> np.ndarray:
    """(height, width, time), 0 to 255, with pixels beyond every threshold."""
    pixels, times = np.arange(384.0), np.arange(49.0)
    event = np.zeros((384, 384, 49))
    for peak in (255.0, 200.0, 120.0):
        start, speed = rng.uniform(100, 280, 2), rng.uniform(-2, 2, 2)
        y, x = (
            np.exp(-((pixels[:, None] - a - v * times) ** 2) / (2 * 40.0**2))
            for a, v in zip(start, speed, strict=True)
        )
        np.maximum(event, peak * y[:, None] * x[None], out=event)
    return event.astype(np.uint8)


def write_enso(folder: Path, models: Sequence[tuple[int, int]]) -> None:
    """Rows of 36 months that begin every year, of so many models and years."""
    rng = np.random.default_rng(0)
    latitudes, longitudes = np.arange(-55.0, 61.0, 5.0), np.arange(0.0, 356.0, 5.0)
    pattern = np.exp(-((latitudes[:, None] / 15) ** 2) - ((longitudes[None] - 215) / 40) ** 2)
    box = np.ix_(np.abs(latitudes) <= 5, (longitudes >= 190) & (longitudes <= 240))
    sst, nino = [], []
    for count, years in models:
        for _ in range(count):
            # Two months more than the files hold: the index of a month is a mean with the next two.
            months = np.arange(12 * (years + 2) + 2)
            phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(30, 60)
            wave = 1.5 * np.sin(2 * np.pi * months / period + phase)
            run = wave[:, None, None] * pattern + 0.2 * rng.standard_normal(
                (months.size, *pattern.shape)
            )
            index = run[:, *box].mean((1, 2))
            sst.append(_rows(run[:-2]))
            nino.append(_rows(np.convolve(index, np.ones(3) / 3, "valid")))
    grid = {"lat": latitudes, "lon": longitudes}
    dims = ("year", "month", "lat", "lon")
    folder.mkdir(parents=True, exist_ok=True)
    fields = xr.Dataset({"sst": (dims, np.concatenate(sst, dtype=np.float32))}, grid)
    labels = xr.Dataset({"nino": (dims[:2], np.concatenate(nino, dtype=np.float32))})
    fields.to_netcdf(folder / "CMIP_train.nc", engine="h5netcdf")
    labels.to_netcdf(folder / "CMIP_label.nc", engine="h5netcdf")


def _rows(series: np.ndarray) -> np.ndarray:
    return np.stack([series[k : k + 36] for k in range(0, len(series) - 24, 12)])
