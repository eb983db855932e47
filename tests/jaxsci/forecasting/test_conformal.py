"""Calibrated forecasters cover what they say, whatever the forecaster inside."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import Conformal, Drift, SeasonalNaive, load

LEVELS = (0.1, 0.5, 0.9)


def noise(series, length, *, seed=0):
    """Independent noise with heavy tails, whose seasonal naive forecasts have far too wide "
    "quantiles or too narrow."""
    y = np.random.default_rng(seed).standard_t(3, size=(series, length))
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(series), length),
            "ds": np.tile(np.arange(length), series),
            "y": y.ravel(),
        }
    )


def coverage(made):
    return [(made.y <= made[f"{q:g}"]).mean() for q in LEVELS]


def test_coverage_is_what_was_asked_for():
    """The naive forecast is for random walks; of noise its errors do not grow with the horizon."""
    frame = noise(400, 60)
    naive = SeasonalNaive(horizon=5, quantiles=LEVELS)
    plain = coverage(naive.cross_validate(frame, windows=3, step=5))
    calibrated = coverage(Conformal(naive, windows=20).cross_validate(frame, windows=3, step=5))
    assert plain[0] < 0.05
    # 400 series of 15 targets: a standard deviation of 0.004, and as much again from the 20 windows.
    np.testing.assert_allclose(calibrated, LEVELS, atol=0.015)


class Fixed(Drift):
    """Quantiles that do not look at the series."""

    def _local(self, y, observed, borrowed):
        return np.array([[-1.0, 1.0]]), None


def test_few_scores_suffice():
    """Of ten scores the upper quantile at 0.9 is the 10th, as ⌈11 · 0.9⌉, and the lower one the 1st.

    A target is then below it with probability 10/11; the 9th, ⌈10 · 0.9⌉, would be passed too often, by 2/11.
    """
    forecaster = Conformal(Fixed(horizon=1, quantiles=(0.1, 0.9)), windows=10)
    rng = np.random.default_rng(0)
    below, above = 0, 0
    for _ in range(400):
        y = rng.normal(size=12)
        frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(12), "y": y})
        low, high = forecaster.fit(frame.iloc[:11]).predict(frame.iloc[:11])[["0.1", "0.9"]].iloc[0]
        assert (low, high) == pytest.approx((y[1:11].min(), y[1:11].max()), abs=1e-6)
        below, above = below + (y[11] < low), above + (y[11] > high)
    # 400 draws of probability 1/11 have a standard deviation of 0.0144; 2/11 is six of them off.
    np.testing.assert_allclose([below / 400, above / 400], 1 / 11, atol=3 * 0.0144)


def test_series_that_never_changed_do_not_widen_the_others():
    """Ten of fifty are 3 up to a last value of 8: no interval of theirs has a width before that."""
    levels = (0.01, 0.5, 0.99)
    frame = noise(40, 60)
    still = noise(10, 60).assign(y=3.0).assign(unique_id=lambda f: f["unique_id"] + 40)
    still.loc[still["ds"] == 59, "y"] = 8.0
    naive = SeasonalNaive(horizon=3, quantiles=levels)
    alone, together = (
        Conformal(naive, windows=20).fit(f).predict(f).query("unique_id < 40")
        for f in (frame, pd.concat([frame, still]))
    )
    pd.testing.assert_frame_equal(alone, together.reset_index(drop=True))
    with pytest.raises(ValueError, match=r"got 0 at horizon 1; .* if its quantiles meet"):
        Conformal(naive, windows=20).fit(still.assign(y=3.0))
    # Neither do they depend on the unit.
    scaled = frame.assign(y=1e-9 * frame["y"])
    made = Conformal(naive, windows=20).fit(scaled).predict(scaled)
    np.testing.assert_allclose(made["0.99"], 1e-9 * alone["0.99"], rtol=1e-9)


def test_quantiles_do_not_cross_and_are_saved(tmp_path):
    frame = noise(20, 40)
    made = Conformal(Drift(horizon=3, quantiles=LEVELS), windows=10).fit(frame)
    forecast = made.predict(frame)
    assert (np.diff(forecast[["0.1", "0.5", "0.9"]]) >= 0).all()
    made.save(tmp_path / "saved")
    again = load(tmp_path / "saved").predict(frame)
    # Moves are stored in float32.
    pd.testing.assert_frame_equal(again, forecast, rtol=1e-6)


def test_the_one_inside_is_ready_and_the_one_that_was_passed_is_as_it_was(tmp_path):
    """Also one that was fitted to another frame before, and one that is inside of another."""
    frame = noise(20, 40)
    naive = SeasonalNaive(horizon=3, quantiles=LEVELS).fit(frame)
    before, later = naive.schema, frame.assign(ds=frame.ds + 7)
    made = Conformal(Conformal(naive, windows=10), windows=10).fit(later)
    assert naive.schema is before
    assert made.schema != before
    made.save(tmp_path / "saved")
    for outer in (made, load(tmp_path / "saved")):
        for inner in (outer.forecaster, outer.forecaster.forecaster):
            assert inner.schema == made.schema
            assert len(inner.predict(later)) == 60
    with pytest.raises(RuntimeError, match="Conformal expected to be fitted first"):
        _ = Conformal(naive).schema


def test_wrong_use_is_refused():
    frame = noise(1, 30)
    naive = SeasonalNaive(horizon=3, quantiles=(0.01, 0.99))
    with pytest.raises(ValueError, match="enough targets to count its outer quantiles"):
        Conformal(naive, windows=5).fit(frame)
    with pytest.raises(ValueError, match="ask for fewer windows"):
        Conformal(naive, windows=28).fit(frame)
    with pytest.raises(ValueError, match="at least 2 quantiles"):
        Conformal(SeasonalNaive(horizon=3, quantiles=(0.5,)))
