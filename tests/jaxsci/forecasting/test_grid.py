"""A grid of forecasts: rows of a frame, ensembles over creation dates, paths of revisions."""

import numpy as np
import pytest

from jaxsci.forecasting import ForecastGrid
from jaxsci.forecasting.schema import Schema

HORIZON, LEVELS = 3, (0.1, 0.5)


@pytest.fixture
def panel(frame):
    options = {"seasons": (1,), "past": (), "future": (), "static": (), "freq": None}
    return Schema.of(frame, horizon=HORIZON, **options).panel(frame)


def grid_of(panel, columns, cell):
    """Forecasts that say which series, creation date, horizon and quantile they are of."""
    i, t, h, q = np.meshgrid(
        np.arange(len(panel.ids)), columns, np.arange(1, HORIZON + 1), LEVELS, indexing="ij"
    )
    return ForecastGrid(panel, np.asarray(columns), LEVELS, cell(i, t, h, q).astype(float))


def test_targets_are_those_of_the_dates_ahead(panel):
    grid = grid_of(panel, [50, 58], lambda i, t, h, q: 0 * h)
    targets, known = grid.targets
    np.testing.assert_array_equal(targets[0, 0], panel.y[0, 51:54])
    np.testing.assert_array_equal(known[0, 1], [True, False, False])
    np.testing.assert_array_equal(targets[0, 1, 1:], 0)


def test_frames_have_a_row_for_every_cell(panel):
    grid = grid_of(panel, [50, 52], lambda i, t, h, q: 100 * t + 10 * h + q)
    made = grid.to_frame(cutoffs=True)
    row = made[made.unique_id == "series 0"].iloc[4]
    assert row["0.5"] == 100 * 52 + 20 + 0.5
    assert row.ds - row.cutoff == np.timedelta64(2, "D")
    assert row.y == panel.y[0, 54]
    assert len(grid.to_frame()) == 4 * 2 * 3


def test_the_ensemble_is_the_mean_over_creation_dates_of_a_target(panel):
    """A forecast that depends on its target alone stays; one that says its horizon gets the mean of them."""
    columns = np.arange(40, 46)
    same = grid_of(panel, columns, lambda i, t, h, q: t + h)
    np.testing.assert_allclose(same.ensemble(3).values, same.values)
    lead = grid_of(panel, columns, lambda i, t, h, q: h).ensemble(2).values[0, :, :, 0]
    np.testing.assert_allclose(lead[0], [1, 2, 3])  # nothing was made before
    np.testing.assert_allclose(lead[3], [1.5, 2.5, 3])  # the last horizon has no earlier forecast
    with pytest.raises(ValueError, match="dates to be a whole number >= 1, got 0"):
        same.ensemble(0)


def test_what_went_wrong_is_not_left_out(panel):
    """A forecast that is NaN though its series had begun is not one that could not be made."""
    grid = grid_of(panel, [50, 52], lambda i, t, h, q: np.where(i == 1, np.nan, 0 * h))
    assert grid.made.all()
    assert grid.to_frame(cutoffs=True)["0.5"].isna().sum() == 2 * HORIZON


def test_a_grid_says_its_sizes_alone(panel):
    grid = grid_of(panel, [50, 52], lambda i, t, h, q: 0 * h)
    assert repr(grid) == "ForecastGrid(series=4, dates=2, horizon=3, levels=(0.1, 0.5))"


def test_paths_follow_one_target(panel):
    columns = np.arange(40, 46)
    path = grid_of(panel, columns, lambda i, t, h, q: 1000 * (t + h) + t).path(0.5)
    assert path.shape == (4, 4, HORIZON)
    target, made = np.divmod(path[0], 1000)
    np.testing.assert_array_equal(target, np.repeat([[43], [44], [45], [46]], HORIZON, 1))
    np.testing.assert_array_equal(made[0], [40, 41, 42])
    grid = grid_of(panel, columns, lambda i, t, h, q: 1000 * (t + h) + q)
    for level in (1 - 0.9, np.float32(0.1).item()):  # the level 0.1, up to rounding
        np.testing.assert_array_equal(grid.path(level), grid.path(0.1))


def test_wrong_grids_are_refused(panel):
    with pytest.raises(ValueError, match="values of shape"):
        ForecastGrid(panel, np.array([5]), LEVELS, np.zeros((4, 1, 2, 2)))
    grid = grid_of(panel, [40, 42], lambda i, t, h, q: h)
    with pytest.raises(ValueError, match="consecutive creation dates"):
        grid.ensemble(2)
    with pytest.raises(ValueError, match="at least as many creation dates"):
        grid_of(panel, [40, 41], lambda i, t, h, q: h).path(0.5)
    with pytest.raises(ValueError, match="one of the levels"):
        grid_of(panel, [40, 41, 42], lambda i, t, h, q: h).path(0.3)
