"""Every forecaster keeps the contract: frames in, quantiles out, no leaks, and saved ones are the same."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import (
    ETS,
    MLP,
    MQCNN,
    MQRNN,
    SBA,
    SQRF,
    TSB,
    Conformal,
    Croston,
    Drift,
    MQTransformer,
    SeasonalNaive,
    Theta,
    load,
)
from jaxsci.forecasting.learning import passes

QUANTILES = (0.1, 0.5, 0.9)
SMALL = {"steps": 3, "width": 8, "batch_size": 4, "forks": 4, "holdout": 0}
OPTIONS = {
    SeasonalNaive: {},
    Drift: {},
    ETS: {},
    Theta: {},
    Croston: {},
    SBA: {},
    TSB: {},
    SQRF: {"trees": 3, "max_rows": 200},
    MLP: SMALL | {"window": 6},
    MQRNN: SMALL | {"context": 8},
    MQCNN: SMALL | {"dilations": (1, 2)},
    MQTransformer: SMALL | {"dilations": (1, 2), "window": 6, "feedback": 2, "heads": 2},
}
COVARIATES = {"past": ["sales"], "future": ["event"], "static": ["kind", "size"]}


def slow(kind):
    return pytest.param(kind, marks=pytest.mark.slow)


def make(kind, **options):
    return kind(**{"horizon": 3, "season": 6, "quantiles": QUANTILES} | OPTIONS[kind] | options)


def rows_ahead(frame, dates):
    ends = frame.groupby("unique_id").ds.max()
    rows = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range(end, periods=dates + 1, freq="D")[1:],
                "event": ["fair", "none", "fair"][:dates],
            }
        )
        for name, end in ends.items()
    ]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def fitted(frames):
    """Forecasters with covariates of every role, each fitted once."""

    @functools.cache
    def fit(kind):
        forecaster = make(kind, **COVARIATES)
        assert forecaster.fit(frames()) is forecaster
        return forecaster

    return fit


@pytest.mark.parametrize("kind", OPTIONS)
def test_contract(kind, frame, fitted, tmp_path):
    forecaster = fitted(kind)
    future = rows_ahead(frame, 3)
    forecast = forecaster.predict(frame, future)
    assert list(forecast.columns) == ["unique_id", "ds", "0.1", "0.5", "0.9"]
    assert (forecast.ds.to_numpy() == future.ds.to_numpy()).all()
    assert (forecast.unique_id == future.unique_id).all()
    values = forecast[["0.1", "0.5", "0.9"]].to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values) >= 0).all()
    # Order of the rows does not matter.
    again = forecaster.predict(frame.sample(frac=1, random_state=0), future)
    pd.testing.assert_frame_equal(forecast, again)
    forecaster.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(load(tmp_path / "saved").predict(frame, future), forecast)
    with pytest.raises(FileExistsError, match="which exists"):
        forecaster.save(tmp_path / "saved")


@pytest.mark.parametrize("kind", OPTIONS)
def test_in_double_precision_as_in_single(kind, frame, frames, x64, tmp_path):
    """JAX's own precision changes no kind of number that is learned: what one saves, the other loads."""
    forecaster = make(kind, **COVARIATES).fit(frames())
    future = rows_ahead(frame, 3)
    forecast = forecaster.predict(frame, future)
    assert np.isfinite(forecast[["0.1", "0.5", "0.9"]].to_numpy()).all()
    forecaster.save(tmp_path / "saved")
    with jax.enable_x64(False):
        again = load(tmp_path / "saved").predict(frame, future)
    # The forest's quantiles are interpolated in JAX's precision.
    pd.testing.assert_frame_equal(again, forecast, rtol=1e-5)


def test_one_that_copies_is_saved(frame, frames, tmp_path):
    forecaster = make(MQTransformer, copy=True, **COVARIATES).fit(frames())
    forecaster.save(tmp_path / "saved")
    future = rows_ahead(frame, 3)
    again = load(tmp_path / "saved").predict(frame, future)
    pd.testing.assert_frame_equal(again, forecaster.predict(frame, future))


