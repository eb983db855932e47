"""Features are what they say, see nothing of the future, and targets are drawn evenly."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from jaxsci.forecasting import Schema
from jaxsci.forecasting.features import FeatureTable, draw_targets

H, SEASON = 3, 6
ROLES = {"past": ["sales"], "future": ["event"], "static": ["kind", "size"]}


def make_panel(frame):
    schema = Schema.of(frame, horizon=H, seasons=(SEASON,), freq=None, **ROLES)
    return schema.panel(frame)


def neutral(panel):
    """Features of values as they are."""
    level = np.zeros(panel.y.shape)
    return FeatureTable(panel, level, level + 1, (SEASON,))


@pytest.fixture
def panel(frame):
    return make_panel(frame)


def test_lags_windows_and_seasons(panel):
    table = neutral(panel)
    series, t, h = np.array([0, 2]), np.array([50, 40]), np.array([2, 3])
    dates = table.of_dates(series, t)
    np.testing.assert_array_equal(dates[0, :8], panel.y[0, 50:42:-1])
    assert table.windows == (3, 4, 6, 16, 24)
    last = panel.y[2, 38:41]  # the first window has 3 dates
    expected = [last.mean(), last.std(), last.max(), last.min(), 0]
    np.testing.assert_allclose(dates[1, 8:13], expected, rtol=1e-12)
    targets = table.of_targets(series, t, h)
    np.testing.assert_array_equal(targets[:, 0], h)
    np.testing.assert_array_equal(targets[0, 1:-4], panel.future[0, 52])
    # The target of column 52 has the phase of 46, 40 and 34.
    np.testing.assert_array_equal(targets[0, -4:-1], panel.y[0, [46, 40, 34]])
    np.testing.assert_allclose(targets[0, -1], panel.y[0, [46, 40, 34]].mean())


def test_nothing_after_the_forecast_date_enters(panel):
    """Targets and past covariates after t, and future covariates of other dates, change nothing."""
    t, h = 45, 2
    rows = [np.arange(4), np.full(4, t), np.full(4, h)]
    rng = np.random.default_rng(0)
    y, observed, past, future = (
        a.copy() for a in (panel.y, panel.observed, panel.past, panel.future)
    )
    y[:, t + 1 :] = rng.normal(size=y[:, t + 1 :].shape)
    observed[:, t + 1 :] = False
    past[:, t + 1 :] += 1
    future[:, np.arange(future.shape[1]) != t + h] += 1
    spoiled = dataclasses.replace(panel, y=y, observed=observed, past=past, future=future)
    before = neutral(panel).table(*rows)
    np.testing.assert_array_equal(neutral(spoiled).table(*rows), before)
    # What may enter does.
    for change in ({"y": panel.y + 1}, {"past": panel.past + 1}, {"future": panel.future + 1}):
        other = neutral(dataclasses.replace(panel, **change)).table(*rows)
        assert (other != before).any(1).all()


def test_the_first_dates_and_missing_values_are_finite(frame):
    holes = frame.assign(y=frame.y.where(np.arange(len(frame)) % 3 > 0))
    panel = make_panel(holes)
    rows = draw_targets(panel, 10**6, np.random.default_rng(0))
    table = neutral(panel).table(*rows)
    assert np.isfinite(table).all()
    assert table.shape[0] == len(rows[0])


def test_series_of_any_size_have_the_same_features(panel):
    """y → c y, with level and scale, changes only the column of the scale."""
    table = neutral(panel)
    rows = draw_targets(panel, 10**6, np.random.default_rng(0))
    larger = FeatureTable(
        dataclasses.replace(panel, y=8 * panel.y), 8 * table.level, 8 * table.scale, (SEASON,)
    )
    same = table.table(*rows) == larger.table(*rows)
    assert (~same.all(0)).sum() == 1
    np.testing.assert_array_equal(table.targets(*rows), larger.targets(*rows))


def test_many_categories_are_kept_sparse(panel):
    many = dataclasses.replace(panel, categories=(100,), codes=np.array([[100], [0], [1], [7]]))
    rows = np.arange(4), np.full(4, 50), np.full(4, 1)
    made = neutral(many).table(*rows)
    assert sparse.issparse(made)
    hot = made.toarray()[:, -100:]
    assert hot[0, 99] == hot[2, 0] == hot[3, 6] == hot.sum() / 3 == 1
    few = neutral(dataclasses.replace(many, categories=(), codes=many.codes[:, :0])).table(*rows)
    np.testing.assert_array_equal(made.toarray()[:, :-100], few)


def test_all_targets_are_drawn_once_and_some_evenly(frame):
    panel = make_panel(frame.assign(y=frame.y.where(np.arange(len(frame)) % 5 > 0)))
    series, dates, ahead = draw_targets(panel, 10**6, np.random.default_rng(0))
    assert panel.observed[series, dates + ahead].all()
    expected = {
        (i, u - h, h)
        for i, u in np.argwhere(panel.observed)
        for h in range(1, H + 1)
        if u - h >= panel.observed[i].argmax()
    }
    assert set(zip(series, dates, ahead, strict=True)) == expected
    assert len(series) == len(expected)
    some = draw_targets(panel, 300, np.random.default_rng(1))
    assert len(set(zip(*some, strict=True))) == 300
    # A third of 300 at each horizon, with a standard deviation of 6 at most.
    assert (abs(np.bincount(some[2])[1:] - 100) < 20).all()
