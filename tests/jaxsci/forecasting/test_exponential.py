"""ETS and theta are statsforecast's, with intervals that hold what they say, for series of any kind."""

import sys

import numpy as np
import pandas as pd
import pytest
from statsforecast import models

from jaxsci.forecasting import ETS, SeasonalNaive, Theta

QUANTILES = (0.05, 0.3, 0.5, 0.7, 0.95)


def long(y):
    """A frame of the rows of an array."""
    series, length = y.shape
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(series), length),
            "ds": np.tile(np.arange(length), series),
            "y": y.ravel(),
        }
    )


def forecast(kind, y, **options):
    """Quantiles of one series."""
    frame = long(np.asarray(y, float)[None])
    made = kind(**{"horizon": 4, "quantiles": QUANTILES} | options).fit(frame).predict(frame)
    return made.iloc[:, 2:].to_numpy()


@pytest.fixture(scope="module")
def seasonal():
    rng = np.random.default_rng(0)
    t = np.arange(48)
    return 20 + 0.1 * t + 3 * np.sin(2 * np.pi * t / 6) + rng.normal(size=48)


def test_ets_is_that_of_statsforecast(seasonal):
    """In units of the series' size: the library's optimisers have tolerances of their own."""
    ours, size = forecast(ETS, seasonal, season=6), np.abs(seasonal).mean()
    model = models.AutoETS(season_length=6, model="ZZZ")
    theirs = model.forecast(y=seasonal / size, h=4, level=[0, 40, 90])
    expected = [size * theirs[name] for name in ("lo-90", "lo-40", "lo-0", "hi-40", "hi-90")]
    # Levels are computed as 100 (1 - 2q), with the last digit of a double.
    np.testing.assert_allclose(ours, np.stack(expected, -1), rtol=1e-12)


def test_theta_is_that_of_statsforecast(seasonal):
    """The median is its mean; without a season, the widths of intervals are its own too."""
    model = models.DynamicOptimizedTheta(season_length=6)
    size = np.abs(seasonal).mean()
    mean = size * model.forecast(y=seasonal / size, h=4)["mean"]
    np.testing.assert_allclose(forecast(Theta, seasonal, season=6)[:, 2], mean, rtol=1e-12)
    walk = seasonal.cumsum()
    size = np.abs(walk).mean()
    theirs = models.DynamicOptimizedTheta().forecast(y=walk / size, h=4, level=[90])
    ours = forecast(Theta, walk)
    width = size * (theirs["hi-90"] - theirs["lo-90"])
    np.testing.assert_allclose(ours[:, -1] - ours[:, 0], width, rtol=1e-9)
    np.testing.assert_allclose(ours[:, 2], size * theirs["mean"], rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 40.0])
def test_intervals_of_theta_have_the_width_of_the_noise_not_of_the_season(offset):
    """With an additive season, of a series below zero at times, and with a multiplicative one."""
    rng = np.random.default_rng(1)
    t = np.arange(120)
    y = offset + 10 * np.sin(2 * np.pi * t / 12) + rng.normal(size=120)
    made = forecast(Theta, y, season=12, quantiles=(0.1, 0.9), horizon=1)
    # 2.56 for noise alone; 200 paths have a standard error of a tenth, and the season is estimated. The
    # season's standard deviation is 7.
    assert made[0, 1] - made[0, 0] == pytest.approx(2.56, rel=0.3)


@pytest.mark.parametrize("kind", [Theta, ETS])
def test_intervals_hold_what_they_say(kind):
    """Local levels with noise, which both models know: 80 % of targets between the deciles."""
    rng = np.random.default_rng(2)
    y = 0.3 * rng.normal(size=(100, 60)).cumsum(1) + rng.normal(size=(100, 60)) + 50
    frame = long(y)
    made = kind(horizon=3, quantiles=(0.1, 0.9)).cross_validate(frame)
    inside = ((made["0.1"] <= made.y) & (made.y <= made["0.9"])).mean()
    # Parameters are estimated from 57 dates, and ETS chooses its kind: intervals are a little narrow. 100
    # series, whose 3 targets go together, leave a standard error of 0.03.
    assert inside == pytest.approx(0.78, abs=0.06), inside


@pytest.mark.parametrize("kind", [ETS, Theta])
@pytest.mark.parametrize("y", [np.zeros(20), np.full(20, 7.0), [5.0, 6.0], [1, 2, 4, 3.0]])
def test_constant_and_short_series_keep_their_last_value(kind, y):
    made = forecast(kind, y, season=6)
    # Alike but for the last digit, which dividing by the size takes.
    np.testing.assert_allclose(made, forecast(SeasonalNaive, y), rtol=1e-12)
    if np.ptp(y) == 0:
        np.testing.assert_array_equal(made, y[-1])


@pytest.mark.parametrize("kind", [ETS, Theta])
@pytest.mark.parametrize("length", [5, 7, 8, 9, 13])
def test_series_of_any_length_are_forecast_in_order(kind, length):
    rng = np.random.default_rng(length)
    for y in (rng.normal(size=length), rng.poisson(0.5, length), 1e6 * (1 + rng.random(length))):
        made = forecast(kind, y, season=4)
        assert np.isfinite(made).all()
        assert (np.diff(made, axis=1) >= 0).all()


def test_gaps_are_filled_with_the_season_before(seasonal):
    holes = seasonal.copy()
    holes[30:33] = np.nan
    whole = seasonal.copy()
    whole[30:33] = seasonal[24:27]
    # The size is that of the known values, and with it the library's path to its optimum differs a little.
    np.testing.assert_allclose(
        forecast(Theta, holes, season=6), forecast(Theta, whole, season=6), rtol=1e-3
    )


@pytest.mark.parametrize("kind", [ETS, Theta])
def test_the_random_state_stays_as_it_was(kind, seasonal):
    before = np.random.get_state()  # noqa: NPY002
    forecast(kind, seasonal, season=6)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_a_season_too_long_for_ets_is_refused():
    with pytest.raises(ValueError, match="ETS expected a season of at most 24 dates, got 52"):
        ETS(horizon=1, season=52)
    assert ETS(horizon=1, season=(24, 168)).seasons == (24, 168)


def test_without_statsforecast_the_extra_is_named(monkeypatch, seasonal):
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(
        ImportError, match=r"statsforecast, got none; install it with jaxsci\[forecast\]"
    ):
        forecast(ETS, seasonal)


def test_a_fit_that_runs_away_is_bounded_and_said():
    """Multiplicative growth of seven values, to 3e9 within a year, gives way to the last value."""
    y = [29468, 0.0044, 2.38, 0.70, 14, 18.4, 6.1]
    with pytest.warns(
        UserWarning,
        match=r"ETS found a forecast that ran away, and took the last value .* in 1 series, such as '0'",
    ):
        made = forecast(ETS, y, season=12, horizon=12)
    assert np.abs(made).max() < 20 * 29468


@pytest.mark.parametrize("kind", [ETS, Theta])
def test_levels_far_from_zero_keep_their_width(kind, seasonal):
    noise = seasonal - seasonal.mean()
    widths = [np.ptp(forecast(kind, noise + level)[0, [0, -1]]) for level in (100.0, 1e4, 1e8)]
    # The kind of season and error may be another one near zero; a width of 0, or twice as much, is none.
    np.testing.assert_allclose(widths, widths[0], rtol=0.35)