@pytest.mark.parametrize("kind", OPTIONS)
def test_from_a_store_as_from_a_frame(kind, frame, fitted, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra forecast")
    forecaster, future = fitted(kind), rows_ahead(frame, 3)
    pd.concat([frame, future]).to_parquet(tmp_path / "rows.parquet")
    store = forecaster.write_store(tmp_path / "rows.parquet", tmp_path / "store", rows=30)
    assert len(store) > 1
    # Stored in single precision, and a year of smoothing adds up its round-off.
    pd.testing.assert_frame_equal(
        forecaster.predict(store), forecaster.predict(frame, future), check_dtype=False, rtol=1e-3
    )


@pytest.mark.parametrize(
    "kind", [SeasonalNaive, Drift, *map(slow, (MLP, MQRNN, MQCNN, MQTransformer))]
)
def test_cross_validation_is_predicting_from_what_was_known(kind, frame):
    """What comes after the creation dates, targets and covariates alike, changes no forecast."""
    forecaster = make(kind, past=["sales"])
    made = forecaster.cross_validate(frame, windows=2, step=2)
    assert list(made.columns) == ["unique_id", "ds", "cutoff", "y", "0.1", "0.5", "0.9"]
    assert len(made) == 4 * 2 * 3
    lead = (made.ds - made.cutoff).dt.days
    assert sorted(lead.unique()) == [1, 2, 3]
    last = made.groupby("unique_id").cutoff.transform("max") == made.cutoff
    tail = frame.groupby("unique_id").tail(3).index
    spoiled = frame.assign(
        y=frame.y.where(~frame.index.isin(tail), 1e3),
        sales=frame.sales.where(~frame.index.isin(tail), 1e3),
    )
    columns = ["0.1", "0.5", "0.9"]
    other = forecaster.cross_validate(spoiled, windows=2, step=2)
    pd.testing.assert_frame_equal(other[columns], made[columns])
    truth = frame.set_index(["unique_id", "ds"]).y
    expected = truth.loc[list(zip(made.unique_id, made.ds, strict=True))].to_numpy()
    np.testing.assert_array_equal(made.y, expected)
    assert last.sum() == 12


@pytest.mark.parametrize("kind", [MLP, MQCNN, MQTransformer])
def test_a_backtest_in_one_pass_is_the_loop_over_dates(kind, frame, fitted):
    """Covariates known ahead end with the frame, for the loop as for the pass."""
    forecaster = fitted(kind)
    grid = forecaster.backtest(frame, 5)
    assert grid.values.shape == (4, 5, 3, 3)
    for back in range(5):
        panel = forecaster.schema.panel(frame)
        cut = panel.until(panel.length - 1 - back)
        single = forecaster.forecast(cut, np.array([cut.length - 1])).values[:, 0]
        # Level and scale are sums in float32.
        np.testing.assert_allclose(grid.values[:, 4 - back], single, rtol=1e-4)


@pytest.mark.parametrize("kind", [MLP, MQRNN, MQCNN, MQTransformer, SQRF])
def test_new_series_are_forecast_from_what_is_known_of_them(kind, frame, fitted):
    """One with no history, and a category that was never seen."""
    forecaster = fitted(kind)
    new = pd.DataFrame(
        {
            "unique_id": "new",
            "ds": pd.date_range("2021-03-01", periods=3),
            "y": np.nan,
            "kind": "never",
            "event": "fair",
        }
    )
    both = pd.concat([frame, new], ignore_index=True)
    with pytest.warns(UserWarning, match=r"'kind' has categories .* count as unknown: \['never'\]"):
        forecast = forecaster.predict(both, rows_ahead(frame, 3))
    mine = forecast[forecast.unique_id == "new"]
    assert mine.ds.iloc[0] == pd.Timestamp("2021-03-01")
    assert np.isfinite(mine[["0.1", "0.5", "0.9"]].to_numpy()).all()


def test_a_series_without_history_has_no_local_forecast_and_is_named(frame):
    """The others have theirs: one such series does not stop them."""
    new = pd.DataFrame({"unique_id": "new", "ds": pd.to_datetime(["2021-03-01"]), "y": [np.nan]})
    both = pd.concat([frame, new], ignore_index=True)
    with pytest.warns(
        UserWarning, match="SeasonalNaive found no known target in 1 series, such as 'new'"
    ):
        made = make(SeasonalNaive).fit(both).predict(both)
    mine = made.unique_id == "new"
    assert made[mine]["0.5"].isna().all()
    assert made[~mine]["0.5"].notna().all()


def test_a_series_that_had_not_begun_has_no_local_forecast_then(frame):
    """The others have theirs, and an ensemble is of those that were made."""
    late = frame[(frame.unique_id != "series 1") | (frame.ds >= "2021-02-19")]
    naive = make(SeasonalNaive).fit(late)
    made = naive.cross_validate(late, windows=2, step=4)
    assert made.unique_id.value_counts().sort_index().tolist() == [6, 3, 6, 6]
    assert np.isfinite(made["0.5"]).all()
    grid = naive.backtest(late, 6)
    np.testing.assert_array_equal(grid.made[1], [False, False, True, True, True, True])
    assert not grid.targets[1][1, :2].any()
    mean = grid.ensemble(2)
    np.testing.assert_array_equal(mean.made, grid.made)
    np.testing.assert_array_equal(mean.values[1, 2], grid.values[1, 2])
    assert np.isnan(mean.values[1, 1]).all()


@pytest.mark.parametrize("head", ["quantile-function", "student-t", "negative-binomial"])
def test_a_whole_distribution_is_asked_for_any_level(head, frame, tmp_path):
    counts = frame.assign(y=frame.y.round())
    forecaster = make(MLP, head=head).fit(counts)
    other = forecaster.at((0.1, 0.25, 0.9))
    before, after = forecaster.predict(counts), other.predict(counts)
    np.testing.assert_allclose(after[["0.1", "0.9"]], before[["0.1", "0.9"]], rtol=1e-6)
    assert (after["0.1"] <= after["0.25"]).all()
    assert (after["0.25"] <= after["0.9"]).all()
    other.save(tmp_path / "other")
    pd.testing.assert_frame_equal(load(tmp_path / "other").predict(counts), after)
    assert forecaster.quantiles == QUANTILES


def test_a_head_of_fixed_levels_has_no_others(frame):
    with pytest.raises(ValueError, match=r"a head of .* got 'increments'"):
        make(MLP).fit(frame).at((0.2,))
    with pytest.raises(RuntimeError, match="to be fitted first"):
        make(MLP, head="student-t").at((0.2,))


@pytest.mark.slow
def test_training_again_gives_the_same_and_cross_validation_changes_nothing(frame):
    forecaster = make(MQCNN).fit(frame)
    before = forecaster.predict(frame)
    pd.testing.assert_frame_equal(make(MQCNN).fit(frame).predict(frame), before)
    forecaster.cross_validate(frame)
    pd.testing.assert_frame_equal(forecaster.predict(frame), before)


def test_seasonal_naive_repeats_the_last_season():
    y = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 4.0])
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(6), "y": y})
    forecast = SeasonalNaive(horizon=4, season=3, quantiles=(0.5,)).fit(frame).predict(frame)
    np.testing.assert_allclose(forecast["0.5"], [1.0, 2.0, 4.0, 1.0])
    assert forecast.ds.tolist() == [6, 7, 8, 9]


