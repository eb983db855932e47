"""The pooled forest learns across series, and says how sure it is."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import SQRF, SeasonalNaive


def many(series, length, *, seed=0):
    """Series of sizes from 1 to 1000; every fourth date has a higher mean, and noise three times as large."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    size = 10 ** rng.uniform(0, 3, (series, 1))
    noise = np.where(t % 4 == 0, 3.0, 1.0) * rng.normal(size=(series, length))
    y = size * (10 + 4 * (t % 4 == 0) + noise)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(series), length),
            "ds": np.tile(t, series),
            "y": y.ravel(),
        }
    )


@pytest.fixture(scope="module")
def made():
    """Forecasts of 4 dates of 300 series, and of the last season again."""
    options = {"horizon": 4, "season": 4, "quantiles": (0.1, 0.5, 0.9)}
    frame = many(200, 40)
    forest = SQRF(trees=10, max_rows=3000, min_leaf=10, **options)
    return forest.cross_validate(frame), SeasonalNaive(**options).cross_validate(frame)


def loss(made):
    """Mean quantile loss, each series by its own size."""
    size = made.groupby("unique_id").y.transform("mean")
    parts = []
    for level in (0.1, 0.5, 0.9):
        error = (made.y - made[f"{level}"]) / size
        parts.append(np.maximum(level * error, (level - 1) * error).mean())
    return float(np.mean(parts))


@pytest.mark.slow
def test_it_learns_seasons_and_their_spread_across_series(made):
    """The oracle knows noise of 1, or 3 at every fourth date, around 10 or 14, of a mean of 11."""
    forest, naive = made
    # Quantile losses of a unit normal at 0.1, 0.5 and 0.9: 0.1755, 0.3989, 0.1755; mean spread 6/4.
    oracle = 0.25 * 1.5
    size = 11
    assert loss(forest) * size < 1.2 * oracle
    assert loss(forest) < 0.8 * loss(naive)


@pytest.mark.slow
def test_intervals_hold_what_they_say_at_every_phase(made):
    forest, _ = made
    inside = (forest["0.1"] <= forest.y) & (forest.y <= forest["0.9"])
    width = forest["0.9"] - forest["0.1"]
    relative = width / forest.groupby("unique_id").y.transform("mean")
    loud = forest.ds % 4 == 0
    # 200 series leave a standard error of 0.028 at the loud dates.
    assert inside[loud].mean() == pytest.approx(0.8, abs=0.08)
    assert inside[~loud].mean() == pytest.approx(0.8, abs=0.08)
    # The truth is 3; some leaves mix the two.
    assert 2 < relative[loud].mean() / relative[~loud].mean() < 3.5


def test_wrong_options_and_short_series_are_refused():
    with pytest.raises(ValueError, match="SQRF expected trees to be a whole number >= 1"):
        SQRF(horizon=1, trees=0)
    with pytest.raises(ValueError, match="seed to be a whole number >= 0"):
        SQRF(horizon=1, seed=-1)
    with pytest.raises(ValueError, match=r"at least min_leaf=5 targets .*, got 0"):
        SQRF(horizon=2, freq=1).fit(many(4, 1))
    with pytest.raises(RuntimeError, match="SQRF expected to be fitted first"):
        _ = SQRF(horizon=1).forest
