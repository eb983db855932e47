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


@pytest.mark.parametrize("damage", ["unfinished", "half a file", "a word"])
def test_a_store_without_its_record_is_refused(dataset, store, damage):
    root = store / "zarr.json"
    if damage == "half a file":
        root.write_text(root.read_text()[:40])
    else:
        metadata = json.loads(root.read_text())
        metadata["attributes"]["jaxsci_checksums"] = "word"
        if damage == "unfinished":
            del metadata["attributes"]["jaxsci_checksums"]
        root.write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match="record of a finished write, got none; write it again"):
        read_zarr(store)


def test_a_missing_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"expected a zarr store at .*nothing\.zarr, got none"):
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