def test_seasonal_naive_of_less_than_a_season_goes_on_with_the_last_value():
    days = pd.date_range("2024-01-01", periods=4)
    frame = pd.DataFrame({"unique_id": "a", "ds": days, "y": [5.0, 6.0, 7.0, 8.0]})
    naive = SeasonalNaive(horizon=8, quantiles=(0.5,), season=7).fit(frame)
    expected = [8.0, 8.0, 8.0, 5.0, 6.0, 7.0, 8.0, 8.0]
    np.testing.assert_allclose(naive.predict(frame)["0.5"], expected)


def test_drift_goes_on():
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(5), "y": 2.0 * np.arange(5)})
    forecast = Drift(horizon=2, quantiles=(0.1, 0.9)).fit(frame).predict(frame)
    np.testing.assert_allclose(forecast[["0.1", "0.9"]], [[10, 10], [12, 12]])


def test_intervals_of_the_naive_forecast_hold_what_they_say():
    """A random walk has the naive forecast's errors: 80 % of them between its deciles."""
    y = np.random.default_rng(0).normal(size=(2000, 64)).cumsum(1)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(2000), 64),
            "ds": np.tile(np.arange(64), 2000),
            "y": y.ravel(),
        }
    )
    made = SeasonalNaive(horizon=4, quantiles=(0.1, 0.9)).cross_validate(frame)
    inside = ((made["0.1"] <= made.y) & (made.y <= made["0.9"])).mean()
    # The variance is estimated from 59 steps; 2000 walks leave a standard error of 0.01.
    assert inside == pytest.approx(0.8, abs=0.02)


