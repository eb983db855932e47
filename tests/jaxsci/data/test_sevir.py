"""SEVIR: the catalog's filters and dates, shapes and units of each type, every kind of damage refused."""

import csv
import pickle
import sys

import numpy as np
import pytest

from jaxsci.data import SEVIR, DatasetError, Windows, lightning_frames

h5py = pytest.importorskip("h5py", reason="needs h5py, of the extra earth")
COLUMNS = ["id", "file_name", "file_index", "img_type", "time_utc", "pct_missing"]
VIL = "vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5"


@pytest.fixture
def write():
    def write(path, arrays):
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, compression="gzip")

    return write


def catalog(folder, rows, columns=COLUMNS):
    with (folder / "CATALOG.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(dict(zip(COLUMNS, row, strict=True)) for row in rows)


def pictures(events=3, pixels=384, frames=49, dtype=np.uint8):
    """Few values that are not zero, so that files are small: event and time at one pixel each."""
    data = np.zeros((events, pixels, pixels, frames), dtype)
    data[:, 5, 7, :] = np.arange(events)[:, None] * 50 + np.arange(frames)
    data[:, 7, 5, 0] = 255
    return data


@pytest.fixture
def folder(tmp_path, write):
    rows = [
        ("S1", VIL, 0, "vil", "2018-05-01 12:00:00", 0.0),
        ("S2", VIL, 2, "vil", "2019-01-01 00:00:00", 0.0),  # the last second of the training set
        ("S3", VIL, 1, "vil", "2019-01-01 00:05:00", 0.0),
        ("S4", VIL, 1, "vil", "2018-05-02 12:00:00", 3.0),  # has gaps
        ("S5", VIL, 1, "vil", "2018-05-03 12:00:00", 0.0),  # there twice
        ("S5", VIL, 2, "vil", "2018-05-03 12:00:00", 0.0),
        ("S1", "ir069/a.h5", 0, "ir069", "2018-05-01 12:00:00", 0.0),
        ("S1", "lght/a.h5", "", "lght", "2018-05-01 12:00:00", 0.0),
    ]
    catalog(tmp_path, rows)
    write(tmp_path / "data" / VIL, {"vil": pictures()})
    return tmp_path


def test_events_are_filtered_and_split_by_date(folder):
    assert SEVIR(folder).ids == ("S1", "S2", "S3")
    assert SEVIR(folder, split="train").ids == ("S1", "S2")
    assert SEVIR(folder, split="validation").ids == ("S3",)
    assert SEVIR(folder, split=("2018-12-01", "2019-03-01")).ids == ("S2", "S3")
    with pytest.raises(
        DatasetError, match=r"at least one event of type 'vil' and split 'test', got none"
    ):
        SEVIR(folder, split="test")


def test_windows_of_radar_pictures(folder):
    windows = Windows(SEVIR(folder), inputs=13, targets=12, stride=12)
    assert len(windows) == 9
    window = windows[4]  # the second event of the catalog, the third of the file, from frame 12 on
    assert window["input"].shape == (13, 1, 384, 384)
    assert window["target"].shape == (12, 1, 384, 384)
    assert window["input"].dtype == np.float32
    # The scale from 0 to 255 comes back exactly, so that thresholds are met as in the file.
    np.testing.assert_array_equal(window["input"][:, 0, 5, 7] * 255, 100 + np.arange(12, 25))
    assert windows[0]["input"][0, 0, 7, 5] == 1.0


def test_every_byte_comes_back_from_the_scale(folder, write):
    data = np.zeros((3, 384, 384, 49), np.uint8)
    data[0, 0, :256, 0] = np.arange(256)
    write(folder / "data" / VIL, {"vil": data})
    frame = SEVIR(folder).read(0, 0, 1)["frames"][0, 0]
    np.testing.assert_array_equal(frame[0, :256] * np.float32(255), np.arange(256))


def test_workers_can_have_the_reader(folder):
    events = SEVIR(folder)
    copy = pickle.loads(pickle.dumps(events))
    np.testing.assert_array_equal(copy.read(1, 3, 5)["frames"], events.read(1, 3, 5)["frames"])


def test_infrared_is_in_degrees(folder, write):
    write(folder / "data" / "ir069/a.h5", {"ir069": pictures(1, 192, dtype=np.int16)})
    frames = SEVIR(folder, image_type="ir069").read(0, 0, 49)["frames"]
    assert frames.shape == (49, 1, 192, 192)
    np.testing.assert_allclose(frames[:, 0, 5, 7], 0.01 * np.arange(49), rtol=1e-6)


def test_flashes_are_counted(folder, write):
    points = np.zeros((5, 5), np.float32)
    points[:, 0] = [-8000.0, -7200.0, -6899.0, 0.0, 7300.0]  # before, first, second, middle, after
    points[:, 3] = [4, 4, 4, 10, 47]  # columns
    points[:, 4] = [9, 9, 9, 20, 48]  # rows; the last lies outside
    write(folder / "data" / "lght/a.h5", {"S1": points})
    frames = SEVIR(folder, image_type="lght").read(0, 0, 49)["frames"]
    assert frames.shape == (49, 1, 48, 48)
    assert frames.sum() == 4
    assert frames[0, 0, 9, 4] == 2
    assert frames[1, 0, 9, 4] == 1
    assert frames[24, 0, 20, 10] == 1
    assert lightning_frames(np.zeros((0, 5))).sum() == 0


def test_low_resolution_files_have_their_own_shape(folder, write):
    with pytest.raises(
        DatasetError, match=r"\(events, 128, 128, 25\), got uint8 of shape \(3, 384"
    ):
        SEVIR(folder, low_resolution=True)
    write(folder / "data" / VIL, {"vil": pictures(3, 128, 25)})
    events = SEVIR(folder, low_resolution=True)
    assert (len(events), events.frames(0)) == (3, 25)
    assert len(Windows(events, inputs=7, targets=6, stride=6)) == 9


def test_files_with_other_content_are_refused(folder, write):
    path = folder / "data" / VIL

    def refused(arrays, match):
        write(path, arrays)
        with pytest.raises(DatasetError, match=match):
            SEVIR(folder)

    small = np.zeros((3, 8, 8, 49), np.uint8)
    refused({"ir069": small}, r"the key 'vil' in .*, got \['ir069'\]; fetch the file again")
    refused(
        {"vil": small},
        r"uint8 of shape \(events, 384, 384, 49\), got uint8 of shape \(3, 8, 8, 49\)",
    )
    refused({"vil": pictures(1, frames=20)}, r"got uint8 of shape \(1, 384, 384, 20\)")
    refused({"vil": pictures(1).astype(np.int16)}, "got int16 of shape")
    refused({"vil": pictures(2)}, "the event 'S2' at the index 2 .*, got 2 events")


def test_missing_and_broken_files_are_refused_or_skipped_and_counted(folder, write):
    with pytest.raises(
        DatasetError, match=r"ir069/a\.h5, to which 1 rows of the catalog point, got none"
    ):
        SEVIR(folder, image_type="ir069")
    rows = [
        ("S1", VIL, 0, "vil", "2018-05-01 12:00:00", 0.0),
        ("S2", "vil/broken.h5", 0, "vil", "2018-05-02 12:00:00", 0.0),
        ("S3", "vil/missing.h5", 0, "vil", "2018-05-03 12:00:00", 0.0),
    ]
    catalog(folder, rows)
    (folder / "data" / "vil" / "broken.h5").write_bytes(b"cut")
    with pytest.raises(DatasetError, match=r"a readable HDF5 file at .*broken\.h5, got"):
        SEVIR(folder)
    events = SEVIR(folder, skip_corrupt=True)
    assert events.ids == ("S1",)
    assert set(events.skipped) == {"vil/broken.h5", "vil/missing.h5"}
    (folder / "data" / VIL).write_bytes(b"gone bad")
    with pytest.raises(DatasetError, match=r"expected to read event 'S1'.*Windows\.damaged names"):
        events.read(0, 0, 5)
    found = Windows(events, inputs=13, targets=12, stride=12).damaged()
    assert set(found) == {0, 1, 2}
    assert "event 'S1'" in found[0]
    with pytest.raises(DatasetError, match=r"got none \(3 files skipped\)"):
        SEVIR(folder, skip_corrupt=True)


def test_other_catalogs_are_refused(folder):
    row = ("S1", VIL, 0, "vil", "2018-05-01 12:00:00", 0.0)
    catalog(folder, [row], COLUMNS[:-1])
    with pytest.raises(DatasetError, match=r"got none named \['pct_missing'\]"):
        SEVIR(folder)
    catalog(folder, [row])
    with pytest.raises(DatasetError, match=r"split as a pair of dates, got \('2018-01-01', 'soon'"):
        SEVIR(folder, split=("2018-01-01", "soon"))
    catalog(folder, [(*row[:2], "0.5", *row[3:])])
    with pytest.raises(DatasetError, match=r"the index 0\.5, which is no whole number"):
        SEVIR(folder)
    catalog(folder, [(*row[:4], "yesterday", 0.0)])
    with pytest.raises(DatasetError, match=r"a date in row 0 of type 'vil' in .*yesterday"):
        SEVIR(folder)
    (folder / "CATALOG.csv").unlink()
    with pytest.raises(DatasetError, match="expected its catalog at"):
        SEVIR(folder)


def test_unknown_options_are_refused(folder, unchecked):
    with pytest.raises(DatasetError, match="got 'radar'; choose"):
        SEVIR(folder, image_type="radar")
    with pytest.raises(DatasetError, match="expected split in"):
        SEVIR(folder, split="future")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        ImportError, match=r"the package h5py, got none; install it with jaxsci\[earth\]"
    ):
        SEVIR(tmp_path)


