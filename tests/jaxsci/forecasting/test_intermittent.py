"""Croston's methods have the means of the literature, and quantiles of a distribution with these means."""

import numpy as np
import pandas as pd
import pytest
from statsforecast import models

from jaxsci.forecasting import SBA, TSB, Croston

KINDS = (Croston, SBA, TSB)
# So fine that the mean of the quantiles is the mean.
FINE = tuple((np.arange(2000) + 0.5) / 2000)


def forecast(kind, y, **options):
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(y)), "y": np.asarray(y, float)})
    made = kind(**{"horizon": 3} | options).fit(frame).predict(frame)
    return made.iloc[:, 2:].to_numpy()


def mean(kind, y, **options):
    """The mean over all quantiles, at each horizon."""
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(y)), "y": np.asarray(y, float)})
    forecaster = kind(horizon=3, quantiles=FINE, **options).fit(frame)
    return forecaster.backtest(frame, 1).values[0, 0].mean(1)


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind):
    """With α = 1/2, sizes 4, 6, 5 have z = ((4 + 6)/2 + 5)/2 = 5, intervals 2, 2, 3 have v = 2.5."""
    y = [0, 4, 0, 6, 0, 0, 5]
    share = 0.0
    for demand in y[1:]:  # TSB's share of dates with demand, α = 0.1
        share += 0.1 * ((demand > 0) - share)
    expected = {Croston: 5 / 2.5, SBA: 0.75 * 5 / 2.5, TSB: 5 * share}[kind]
    # Of 2000 quantiles of sizes up to 6, one may be on the other side of each of 3 steps.
    np.testing.assert_allclose(mean(kind, y, smoothing=0.5), expected, atol=6 / 2000)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (Croston, models.CrostonClassic()),
        (SBA, models.CrostonSBA()),
        (TSB, models.TSB(alpha_d=0.1, alpha_p=0.1)),
    ],
)
def test_means_are_those_of_statsforecast(kind, model):
    rng = np.random.default_rng(0)
    y = rng.poisson(0.4, 80) * rng.integers(1, 5, 80).astype(float)
    expected = model.forecast(y=y, h=3)["mean"]
    np.testing.assert_allclose(mean(kind, y), expected, atol=y.max() / 2000)


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_of_counts_are_counts_that_were_seen(kind):
    y = np.random.default_rng(1).poisson(0.5, 60)
    made = forecast(kind, y)
    assert np.isin(made, y).all()
    assert (made >= 0).all()
    assert (np.diff(made) >= 0).all()
    assert made[0, 0] == 0 < made[0, -1]


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_what_they_say(kind):
    """Of 300 series with demand at 3 dates of 10, sizes from a gamma distribution."""
    rng = np.random.default_rng(2)
    y = (rng.random((300, 200)) < 0.3) * rng.gamma(4.0, 2.0, (300, 200))
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(300), 200),
            "ds": np.tile(np.arange(200), 300),
            "y": y.ravel(),
        }
    )
    made = kind(horizon=10, quantiles=(0.3, 0.8, 0.95)).cross_validate(frame)
    # 7 targets of 10 are zero. Above, the smoothed share, of 19 dates or demands in effect, and the few
    # sizes leave intervals that are wrong by up to a few per cent; 3000 targets have a standard error of 0.01.
    assert (made["0.3"] == 0).mean() > 0.99
    for level in (0.8, 0.95):
        assert (made.y <= made[f"{level}"]).mean() == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_without_demand_there_is_none_ahead(kind):
    np.testing.assert_array_equal(forecast(kind, np.zeros(9)), 0)
    assert np.isfinite(forecast(kind, [2.0])).all()


def test_only_tsb_forgets_a_series_that_ended():
    y = np.r_[np.full(10, 3.0), np.zeros(60)]
    assert forecast(TSB, y, quantiles=(0.9,)).max() == 0
    assert forecast(Croston, y, quantiles=(0.9,)).min() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_negative_demand_and_wrong_smoothing_are_refused(kind):
    with pytest.raises(ValueError, match="expected targets that are never negative, got -1"):
        forecast(kind, [1.0, -1.0, 0.0])
    with pytest.raises(ValueError, match=r"expected smoothing between 0 and 1, got 1\.5"):
        kind(horizon=1, smoothing=1.5)
    with pytest.raises(ValueError, match="expected probability_smoothing between 0 and 1"):
        TSB(horizon=1, probability_smoothing=0.0)