def test_nonnegative_forecasts(frame):
    counts = frame.assign(y=np.arange(len(frame)) % 5 // 4)
    plain = make(SeasonalNaive).fit(counts).predict(counts)["0.1"]
    forecast = make(SeasonalNaive, nonnegative=True).fit(counts).predict(counts)["0.1"]
    assert (plain < 0).any()
    np.testing.assert_array_equal(forecast, np.maximum(plain, 0))


@pytest.mark.parametrize("kind", [SeasonalNaive, MLP])
def test_negative_targets_contradict_nonnegative(kind, frame):
    returned = frame.assign(y=frame.y.where(frame.index != 7, -2.0))
    forecaster = make(kind, nonnegative=True)
    message = r"zero or more with nonnegative=True, got -2 in series 'series 0' at 2021-01-08"
    for call in (forecaster.fit, forecaster.cross_validate):
        with pytest.raises(ValueError, match=message):
            call(returned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon to be a whole number >= 1"),
        ({"quantiles": (0.5, 0.1)}, "quantiles that increase"),
        ({"quantiles": (0.0, 0.5)}, "quantiles that increase"),
        ({"season": 0}, "season to be a whole number"),
        ({"head": "gauss"}, "a head of"),
        ({"half_life": -1.0}, "a positive half_life"),
        ({"freq": "daily"}, "freq as a pandas frequency, got 'daily'"),
        ({"freq": 0}, "freq to be a whole number >= 1"),
        ({"past": ["size"], "static": ["size"]}, "each covariate once"),
        ({"past": ["y"]}, "each covariate once"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(MQCNN, **options)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (MQTransformer, {"heads": 0}, "heads to be a whole number >= 1, got 0"),
        (MQTransformer, {"heads": 3}, "heads that divide the width, got heads=3 and width=8"),
        (MQTransformer, {"feedback": -1}, "feedback to be a whole number >= 0, got -1"),
        (MQTransformer, {"nearby": 4}, "nearby up to the horizon 3, .*, got 4"),
        (MQTransformer, {"nearby": -1}, "nearby to be a whole number >= 0, got -1"),
        (MQTransformer, {"window": 0}, "window to be a whole number >= 1, got 0"),
        (MQTransformer, {"positions": 0}, "positions to be a whole number >= 1, got 0"),
        (MQCNN, {"kernel": 0}, "kernel to be a whole number >= 1, got 0"),
        (MQCNN, {"dilations": ()}, r"at least one layer, got dilations=\(\)"),
        (MLP, {"season": 7.0}, r"season to be a whole number >= 1, got 7\.0"),
        (MLP, {"width": 1}, "width to be a whole number >= 2, got 1"),
        (MLP, {"seed": 0.5}, r"seed to be a whole number >= 0, got 0\.5"),
        (MLP, {"learning_rate": 0.0}, "a positive, finite learning_rate"),
        (MLP, {"weight_decay": -1.0}, "weight_decay >= 0"),
    ],
)
def test_options_that_no_network_can_have_are_refused_when_it_is_built(kind, options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        make(kind, **options)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("columns", [[60], [-1], [3, 3], [5, 4], [1.0], [[1]], []])
def test_forecasts_are_made_at_columns_of_the_panel(frame, columns):
    """A column beyond the last would be moved to it, and its forecast be one date late."""
    forecaster = make(SeasonalNaive).fit(frame)
    panel = forecaster.schema.panel(frame)
    with pytest.raises(ValueError, match=r"increasing whole numbers from 0 to 59, got \["):
        forecaster.forecast(panel, np.array(columns))


class Own(SeasonalNaive):
    """One that `load` would not find."""


def test_only_what_can_be_loaded_is_saved(frame, tmp_path):
    for made in (Own(horizon=3), Conformal(Own(horizon=3), windows=5)):
        with pytest.raises(TypeError, match=r"a forecaster of jaxsci\.forecasting, .* got Own of"):
            made.fit(frame).save(tmp_path / "own")
    assert not list(tmp_path.iterdir())


def test_a_save_that_fails_leaves_what_was_there(frame, tmp_path, monkeypatch):
    first, other = (
        Conformal(make(SeasonalNaive, season=season), windows=5).fit(frame) for season in (6, 4)
    )
    first.save(tmp_path / "saved")

    def full(self):
        raise OSError("no space left")

    with monkeypatch.context() as disk:
        # The one inside comes last.
        disk.setattr(SeasonalNaive, "_options", full)
        with pytest.raises(OSError, match="no space left"):
            other.save(tmp_path / "saved", overwrite=True)
    assert load(tmp_path / "saved").season == 6
    other.save(tmp_path / "saved", overwrite=True)
    assert load(tmp_path / "saved").season == 4
    # Nothing else is left behind.
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    (tmp_path / "notes").mkdir()
    with pytest.raises(FileExistsError, match="expected to overwrite a saved forecaster"):
        other.save(tmp_path / "notes", overwrite=True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantiles": None}, "quantiles to be given or left out"),
        ({"quantiles": 0.5}, r"quantiles as a sequence of levels, got 0\.5"),
        ({"quantiles": "0.5"}, "quantiles as a sequence of levels, got '0.5'"),
        ({"season": None}, "season to be given or left out"),
        ({"freq": 1.5}, "freq as a pandas frequency in letters or a whole number"),
    ],
)
def test_options_of_another_kind_are_refused(options, message):
    with pytest.raises(TypeError, match=message):
        make(SeasonalNaive, **options)


def test_names_of_covariates_are_a_list():
    with pytest.raises(TypeError, match="as a list of column names"):
        make(MQCNN, past="sales")


def test_wrong_calls_are_refused(frame, tmp_path):
    with pytest.raises(RuntimeError, match="MQCNN expected to be fitted first"):
        make(MQCNN).predict(frame)
    with pytest.raises(ValueError, match="ask for fewer windows"):
        make(SeasonalNaive).cross_validate(frame, windows=100)
    with pytest.raises(FileNotFoundError, match="by Forecaster"):
        load(tmp_path)
    fitted = make(SeasonalNaive, future=["event"]).fit(frame)
    with pytest.raises(ValueError, match="for 3 dates after the last known target of each series"):
        fitted.predict(frame)
    with pytest.raises(
        ValueError,
        match=r"got 1 of them missing for 'series 0', the first at 2021-03-04.* and 4 such series",
    ):
        fitted.predict(frame, rows_ahead(frame, 2))


def test_forecasts_do_not_depend_on_the_batch(frame, fitted, monkeypatch):
    """Three series a batch: the last is filled up."""
    forecaster = fitted(MQCNN)
    whole = forecaster.backtest(frame, 2).values
    monkeypatch.setattr(passes, "_CELLS", 18)
    # Round-off of matrix products in another order.
    np.testing.assert_allclose(forecaster.backtest(frame, 2).values, whole, rtol=1e-5)


@pytest.mark.parametrize("method", ["fit", "cross_validate"])
def test_rows_in_parts_are_refused_before_anything_is_learned(frame, method):
    parts = iter([frame])
    options = {"windows": 1, "step": 1} if method == "cross_validate" else {}
    with pytest.raises(TypeError, match=r"expected a pandas or polars frame.*got list_iterator"):
        getattr(make(SeasonalNaive), method)(parts, **options)
    assert next(parts) is frame