@pytest.mark.parametrize("name", ["../secret.h5", "vil/../../secret.h5", "{folder}/secret.h5"])
def test_names_that_lead_out_of_the_folder_are_refused(folder, write, name):
    name = name.format(folder=folder)
    write(folder / "secret.h5", {"vil": pictures(1)})
    catalog(folder, [("S1", name, 0, "vil", "2018-05-01 12:00:00", 0.0)])
    with pytest.raises(DatasetError, match=r"secret.h5', which is .*; pass follow_links=True"):
        SEVIR(folder)
    assert len(SEVIR(folder, follow_links=True)) == 1


def test_a_link_in_the_folder_that_leads_out_of_it_is_refused(folder, write):
    write(folder / "secret.h5", {"vil": pictures(1)})
    (folder / "data" / "inside.h5").symlink_to(folder / "secret.h5")
    catalog(folder, [("S1", "inside.h5", 0, "vil", "2018-05-01 12:00:00", 0.0)])
    with pytest.raises(DatasetError, match=r"'inside.h5', which is .*secret.h5; pass follow_links"):
        SEVIR(folder)
    catalog(folder, [("S1", "a" * 300, 0, "vil", "2018-05-01 12:00:00", 0.0)])
    with pytest.raises(DatasetError, match=r"the name of a file in .*, got 'a.*fetch it again"):
        SEVIR(folder)


