"""EarthNet2021: layout, masks and days of its npz files; pairs of the test sets; damage refused or counted."""

import jax
import numpy as np
import pytest

from jaxsci.data import DatasetError, EarthNet, Windows, earthnet_auxiliary, split_by_group
from jaxsci.operators import Earthformer

NAMES = ("29SND_2017-06-20_1", "29SND_2017-06-20_2", "32UMC_2018-01-01_1")


def cube(time=6, channels=7, days=True, seed=0):
    rng = np.random.default_rng(seed)
    pictures = np.zeros((128, 128, channels, time), np.float16)
    pictures[:, :, :4] = np.arange(4)[:, None] / 8 + np.arange(time) / 64
    pictures[0, 0, :, :] = 0
    pictures[0, 0, -1, 2] = 1  # clouds
    pictures[3, 4, 1, 1] = np.nan  # no green
    pictures[5, 6, 0, 0] = 1.5  # brighter than white
    if channels == 7:
        pictures[:, :, 4] = 80.0  # cloud probability in per cent
        pictures[:, :, 5] = 4.0  # vegetation
    weather = np.zeros((80, 80, 5, 5 * time), np.float16)
    weather[10, 20, 2] = np.arange(5 * time) / 256
    weather[0, 0, 0, 0] = np.nan
    return {
        "highresdynamic": pictures,
        "highresstatic": rng.uniform(0.4, 0.6, (128, 128, 1)).astype(np.float16),
        "mesodynamic": weather if days else np.zeros((80, 80, 5, 0), np.float16),
        "mesostatic": np.where(np.eye(80)[..., None] > 0, np.nan, 0.6).astype(np.float16),
    }


def write(folder, name, arrays):
    path = folder / name.split("_")[0] / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture
def train(tmp_path):
    for name in NAMES:
        write(tmp_path / "train", name, cube())
    return tmp_path / "train"


def test_layout_masks_and_days(train):
    events = EarthNet(train)
    assert events.names == NAMES
    assert events.tiles == ("29SND", "29SND", "32UMC")
    window = Windows(events, inputs=1, targets=2, stride=3)[1]  # pictures 3 to 5 of the first
    assert window["input"].shape == (1, 4, 128, 128)
    assert window["target"].shape == (2, 4, 128, 128)
    np.testing.assert_allclose(window["target"][:, 2, 9, 9], 0.25 + np.array([4, 5]) / 64)
    assert window["weather"].shape == (15, 5, 80, 80)
    np.testing.assert_allclose(window["weather"][:, 2, 10, 20], np.arange(15, 30) / 256)
    assert window["elevation"].shape == (1, 128, 128)
    assert window["weather_elevation"].shape == (1, 80, 80)
    flags = {"valid", "weather_valid"}
    for name, values in window.items():
        assert values.dtype == (bool if name in flags else np.float32)


def test_what_is_missing_is_zero_and_marked(train):
    event = EarthNet(train).read(0, 0, 6)
    assert event["frames"][1, 1, 3, 4] == 0
    assert event["frames"][0, 0, 5, 6] == 1
    assert event["weather"][0, 0, 0, 0] == 0
    np.testing.assert_array_equal(np.argwhere(~event["weather_valid"]), [[0, 0, 0, 0]])
    assert event["weather_elevation"][0, 1, 1] == 0.5  # the sea has no elevation
    bad = np.argwhere(~event["valid"])
    np.testing.assert_array_equal(bad, [[1, 0, 3, 4], [2, 0, 0, 0]])


def test_the_auxiliary_channels_of_the_published_model(train):
    """Nearest cells and days, those that `torch.nn.functional.interpolate` takes: floor(i 80/128) and 5 i."""
    window = Windows(EarthNet(train), inputs=2, targets=3, stride=1)[1]
    known = earthnet_auxiliary(window)
    assert known.shape == (5, 7, 128, 128)
    assert known.dtype == np.float32
    assert (
        known.shape[1]
        == jax.eval_shape(
            lambda key: Earthformer.preset("earthnet", key=key), jax.random.key(0)
        ).auxiliary
    )
    np.testing.assert_array_equal(known[3, 0], window["elevation"][0])
    # Cell (10, 20) of 80 covers rows 16 and 17 and columns 32 and 33; picture k begins at day 5 (k + 1).
    np.testing.assert_allclose(known[:, 3, 16:18, 32:34].mean((1, 2)), 5 * np.arange(1, 6) / 256)
    assert not known[:, 3, 15, 32].any()
    np.testing.assert_array_equal(
        known[0, 6, 127, :3], window["weather_elevation"][0, 79, [0, 0, 1]]
    )
    with pytest.raises(
        DatasetError, match=r"earthnet_auxiliary expected .*'weather': \(24, 5, 80, 80\).*as it is"
    ):
        earthnet_auxiliary(window | {"weather": window["weather"][1:]})
    with pytest.raises(DatasetError, match="earthnet_auxiliary expected"):
        earthnet_auxiliary({"weather": window["weather"]})


