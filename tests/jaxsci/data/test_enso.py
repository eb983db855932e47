"""ICAR-ENSO: series from overlapping rows, the published region and split, other files refused.

Files have three models of a few years, mostly NetCDF 3 as SciPy writes it; the rest is as published.
"""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from jaxsci.data import ENSO, DatasetError, Windows, decode_sst, encode_sst
from jaxsci.metrics import nino34_index

MODELS = ((1, 5), (2, 4))
LATITUDES = np.arange(-55.0, 61.0, 5.0)
LONGITUDES = np.arange(0.0, 356.0, 5.0)


def runs(seed=0):
    """Months of each model, and their indices: means over the region and three months."""
    rng = np.random.default_rng(seed)
    sst = [rng.normal(size=(12 * (y + 2), 24, 72)).astype(np.float32) for y in (5, 4, 4)]
    box = [run[:, 10:13, 38:49].mean((1, 2)) for run in sst]  # 190°E to 240°E
    nino = [np.convolve(np.append(b, [0, 0]), np.ones(3) / 3, "valid") for b in box]
    return sst, [n.astype(np.float32) for n in nino]


def rows(series):
    """Rows of 36 months that begin every twelve."""
    return np.concatenate(
        [np.stack([s[k : k + 36] for k in range(0, len(s) - 24, 12)]) for s in series]
    )


@pytest.fixture
def write(tmp_path):
    sst, nino = runs()

    def write(temperature=None, label=None, lon=LONGITUDES, names=("sst", "nino"), engine="scipy"):
        temperature = rows(sst) if temperature is None else temperature
        dims = ("year", "month", "lat", "lon")
        years = np.arange(len(temperature))
        coordinates = {"year": years, "month": np.arange(36), "lat": LATITUDES, "lon": lon}
        data = xr.Dataset({names[0]: (dims, temperature), "t300": (dims, temperature)}, coordinates)
        data.to_netcdf(tmp_path / "CMIP_train.nc", engine=engine)
        label = rows(nino) if label is None else label
        labels = xr.Dataset({names[1]: (("year", "month"), label)})
        labels.to_netcdf(tmp_path / "CMIP_label.nc", engine=engine)
        return tmp_path

    return write


def test_series_are_put_together_again(write):
    sst, nino = runs()
    events = ENSO(write(), models=MODELS)
    assert [events.frames(i) for i in range(3)] == [84, 72, 72]  # 12 (years + 2)
    np.testing.assert_array_equal(events.longitudes, np.arange(95.0, 331.0, 5.0))
    for i in range(3):
        months = events.read(i, 0, events.frames(i))
        assert months["frames"].shape == (len(sst[i]), 1, 24, 48)
        # Scaling there and back costs two roundings of numbers up to 17.
        np.testing.assert_allclose(
            decode_sst(months["frames"][:, 0]), sst[i][:, :, 19:67], atol=4e-6
        )
        np.testing.assert_array_equal(months["nino"], nino[i])


def test_netcdf_4_is_read_alike(write):
    pytest.importorskip("h5py", reason="h5py is an extra")
    three = ENSO(write(), models=MODELS).read(1, 3, 50)
    four = ENSO(write(engine="h5netcdf"), models=MODELS).read(1, 3, 50)
    np.testing.assert_array_equal(four["frames"], three["frames"])
    np.testing.assert_array_equal(four["nino"], three["nino"])


def test_the_label_is_the_index_of_the_pictures(write):
    """What is scored against the label can be computed from the predicted temperatures."""
    events = ENSO(write(), models=MODELS)
    window = Windows(events, inputs=12, targets=14)[0]
    predicted = decode_sst(window["target"][:, 0])
    index = nino34_index(jnp.asarray(predicted), events.latitudes, events.longitudes)
    np.testing.assert_allclose(index, window["nino"][12:-2], atol=1e-5)


def test_models_are_split_whole(write):
    folder = write()
    parts = {
        part: ENSO(folder, split=part, models=MODELS) for part in ("train", "validation", "test")
    }
    assert [len(part) for part in parts.values()] == [1, 1, 1]
    everything = ENSO(folder, models=MODELS)
    for i, part in enumerate(parts.values()):
        np.testing.assert_array_equal(part.read(0, 5, 9)["nino"], everything.read(i, 5, 9)["nino"])


