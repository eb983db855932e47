"""A frame is cut at a date, and its second part serves as what is known ahead and what came."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import SeasonalNaive, split_by_date


def test_a_frame_is_cut_at_a_date(frame):
    first, second = split_by_date(frame, "2021-01-31")
    assert len(first) + len(second) == len(frame)
    assert first.ds.max() == pd.Timestamp("2021-01-31")
    assert second.ds.min() == pd.Timestamp("2021-02-01")
    naive = SeasonalNaive(horizon=3, season=6, future=["event"]).fit(first)
    made = naive.predict(first, second).merge(second, on=["unique_id", "ds"])
    assert len(made) == 12
    np.testing.assert_array_equal(made.y, second.groupby("unique_id").head(3).y)


def test_series_that_begin_later_are_left_out(frame):
    counted = frame.assign(ds=frame.groupby("unique_id").cumcount())
    late = counted[(counted.unique_id != "series 1") | (counted.ds > 30)]
    first, second = split_by_date(late, 30)
    assert set(first.unique_id) == set(second.unique_id) == {"series 0", "series 2", "series 3"}
    assert first.ds.max() == np.int64(30)


def test_a_day_is_all_of_it():
    hours = pd.date_range("2024-01-01", periods=72, freq="h")
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": 1.0})
    assert split_by_date(frame, "2024-01-02")[0].ds.max() == pd.Timestamp("2024-01-02 23:00")
    days = frame.assign(ds=pd.date_range("2024-01-01", periods=72))
    assert split_by_date(days, "2024-01")[0].ds.max() == pd.Timestamp("2024-01-31")
    assert split_by_date(frame, "2024-01-02 00:00")[0].ds.max() == pd.Timestamp("2024-01-02")
    assert split_by_date(frame, pd.Timestamp("2024-01-02"))[0].ds.max() == pd.Timestamp(
        "2024-01-02"
    )


@pytest.mark.parametrize(
    ("last", "error", "message"),
    [
        ("soon", ValueError, "expected a date, got 'soon'"),
        ("2020-12-31", ValueError, "rows from 2021-01-01"),
        ("2021-03-01", ValueError, "rows up to it and after it"),
        (7, TypeError, "a date like those of the frame, got 7"),
    ],
)
def test_other_dates_are_refused(frame, last, error, message):
    with pytest.raises(error, match=message):
        split_by_date(frame, last)
    with pytest.raises(TypeError, match="a whole number like those of the frame, got '7'"):
        split_by_date(frame.assign(ds=np.arange(len(frame))), "7")
    with pytest.raises(ValueError, match=r"without \['ds'\]"):
        split_by_date(frame.drop(columns="ds"), last)