def test_parts_share_no_tile(train):
    parts = split_by_group(EarthNet(train).tiles, {"train": 0.5, "validation": 0.5}, seed=0)
    assert sorted(len(part) for part in parts.values()) == [1, 2]


def test_context_and_target_are_one_event(tmp_path):
    whole = cube(channels=5)
    context = whole | {"highresdynamic": whole["highresdynamic"][..., :2]}
    target = {"highresdynamic": whole["highresdynamic"][..., 2:]}
    write(tmp_path / "context", "29SND_x", {})
    (tmp_path / "context" / "29SND" / "29SND_x.npz").unlink()
    np.savez(tmp_path / "context" / "29SND" / "context_29SND_x.npz", **context)
    with pytest.raises(DatasetError, match="expected the target of"):
        EarthNet(tmp_path)
    (tmp_path / "target" / "29SND").mkdir(parents=True)
    np.savez(tmp_path / "target" / "29SND" / "target_29SND_x.npz", **target)
    events = EarthNet(tmp_path)
    assert (events.names, events.frames(0)) == (("29SND_x",), 6)
    write(tmp_path / "alone", "29SND_x", whole)
    alone = EarthNet(tmp_path / "alone").read(0, 0, 6)
    for name, values in events.read(0, 0, 6).items():
        np.testing.assert_array_equal(values, alone[name])


def test_files_with_other_content_are_refused(tmp_path):
    def refused(match, **changes):
        arrays = {k: v for k, v in (cube() | changes).items() if v is not None}
        write(tmp_path, "29SND_a", arrays)
        with pytest.raises(DatasetError, match=match):
            EarthNet(tmp_path).read(0, 0, 6)

    fine = cube()
    refused(r"without \['mesodynamic'\]", mesodynamic=None)
    refused(r"\(80, 80, 5, 30\) in .*, five days", mesodynamic=fine["mesodynamic"][..., :29])
    refused(r"\(128, 128, 5 or 7, time\)", highresdynamic=fine["highresdynamic"][:64])
    refused("highresstatic of shape", highresstatic=fine["highresstatic"][..., 0])
    refused(
        "reflectances scaled to about .*divide digital counts by 10000",
        highresdynamic=fine["highresdynamic"].astype(np.float32) * 1e4,
    )
    refused("mesodynamic scaled to about", mesodynamic=fine["mesodynamic"] + np.float16(1013))
    masks = fine["highresdynamic"].copy()
    masks[:, :, -1] = 0.5
    refused("a mask of 0 and 1 in .*, got values from 0.5 to 0.5", highresdynamic=masks)


def test_damaged_files_are_refused_or_skipped_and_counted(train):
    path = train / "29SND" / f"{NAMES[1]}.npz"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    events = EarthNet(train)
    with pytest.raises(DatasetError, match="an npz file with 'highresdynamic' at"):
        Windows(events, inputs=2, targets=4)
    with pytest.raises(DatasetError, match=r"a readable npz file at .*skip_corrupt=True"):
        events.read(1, 0, 6)
    sound = EarthNet(train, skip_corrupt=True)
    assert sound.names == (NAMES[0], NAMES[2])
    assert list(sound.skipped) == [path.name]
    assert len(Windows(sound, inputs=2, targets=4)) == 2


def test_a_changed_byte_is_found(train):
    path = train / "29SND" / f"{NAMES[1]}.npz"
    data = bytearray(path.read_bytes())
    data[400] ^= 0xFF  # in the compressed pictures, past the header of the first entry
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="a readable npz file"):
        EarthNet(train).read(1, 0, 6)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="expected npz files below"):
        EarthNet(tmp_path)