def external_link(file, secret):
    file["vil"] = h5py.ExternalLink(str(secret), "vil")


def soft_link_to_an_external_one(file, secret):
    file["other"] = h5py.ExternalLink(str(secret), "/")
    file["vil"] = h5py.SoftLink("/other/vil")


def virtual(file, secret):
    layout = h5py.VirtualLayout((1, 384, 384, 49), "uint8")
    layout[:] = h5py.VirtualSource(str(secret), "vil", (1, 384, 384, 49))
    file.create_virtual_dataset("vil", layout)


def raw(file, secret):
    file.create_dataset(
        "vil", (1, 384, 384, 49), "uint8", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
    )


@pytest.mark.parametrize("link", [external_link, soft_link_to_an_external_one, virtual, raw])
def test_values_outside_a_file_are_refused(folder, write, link):
    write(folder / "secret.h5", {"vil": pictures(1)})
    with h5py.File(folder / "data" / "a.h5", "w") as file:
        link(file, folder / "secret.h5")
    catalog(folder, [("S1", "a.h5", 0, "vil", "2018-05-01 12:00:00", 0.0)])
    with pytest.raises(
        DatasetError, match=r"'vil' in .*a.h5 itself, got .*; pass follow_links=True"
    ):
        SEVIR(folder)
    assert len(SEVIR(folder, follow_links=True)) == 1
    assert "itself" in next(iter(left_out(folder).values()))


def left_out(folder):
    """Why files are left out, beside one that is sound."""
    rows = [
        ("S1", "a.h5", 0, "vil", "2018-05-01 12:00:00", 0.0),
        ("S2", VIL, 1, "vil", "2018-05-01 12:00:00", 0.0),
    ]
    catalog(folder, rows)
    return SEVIR(folder, skip_corrupt=True).skipped
