"""Zarr stores: exact round trip, and every kind of damage refused."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr

from jaxsci.data import DatasetError, StoreError, from_xarray, read_zarr, to_xarray, write_zarr
from solvers import Grid


@pytest.fixture
def dataset():
    states = np.random.default_rng(0).normal(size=(6, 3, 2, 16)).astype(np.float32)
    states[2:4] = 0.0  # zarr does not write chunks that equal the fill value: absence can be right
    made = to_xarray(
        (np.linspace(0.0, 1.0, 3), states),
        Grid.uniform(0.0, 1.0, 16),
        names=["h", "q"],
        units={"time": "s", "x": "m", "h": "m"},
        parameters={"gravity": np.linspace(9.7, 9.9, 6)},
    )
    for name in ("h", "q"):
        made[name].encoding["chunks"] = (2, 3, 16)
    return made


@pytest.fixture
def store(dataset, tmp_path):
    return write_zarr(dataset, tmp_path / "runs" / "waves.zarr")


def chunk_files(store, name="h"):
    return sorted(file for file in (store / name / "c").rglob("*") if file.is_file())


def test_round_trip_is_exact(dataset, store):
    xr.testing.assert_identical(read_zarr(store).load(), dataset)
    assert [entry.name for entry in store.parent.iterdir()] == ["waves.zarr"]


def test_a_read_dataset_can_be_written_again(store, tmp_path):
    copy = write_zarr(read_zarr(store), tmp_path / "copy.zarr")
    xr.testing.assert_identical(read_zarr(copy).load(), read_zarr(store).load())


def test_other_programs_can_read_the_store(dataset, store):
    plain = xr.open_zarr(store, consolidated=False, decode_timedelta=False)
    np.testing.assert_array_equal(plain["h"], dataset["h"])


def test_channels_come_back_in_the_order_asked_for(dataset, store):
    states = from_xarray(read_zarr(store), names=["q", "h"]).states
    np.testing.assert_array_equal(states[:, :, 0], dataset["q"])
    np.testing.assert_array_equal(states[:, :, 1], dataset["h"])


def test_a_missing_chunk_is_found_where_zarr_sees_zeros(dataset, store):
    chunk_files(store)[0].unlink()
    unchecked = read_zarr(store, verify=False)["h"].values
    assert not np.array_equal(unchecked, dataset["h"].values)
    with pytest.raises(StoreError, match=r"expected checksum .* for 'h' .*missing, cut short"):
        read_zarr(store)


@pytest.mark.parametrize("damage", ["truncate", "flip", "extra"])
def test_damaged_files_are_refused(store, damage):
    file = chunk_files(store, "q")[-1]
    content = file.read_bytes()
    if damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        shutil.copy(file, file.with_name("99"))
    with pytest.raises(StoreError, match=r"for 'q' in .*restore them from a copy"):
        read_zarr(store)


def test_a_lost_variable_is_refused(store):
    shutil.rmtree(store / "q")
    with pytest.raises(StoreError, match=r"expected .* to hold 'q', got no such folder"):
        read_zarr(store)


@pytest.mark.parametrize("damage", ["half a file", "nested", "Latin-1"])
def test_attributes_that_cannot_be_read_are_refused(store, damage):
    root = store / "zarr.json"
    text = {"half a file": root.read_text()[:40], "nested": "[" * 10**5, "Latin-1": '{"\xe9": 1}'}
    root.write_text(text[damage], encoding="latin-1")
    with pytest.raises(
        StoreError, match=r"Expected .*zarr\.json to be a whole JSON .*write it again"
    ):
        read_zarr(store)


def test_attributes_that_were_changed_are_refused(store):
    root = store / "zarr.json"
    root.write_text(root.read_text().replace("CF-1.11", "CF-1.10"))
    with pytest.raises(StoreError, match=r"expected checksum .* for the attributes"):
        read_zarr(store)


@pytest.mark.parametrize("damage", ["unfinished", "a word"])
def test_a_store_without_its_record_is_refused(dataset, store, damage):
    root = store / "zarr.json"
    metadata = json.loads(root.read_text())
    metadata["attributes"]["jaxsci_checksums"] = "word"
    if damage == "unfinished":
        del metadata["attributes"]["jaxsci_checksums"]
    root.write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match="record of a finished write, got none; write it again"):
        read_zarr(store)


def test_a_missing_store_is_refused(tmp_path):
    with pytest.raises(
        StoreError, match=r"expected a zarr store at .*nothing\.zarr, got no such folder"
    ):
        read_zarr(tmp_path / "nothing.zarr")


def test_what_is_needed_must_be_there(store):
    read = read_zarr(store, {"h": ("sample", "time", "x")}, coordinates=["gravity"])
    assert read["h"].shape == (6, 3, 16)
    with pytest.raises(DatasetError, match="expected a variable 'u', got"):
        read_zarr(store, ["u"])
    with pytest.raises(DatasetError, match=r"\('time', 'x'\), got \('sample', 'time', 'x'\)"):
        read_zarr(store, {"h": ("time", "x")})
    with pytest.raises(DatasetError, match="expected a coordinate 'y'"):
        read_zarr(store, coordinates=["y"])


def test_values_that_are_not_finite_are_not_written(dataset, tmp_path):
    dataset["h"][0, 1, 2] = np.nan
    with pytest.raises(DatasetError, match=r"finite values in 'h', got nan at index \(0, 1, 2\)"):
        write_zarr(dataset, tmp_path / "bad.zarr")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unless_asked(dataset, store):
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        write_zarr(dataset, store)
    write_zarr(2 * dataset[["h"]], store, overwrite=True)
    assert list(read_zarr(store).data_vars) == ["h"]
    np.testing.assert_array_equal(read_zarr(store)["h"], 2 * dataset["h"])
    assert [entry.name for entry in store.parent.iterdir()] == ["waves.zarr"]


def test_a_failed_write_leaves_the_old_store_and_no_scraps(dataset, store, monkeypatch):
    def full_disk(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_zarr(2 * dataset, store, overwrite=True)
    monkeypatch.undo()
    xr.testing.assert_identical(read_zarr(store).load(), dataset)
    assert [entry.name for entry in store.parent.iterdir()] == ["waves.zarr"]


def test_new_values_are_not_packed_as_the_old_ones_were(tmp_path):
    packed = xr.Dataset({"t": ("x", np.array([280.5, 281.0]))})
    packed["t"].encoding = {
        "dtype": "int16",
        "scale_factor": 0.01,
        "add_offset": 280.0,
        "_FillValue": -1,
    }
    packed.to_netcdf(tmp_path / "packed.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "packed.nc", engine="h5netcdf") as opened:
        hot = opened.assign(t=opened["t"].copy(data=np.array([2500.0, 3100.0])))
        read = read_zarr(write_zarr(hot, tmp_path / "hot.zarr"))
    np.testing.assert_array_equal(read["t"], [2500.0, 3100.0])


@pytest.mark.parametrize(
    "encoding",
    [
        {"dtype": "float32"},
        {"dtype": "int8"},
        {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -1},
        {"missing_value": 2500.25},
        {"filters": ["quantize"], "serializer": "zfp", "compressor": "v2"},
        {"chunks": (1, 1, 1)},  # of a variable that had more dimensions
    ],
)
def test_encodings_never_change_values(tmp_path, encoding):
    dataset = xr.Dataset({"t": ("x", np.array([2500.25, 1 / 3, -1.0]))})
    dataset["t"].encoding = encoding
    xr.testing.assert_identical(read_zarr(write_zarr(dataset, tmp_path / "t.zarr")).load(), dataset)


@pytest.mark.parametrize(
    "kind", ["bool", "i1", "u2", "i8", "u8", "f2", "f4", "f8", "c8", "c16", ">f4", ">i4", ">c8"]
)
def test_every_type_comes_back_as_it_was(tmp_path, kind):
    dataset = xr.Dataset({"v": ("x", np.arange(5).astype(kind)), "k": ((), np.array(1, kind))})
    read = read_zarr(write_zarr(dataset, tmp_path / "v.zarr")).load()
    xr.testing.assert_identical(read, dataset)
    assert read["v"].dtype == np.dtype(kind).newbyteorder("=")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_come_back_as_dates(tmp_path, unit):
    dates = (np.datetime64("1969-12-31T22:00") + np.arange(4) * np.timedelta64(7, "h")).astype(
        f"datetime64[{unit}]"
    )
    dataset = xr.Dataset({"lag": ("time", dates - dates[0])}, {"time": dates})
    dataset["time"].encoding = {"units": "days since 1970-01-01", "dtype": "int32"}
    # Numbers with a unit of time stay numbers.
    dataset["hour"] = ("time", np.arange(4.0), {"units": "hours since 1970-01-01"})
    dataset["span"] = ("time", np.arange(4.0), {"units": "days"})
    read = read_zarr(write_zarr(dataset, tmp_path / "dates.zarr")).load()
    xr.testing.assert_identical(read, dataset)
    assert {name: read[name].dtype for name in read.variables} == {
        name: dataset[name].dtype for name in dataset.variables
    }


def test_what_zarr_has_no_equal_for_is_refused(tmp_path):
    for values in (np.array([1, {}], object), np.array(["2020-01-01", "NaT"], "datetime64[ns]")):
        with pytest.raises(DatasetError, match=r"expected .*; (convert|repair) or drop"):
            write_zarr(xr.Dataset({"v": ("x", values)}), tmp_path / "v.zarr")
    assert list(tmp_path.iterdir()) == []


def test_stores_of_earlier_versions_are_read_as_before(dataset, store):
    root = store / "zarr.json"
    metadata = json.loads(root.read_text())
    del (
        metadata["attributes"]["jaxsci_times"],
        metadata["attributes"]["jaxsci_checksums"]["zarr.json"],
    )
    root.write_text(json.dumps(metadata))
    xr.testing.assert_identical(read_zarr(store).load(), dataset)


def test_links_out_of_a_store_are_refused(store, tmp_path):
    chunk = chunk_files(store)[0]
    chunk.rename(tmp_path / "elsewhere")
    chunk.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=r"which is .*elsewhere; pass follow_links=True"):
        read_zarr(store)
    assert read_zarr(store, follow_links=True)["h"].shape == (6, 3, 16)
