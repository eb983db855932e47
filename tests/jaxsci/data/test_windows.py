"""Windows: every window once, none across events, groups whole; read through grain by workers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsci.data import ArrayEvents, DatasetError, Events, Windows, split_by_group


def numbered(events=4, frames=10):
    """Frames whose value says which they are: 100 event + time."""
    values = 100.0 * np.arange(events)[:, None] + np.arange(frames)
    return ArrayEvents(values[:, :, None, None].astype(np.float32))


def numbers(window):
    return [int(v) for v in np.concatenate([window["input"], window["target"]]).ravel()]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(4, 12), st.integers(1, 3), st.integers(1, 4))
def test_all_windows_of_all_events(events, frames, targets, stride):
    windows = Windows(numbered(events, frames), inputs=1, targets=targets, stride=stride)
    expected = [
        [100 * event + start + k for k in range(1 + targets)]
        for event in range(events)
        for start in range(0, frames - targets, stride)
    ]
    assert [numbers(window) for window in windows] == expected
    assert len(windows) == len(expected)
    assert [windows.locate(i)[0] for i in range(len(windows))] == [
        row[0] // 100 for row in expected
    ]


def test_sevir_has_three_windows_an_event():
    windows = Windows(numbered(2, 49), inputs=13, targets=12, stride=12)
    assert [windows.locate(i) for i in range(len(windows))] == [
        (event, start) for event in range(2) for start in (0, 12, 24)
    ]
    assert windows[0]["input"].shape == (13, 1, 1)


def test_windows_do_not_overlap_unless_asked():
    assert [numbers(w)[0] for w in Windows(numbered(1, 10), inputs=2, targets=1)] == [0, 3, 6]


def test_grain_reads_every_window_once_in_batches():
    import grain

    windows = Windows(numbered(5, 8), inputs=2, targets=2, stride=2, select=[4, 0, 2])
    assert isinstance(windows, grain.sources.RandomAccessDataSource)
    assert isinstance(windows.events, Events)
    stream = grain.MapDataset.source(windows).shuffle(seed=0).batch(3).to_iter_dataset()
    batches = list(stream)
    assert [batch["input"].shape for batch in batches] == [(3, 2, 1, 1)] * 3
    seen = np.concatenate([batch["input"][:, 0, 0, 0] for batch in batches])
    expected = [100 * event + start for event in (0, 2, 4) for start in (0, 2, 4)]
    np.testing.assert_array_equal(np.sort(seen), expected)
    assert repr(windows).endswith("inputs=2, targets=2, stride=2, windows=9)")


def test_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = [f"tile{i}" for i in rng.integers(0, 20, 300)]
    parts = split_by_group(groups, {"train": 0.8, "validation": 0.1, "test": 0.1}, seed=3)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(300))
    of = [{groups[i] for i in part} for part in parts.values()]
    assert [len(names) for names in of] == [16, 2, 2]
    assert len(of[0] | of[1] | of[2]) == 20
    again = split_by_group(groups, {"train": 0.8, "validation": 0.1, "test": 0.1}, seed=3)
    other = split_by_group(groups, {"train": 0.8, "validation": 0.1, "test": 0.1}, seed=4)
    np.testing.assert_array_equal(parts["test"], again["test"])
    assert not np.array_equal(parts["test"], other["test"])


def test_bad_requests_are_refused():
    events = numbered()
    with pytest.raises(
        DatasetError, match="at least 11 frames, 6 inputs and 5 targets, got 10 in event 0"
    ):
        Windows(events, inputs=6, targets=5)
    with pytest.raises(DatasetError, match=r"different events from 0 to 3, got \[4\]"):
        Windows(events, inputs=1, targets=1, select=[0, 4])
    with pytest.raises(DatasetError, match="got some twice"):
        Windows(events, inputs=1, targets=1, select=[0, 0])
    with pytest.raises(ValueError, match="inputs to be a whole number >= 1"):
        Windows(events, inputs=0, targets=1)
    with pytest.raises(IndexError, match="an index from 0 to 19, got 20"):
        Windows(events, inputs=1, targets=1)[20]
    with pytest.raises(DatasetError, match="shares that add up to 1"):
        split_by_group("abc", {"train": 0.8, "test": 0.1}, seed=0)
    with pytest.raises(DatasetError, match="got none in 'test' of 3 groups"):
        split_by_group("abc", {"train": 0.9, "test": 0.1}, seed=0)
    with pytest.raises(DatasetError, match=r"\(events, time, channels, \*space\), got int64"):
        ArrayEvents(np.zeros((2, 3, 1), np.int64))
    with pytest.raises(DatasetError, match=r"got nan at index \(1, 0, 0\)"):
        ArrayEvents(np.array([0.0, np.nan]).reshape(2, 1, 1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("events", [None, "SEVIR", [object()], np.zeros((2, 5, 1, 4))])
def test_what_are_no_events_is_refused(events):
    with pytest.raises(DatasetError, match="Windows expected events"):
        Windows(events, inputs=1, targets=1)
