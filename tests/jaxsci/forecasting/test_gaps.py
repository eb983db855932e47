"""Two spacings in one frame, and dates gone astray, are told from true gaps."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import SeasonalNaive


def series(name, dates, y=100.0):
    return pd.DataFrame({"unique_id": name, "ds": dates, "y": y})


DAILY = series("daily", pd.date_range("2024-01-01", periods=60, freq="D"))


def predict(*parts):
    table = pd.concat(parts, ignore_index=True)
    return SeasonalNaive(horizon=2, season=7).fit(table).predict(table)


@pytest.mark.parametrize("freq", ["W-MON", "MS", "2D", "QS"])
def test_a_series_of_another_spacing_is_named(freq):
    other = series("totals", pd.date_range("2023-01-02", periods=6, freq=freq), 700.0)
    with pytest.raises(
        ValueError, match="one spacing, 'D', got dates of series 'totals' that are regular"
    ):
        predict(DAILY, other)
    assert predict(other)["0.5"].tolist() == [700.0, 700.0]  # the advice: by itself


def test_counters_of_another_spacing_are_named():
    with pytest.raises(
        ValueError, match="dates of series 'b' that are regular at another one, 3 dates apart"
    ):
        predict(series("a", np.arange(40)), series("b", 3 * np.arange(12)))


def test_series_with_true_gaps_stay():
    rng = np.random.default_rng(0)
    some = DAILY[rng.random(60) < 0.4].assign(unique_id="gaps")
    few = DAILY.iloc[[0, 7, 14]].assign(unique_id="few")
    assert len(predict(DAILY, some, few)) == 6


@pytest.mark.parametrize(("year", "where"), [("2124", "end"), ("1924", "start")])
def test_a_row_a_century_away_is_named(year, where):
    hourly = series("a", pd.date_range("2024-01-01", periods=500, freq="h"))
    astray = series("a", [pd.Timestamp(f"{year}-01-01")])
    with pytest.raises(
        ValueError, match=f"got {year}-01-01 00:00:00 in series 'a', whose nearest is 2024"
    ):
        predict(hourly, astray)
    # Series that lie apart are no mistake: each is counted from its own end.
    assert len(predict(hourly, series("b", pd.date_range("1980-01-01", periods=50, freq="h")))) == 4
