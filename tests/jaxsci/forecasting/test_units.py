"""Forecasts in other units are the same forecasts, and what little history tells is not told as certain."""

import inspect

import numpy as np
import pandas as pd
import pytest

import jaxsci.forecasting as forecasting
from jaxsci.forecasting import (
    ETS,
    SBA,
    TSB,
    Croston,
    Drift,
    Forecaster,
    SeasonalNaive,
    Theta,
)

LEVELS = (0.1, 0.5, 0.9)
CLASSICAL = (Croston, Drift, ETS, SBA, SeasonalNaive, TSB, Theta)
# Those that learn are in `learning/test_units.py`, and those around others have their units.
LEARNING = {"MLP", "MQCNN", "MQRNN", "MQTransformer", "SQRF"}
SHIFTED = (Drift, SeasonalNaive)


def predict(kind, y, **options):
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(y)), y.shape[1]),
            "ds": np.tile(np.arange(y.shape[1]), len(y)),
            "y": y.ravel(),
        }
    )
    model = kind(**({"horizon": 2, "quantiles": LEVELS} | options)).fit(table)
    return model.predict(table)[["0.1", "0.5", "0.9"]].to_numpy()


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(1)
    return 10 + 0.1 * np.arange(40) + rng.normal(size=(2, 40))


def test_every_forecaster_is_here():
    public = {
        name
        for name, kind in vars(forecasting).items()
        if inspect.isclass(kind) and issubclass(kind, Forecaster) and not inspect.isabstract(kind)
    }
    assert public - {kind.__name__ for kind in CLASSICAL} - LEARNING == {"Coherent", "Conformal"}


@pytest.mark.parametrize("unit", [1e-12, 1e-3, 1e12])
@pytest.mark.parametrize("kind", CLASSICAL)
def test_another_unit_is_another_factor(kind, unit, history):
    want = predict(kind, history)
    # Dividing by the size of a series takes the last digit, from which an optimiser may go another way.
    np.testing.assert_allclose(predict(kind, unit * history) / unit, want, rtol=1e-6)


@pytest.mark.parametrize("kind", SHIFTED)
def test_another_origin_is_another_summand(kind, history):
    # Of 1e8, a double keeps eight digits after the point.
    np.testing.assert_allclose(
        predict(kind, history + 1e8) - 1e8, predict(kind, history), atol=1e-6
    )


@pytest.mark.parametrize("kind", [SeasonalNaive, Drift, Theta, ETS])
@pytest.mark.parametrize("dates", [2, 3, 5, 8, 16])
def test_intervals_of_short_series_hold_what_they_say(kind, dates):
    """Random walks: 80 % of the next values between the deciles, however little there is to learn from."""
    series = 100 if kind is ETS and dates > 6 else 300
    y = 10 + np.random.default_rng(0).normal(size=(series, dates + 1)).cumsum(1)
    low, _, high = predict(kind, y[:, :-1], horizon=1).T
    inside = np.mean((low <= y[:, -1]) & (y[:, -1] <= high))
    # The standard error of 300 series is 0.023. Of two dates, Drift knows no more than what others move by.
    # ETS chooses its kind of what it has, which the interval does not know of.
    assert 0.66 < inside < 0.93, inside


@pytest.mark.parametrize("kind", [SeasonalNaive, Drift, Theta, ETS])
def test_one_observation_borrows_the_spread_of_others_or_has_none(kind, history):
    one = np.full((1, 40), np.nan)
    one[0, -1] = 20.0
    made = predict(kind, np.concatenate([history, one]), horizon=1)
    steps = np.sqrt(np.mean(np.diff(history) ** 2, 1)) / np.abs(history).mean(1)
    # Twice the decile of a Gaussian, with Drift's uncertainty of the slope beside that of a step.
    width = 2 * 1.2816 * 20 * np.sqrt(np.mean(steps**2))
    assert width * 0.99 < made[2, 2] - made[2, 0] < width * 2.5
    with pytest.warns(
        UserWarning, match="found one value, and no other series to tell how far it moves"
    ):
        alone = predict(kind, one[:, -1:], horizon=1)
    assert alone[0, 1] == 20.0
    assert np.isnan(alone[0, [0, 2]]).all()


@pytest.mark.parametrize("kind", CLASSICAL)
def test_any_level_is_asked_for_without_fitting_again(kind, history):
    table = pd.DataFrame({"unique_id": 0, "ds": np.arange(40), "y": history[0]})
    model = kind(horizon=2, quantiles=LEVELS).fit(table)
    made = model.at((0.1, 0.31, 0.9)).predict(table)
    np.testing.assert_allclose(
        made[["0.1", "0.9"]], model.predict(table)[["0.1", "0.9"]], rtol=1e-9
    )
    assert (made["0.1"] <= made["0.31"]).all()
    assert (made["0.31"] <= made["0.9"]).all()


def test_two_dates_alone_are_not_told_as_certain():
    """One step is all that is known: Student's t with one degree of freedom; a Gaussian covers 0.60 of 0.80."""
    y = np.random.default_rng(0).normal(size=(80, 3)).cumsum(1)
    inside = []
    for before, last, after in y:
        low, _, high = predict(Drift, np.array([[before, last]]), horizon=1)[0]
        inside.append(low <= after <= high)
    # P(-3.35 |e| < e' < 5.35 |e|) of two Gaussians is 0.85, with a standard error of 0.04.
    assert 0.73 < np.mean(inside) < 0.97, np.mean(inside)


@pytest.mark.parametrize("kind", CLASSICAL)
@pytest.mark.parametrize("value", [1e300, np.inf])
def test_a_target_that_overflows_is_named(kind, value, history):
    spoilt = np.abs(history)
    spoilt[1, 20] = value
    with pytest.raises(ValueError, match=r"targets of at most 1e\+30, got .* in series 1 at 20;"):
        predict(kind, spoilt)


def test_levels_of_forecasters_around_others(history):
    table = pd.DataFrame({"unique_id": 0, "ds": np.arange(40), "y": history[0]})
    conformal = forecasting.Conformal(Drift(horizon=2, quantiles=LEVELS), windows=15).fit(table)
    with pytest.raises(
        ValueError, match=r"Conformal\.at expected the levels that it was calibrated at"
    ):
        conformal.at((0.2, 0.8))