def test_the_published_numbers_of_windows():
    """Of 26 outputs with gaps 10, 5 and 1: 5205, 334 and 1667."""
    lengths = [12 * 153] * 15 + [12 * 142] * 17

    class Runs:
        def __init__(self, lengths):
            self.lengths = lengths

        def __len__(self):
            return len(self.lengths)

        def frames(self, index):
            return self.lengths[index]

        def read(self, index, start, stop):
            raise NotImplementedError

    parts = ((lengths[:-2], 10, 5205), (lengths[-2:-1], 5, 334), (lengths[-1:], 1, 1667))
    for part, gap, count in parts:
        assert len(Windows(Runs(part), inputs=12, targets=26, stride=gap)) == count


def test_the_scale_is_that_of_the_training_data():
    np.testing.assert_allclose(encode_sst(np.array([-16.549122, 10.198976])), [0.0, 1.0], atol=1e-6)


def test_other_files_are_refused(write, tmp_path):
    sst, nino = runs()

    def refused(match, **changes):
        folder = write(**changes)
        with pytest.raises(DatasetError, match=match):
            ENSO(folder, models=MODELS)

    refused("a variable 'sst'", names=("tos", "nino"))
    refused("a variable 'nino'", names=("sst", "index"))
    refused(r"13 rows of 36 months in .*, got \(12, 36\)", temperature=rows(sst)[:12])
    bad = rows(sst)
    bad[6, 30, 3, 40] = np.nan
    refused(
        r"finite values in 'sst', rows 5 to 8, got nan at index \(1, 30, 3, 21\)", temperature=bad
    )
    refused("anomalies within ±30 K in 'sst', rows 0 to 4, got 2", temperature=rows(sst) + 280)
    scaled = (rows(sst) + 10) / 20
    refused("both signs in 'sst', rows 0 to 4, got none below 0", temperature=scaled)
    refused("begin a year after the one before", temperature=rows(sst)[::-1].copy())
    refused("begin a year after the one before", label=rows(nino)[::-1].copy())
    refused("degrees east from 0 to 360", lon=LONGITUDES - 180)
    folder = write()
    with pytest.raises(DatasetError, match=r"expected 14 rows of 36 months"):
        ENSO(folder, models=((1, 5), (1, 4), (1, 5)))
    (tmp_path / "CMIP_train.nc").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="a NetCDF file at"):
        ENSO(folder, models=MODELS)
    with pytest.raises(DatasetError, match="expected split in"):
        ENSO(folder, split="future", models=MODELS)


def test_damaged_models_are_refused_or_skipped_and_counted(write):
    sst, _ = runs()
    bad = rows(sst)
    bad[6, 30, 3, 40] = np.nan  # of the second model
    folder = write(temperature=bad)
    with pytest.raises(DatasetError, match="finite values in 'sst', rows 5 to 8"):
        ENSO(folder, models=MODELS)
    events = ENSO(folder, models=MODELS, skip_corrupt=True)
    assert [events.frames(i) for i in range(len(events))] == [84, 72]
    assert list(events.skipped) == ["rows 5 to 8"]
    assert not ENSO(folder, models=MODELS, split="test", skip_corrupt=True).skipped
    with pytest.raises(DatasetError, match=r"in split 'validation', got none \(1 skipped\)"):
        ENSO(folder, models=MODELS, split="validation", skip_corrupt=True)


@pytest.mark.skipif(importlib.util.find_spec("h5py") is not None, reason="has h5py")
def test_what_netcdf_4_needs_is_named(write):
    folder = write()
    (folder / "CMIP_train.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(DatasetError, match=r"install jaxsci\[earth\] for NetCDF 4"):
        ENSO(folder, models=MODELS)


def test_files_that_take_values_from_others_are_refused(write):
    h5py = pytest.importorskip("h5py", reason="needs h5py, of the extra earth")
    folder = write(engine="h5netcdf")
    assert len(ENSO(folder, models=MODELS)) == 3
    (folder / "CMIP_label.nc").rename(folder / "secret.nc")
    with h5py.File(folder / "CMIP_label.nc", "w") as file:
        file["nino"] = h5py.ExternalLink(str(folder / "secret.nc"), "nino")
    with pytest.raises(
        DatasetError, match=r"'nino' in .*CMIP_label.nc itself, got a link to .*secret"
    ):
        ENSO(folder, models=MODELS)


def test_coordinates_that_jump_are_refused(write):
    jump = LONGITUDES + 0.5 * (np.arange(len(LONGITUDES)) == 3)
    with pytest.raises(DatasetError, match="longitudes that are equally spaced"):
        ENSO(write(lon=jump), models=MODELS)
