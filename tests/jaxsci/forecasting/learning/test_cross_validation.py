"""Cross-validation is fitting to what came before each creation date, and predicting from it."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP, SQRF, Drift, SeasonalNaive

H = 3
COLUMNS = ["unique_id", "ds", "0.1", "0.5", "0.9"]
OPTIONS = {"horizon": H, "season": 6, "quantiles": (0.1, 0.5, 0.9)}


@pytest.fixture
def uneven():
    """Series that end 0, 2, 4 and 12 days before the last date of all, and begin at different dates."""
    rng, parts = np.random.default_rng(0), []
    for number, (begin, before) in enumerate([(0, 0), (5, 2), (20, 4), (0, 12)]):
        t = np.arange(begin, 60 - before)
        y = 10.0**number * (3 + np.sin(2 * np.pi * t / 6) + 0.1 * rng.normal(size=len(t)))
        days = pd.Timestamp("2021-01-01") + pd.to_timedelta(t, unit="D")
        sales = rng.normal(size=len(t))
        parts.append(pd.DataFrame({"unique_id": f"s{number}", "ds": days, "y": y, "sales": sales}))
    return pd.concat(parts, ignore_index=True)


def expected_of(forecaster, frame, cutoff):
    """Forecasts of what is learned from the rows until a date, of series that had targets after it."""
    past = frame[frame.ds <= cutoff]
    made = forecaster.fit(past).predict(past)[COLUMNS]
    known = frame.loc[frame.ds > cutoff, ["unique_id", "ds", "y"]].dropna()
    return made.merge(known, on=["unique_id", "ds"])


KINDS = [
    (SeasonalNaive, {}),
    (Drift, {}),
    (SQRF, {"trees": 3, "max_rows": 200, "past": ["sales"]}),
    pytest.param(MLP, {"steps": 3, "width": 8, "past": ["sales"]}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_one_cutoff_for_all_series(kind, options, uneven):
    """No forecast knows later dates of any series, covariates' means included."""
    forecaster = kind(**OPTIONS, **options)
    made = forecaster.cross_validate(uneven, windows=2, step=4, refit=True, same_dates=True)
    last = uneven.ds.max()
    cutoffs = [last - pd.Timedelta(days=H + back) for back in (4, 0)]
    assert sorted(made.cutoff.unique()) == cutoffs
    for cutoff in cutoffs:
        found = made[made.cutoff == cutoff].reset_index(drop=True)
        expected = expected_of(forecaster, uneven, cutoff)
        pd.testing.assert_frame_equal(found[COLUMNS], expected[COLUMNS], rtol=1e-5)
        np.testing.assert_array_equal(found.y, expected.y)
    # Series 3 had ended, and series 2 had no targets left after the last cutoff.
    counts = made.groupby(["cutoff", "unique_id"]).size()
    assert counts.to_dict() == {
        (cutoffs[0], "s0"): 3,
        (cutoffs[0], "s1"): 3,
        (cutoffs[0], "s2"): 3,
        (cutoffs[1], "s0"): 3,
        (cutoffs[1], "s1"): 1,
    }


def test_without_learning_again_the_first_model_makes_all(uneven):
    forecaster = SQRF(**OPTIONS, trees=3, max_rows=200)
    made = forecaster.cross_validate(uneven, windows=2, step=4, same_dates=True)
    first, second = sorted(made.cutoff.unique())
    fitted = forecaster.fit(uneven[uneven.ds <= first])
    past = uneven[uneven.ds <= second]
    found = made[made.cutoff == second].reset_index(drop=True)
    expected = fitted.predict(past).merge(found[["unique_id", "ds"]], on=["unique_id", "ds"])
    pd.testing.assert_frame_equal(found[COLUMNS], expected[COLUMNS], rtol=1e-5)


@pytest.mark.parametrize("same_dates", [False, True])
def test_learning_again_changes_nothing_that_is_not_learned(same_dates, uneven):
    naive = SeasonalNaive(**OPTIONS)
    options = {"windows": 3, "step": 2, "same_dates": same_dates}
    once, again = (naive.cross_validate(uneven, refit=refit, **options) for refit in (False, True))
    pd.testing.assert_frame_equal(once, again)


def test_too_few_dates_are_refused(uneven):
    naive = SeasonalNaive(**OPTIONS)
    for refit, same_dates in [(True, False), (False, True)]:
        with pytest.raises(ValueError, match="more than 600 dates for 200 windows, got 6"):
            naive.cross_validate(uneven, windows=200, refit=refit, same_dates=same_dates)
