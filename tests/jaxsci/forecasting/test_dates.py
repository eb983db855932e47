"""Columns of dates: what means one moment each is taken, what could mean another is refused with what helps."""

import datetime

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import SeasonalNaive, load
from jaxsci.forecasting.dates import as_dates

DAYS = pd.date_range("2024-01-05", periods=40, freq="D")
ZONES = [datetime.timezone(datetime.timedelta(hours=h)) for h in (1, 2)]
MIXED = [datetime.datetime(2024, 1, d, tzinfo=ZONES[d % 2]) for d in range(1, 9)]
WEEK = np.array([30.0, 35, 40, 10, 15, 20, 25])


def frame(ds, y=None):
    y = WEEK[np.arange(len(ds)) % 7] if y is None else y
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": y})


def median(table, **options):
    model = SeasonalNaive(**({"horizon": 7, "season": 7} | options)).fit(table)
    return model.predict(table)


SAME = {
    "seconds": lambda d: d.as_unit("s"),
    "text": lambda d: d.strftime("%Y-%m-%d"),
    "text with hours": lambda d: d.strftime("%Y-%m-%dT00:00:00"),
    "objects": lambda d: d.to_pydatetime(),
    "days": lambda d: pd.Series([x.date() for x in d], dtype=object),
    "periods": lambda d: d.to_period("D"),
    "categories": lambda d: pd.Categorical(d.strftime("%Y-%m-%d")),
    "arrow timestamps": lambda d: pd.Series(d).astype("timestamp[us][pyarrow]"),
    "arrow days": lambda d: pd.Series([x.date() for x in d]).astype("date32[day][pyarrow]"),
    "arrow text": lambda d: pd.Series(d.strftime("%Y-%m-%d")).astype("string[pyarrow]"),
}


@pytest.mark.parametrize("kind", SAME)
def test_spellings_of_the_same_days_give_the_same_forecast(kind):
    if "arrow" in kind:
        pytest.importorskip("pyarrow")
    got = median(frame(SAME[kind](DAYS)))
    pd.testing.assert_frame_equal(got, median(frame(DAYS)), check_dtype=False)


def test_a_parquet_file_with_days_of_arrow_is_read(tmp_path):
    pytest.importorskip("pyarrow")
    table = frame([d.date() for d in DAYS])
    table.to_parquet(tmp_path / "rows.parquet")
    arrow = pd.read_parquet(tmp_path / "rows.parquet", dtype_backend="pyarrow")
    want = median(frame(DAYS))
    for given in (tmp_path / "rows.parquet", arrow):
        pd.testing.assert_frame_equal(median(given), want, check_dtype=False)


def test_tables_of_arrow_are_taken():
    arrow = pytest.importorskip("pyarrow")
    got = median(arrow.Table.from_pandas(frame(DAYS)))
    pd.testing.assert_frame_equal(got, median(frame(DAYS)), check_dtype=False)


def test_frames_of_polars_are_taken_eager_and_lazy():
    polars = pytest.importorskip("polars")
    eager = polars.from_pandas(frame(DAYS))
    for given in (eager, eager.lazy()):
        pd.testing.assert_frame_equal(median(given), median(frame(DAYS)), check_dtype=False)


@pytest.mark.parametrize(
    ("form", "freq", "count"), [("%Y%m%d", "D", 40), ("%Y%m", "MS", 30), ("%Y", "YS", 20)]
)
def test_whole_numbers_that_are_dates_are_refused_with_advice_that_works(form, freq, count):
    dates = pd.date_range("2024-01-05" if freq == "D" else "2024-01-01", periods=count, freq=freq)
    numbers = frame(dates.strftime(form).astype(int))
    with pytest.raises(
        ValueError, match=f'to_datetime\\(frame.ds.astype\\(str\\), format="{form}"\\)'
    ):
        median(numbers)
    mended = median(numbers.assign(ds=pd.to_datetime(numbers.ds.astype(str), format=form)))
    # The week goes on over the end of the month: 40 days later it stands at its sixth value.
    want = WEEK[(count + np.arange(7)) % 7]
    np.testing.assert_array_equal(mended["0.5"], want)
    assert (median(numbers, freq=1)["ds"] > numbers.ds.max()).all()  # on purpose


@pytest.mark.parametrize("first", [0, 1, 1999, 20240190, 300000])
def test_whole_numbers_that_count_are_left_alone(first):
    got = median(frame(first + np.arange(300)))
    assert got["ds"].tolist() == list(range(first + 300, first + 307))


@pytest.mark.parametrize("freq", ["D", "h", "MS", "W-SUN"])
def test_a_time_zone_is_kept_and_given_back(freq):
    # Over both changes of the clock: days are those of the wall, hours those that pass.
    zone, periods = "Europe/Berlin", {"h": 24 * 300, "D": 400}.get(freq, 60)
    dates = pd.date_range("2024-01-01", periods=periods + 7, freq=freq, tz=zone)
    table = frame(dates[:periods])
    got = median(table)
    assert list(got["ds"]) == list(dates[periods:])
    assert str(got["ds"].dt.tz) == zone
    text = table.assign(ds=table.ds.dt.strftime("%Y-%m-%dT%H:%M:%S"))
    if freq != "h":  # an hour of autumn is there twice by the wall clock
        np.testing.assert_array_equal(got["0.5"], median(text)["0.5"])


def test_time_zones_survive_saving(tmp_path):
    table = frame(pd.date_range("2024-01-01", periods=40, freq="D", tz="Asia/Tokyo"))
    model = SeasonalNaive(horizon=7, season=7).fit(table)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table))
    with pytest.raises(ValueError, match="time zone that was learned, Asia/Tokyo, got None"):
        model.predict(table.assign(ds=table.ds.dt.tz_localize(None)))


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (DAYS.strftime("%d/%m/%Y"), "format='%d/%m/%Y'"),
        (["2024-02-30"] * 1 + list(DAYS[1:].strftime("%Y-%m-%d")), "timestamps of one time zone"),
        (MIXED, "utc=True"),
        (np.arange(40) + 0.5, "whole numbers that count, got float64"),
    ],
)
def test_dates_of_no_plain_meaning_are_refused(ds, message):
    with pytest.raises(ValueError, match=message):
        median(frame(ds))


def test_the_advice_for_several_zones_works():
    assert str(as_dates(pd.to_datetime(pd.Series(MIXED), utc=True)).dt.tz) == "UTC"


def test_days_in_the_middle_of_months_are_refused_with_advice_that_works():
    dates = pd.date_range("2022-01-01", periods=30, freq="MS") + pd.Timedelta(days=14)
    table = frame(dates)
    with pytest.raises(
        ValueError, match=r"got day 15 of each; name the months, as in .*to_period\('M'\)"
    ):
        median(table)
    got = median(table.assign(ds=table.ds.dt.to_period("M")))
    assert got["ds"].iloc[0] == pd.Timestamp("2024-07-01")


@pytest.mark.parametrize("freq", ["SMS", "SME"])
def test_half_months_are_a_spacing(freq):
    dates = pd.date_range("2022-01-01", periods=57, freq=freq)
    got = median(frame(dates[:50]))
    assert got["ds"].tolist() == list(dates[50:])
