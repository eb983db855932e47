"""Naive forecasts of series with gaps: what is missing makes no errors, and no demand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jaxsci.forecasting import SBA, TSB, Croston, Drift, SeasonalNaive

Z = norm.ppf(0.9)


def series(y):
    return pd.DataFrame({"unique_id": "a", "ds": np.arange(len(y)), "y": y})


def forecast(kind, y, horizon=3, **options):
    made = kind(horizon=horizon, quantiles=(0.1, 0.5, 0.9), **options).fit(series(y))
    return made.predict(series(y))[["0.1", "0.5", "0.9"]].to_numpy()


def with_gaps(y, share, seed=1):
    missing = np.random.default_rng(seed).random(len(y)) < share
    missing[[0, -1]] = False
    return np.where(missing, np.nan, y)


@pytest.mark.parametrize("season", [1, 4])
def test_the_spread_is_that_of_values_that_are_known(season):
    y = with_gaps(np.random.default_rng(0).normal(size=80), 0.4)
    errors = y[season:] - y[:-season]
    sigma = np.sqrt(np.nanmean(errors**2))
    made = forecast(SeasonalNaive, y, horizon=1, season=season)
    np.testing.assert_allclose(made[0, 2] - made[0, 1], Z * sigma, rtol=1e-12)


def test_drift_steps_over_gaps():
    y = with_gaps(2.0 * np.arange(30), 0.4)
    expected = 2.0 * np.arange(30, 33)
    np.testing.assert_allclose(forecast(Drift, y), np.tile(expected[:, None], 3), rtol=1e-12)
    # Whatever the gaps, the variance of a step is the same: here within what 1200 of them leave.
    walk = np.random.default_rng(0).normal(size=4000).cumsum()
    spreads = [
        np.diff(forecast(Drift, y, horizon=1)[0])[0] / Z for y in (walk, with_gaps(walk, 0.7))
    ]
    np.testing.assert_allclose(spreads, 1.0, atol=0.06)


@pytest.mark.parametrize("kind", [Croston, SBA, TSB])
def test_missing_dates_are_no_demand_and_no_lack_of_it(kind):
    y = np.random.default_rng(0).poisson(0.4, 60).astype(float)
    y[-1] = 2.0
    gaps = np.full(119, np.nan)
    gaps[::2] = y
    np.testing.assert_allclose(forecast(kind, gaps), forecast(kind, y), rtol=1e-12)
