"""Published series: what is refused, how forecasts are judged, and that moved ones add up."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.mq_forecaster import series
from experiments.mq_forecaster.config import M4, TOURISM
from jaxsci.experiment import ExperimentError
from jaxsci.forecasting import MQCNN, Coherent, SeasonalNaive


def naive(config, frame):
    data = config.data
    forecaster = SeasonalNaive(horizon=data.HORIZON, quantiles=config.quantiles, season=data.SEASON)
    return forecaster.cross_validate(frame, windows=data.windows, step=data.step)


def test_a_run_without_the_files_says_which_and_from_where():
    with pytest.raises(ExperimentError, match=r"Hourly-train\.csv.*M4-methods.*DATA=PATH"):
        series.M4_HOURLY.check(M4["cpu"])


def test_the_smoke_preset_needs_no_files():
    series.M4_HOURLY.check(M4["smoke"])


def test_the_reference_has_an_owa_of_one_and_scores_do_not_depend_on_the_order_of_rows():
    config = M4["smoke"]
    frame = config.data.frame()
    forecast = naive(config, frame)
    judged = series.scored(config.data, frame, forecast)
    reference = series.point_scores(config.data, forecast, judged)
    row = series.scores(config, forecast, judged, reference)
    assert row["OWA"] == 1
    shuffled = forecast.sample(frac=1, random_state=0)
    assert series.scores(config, shuffled, judged, reference) == row


def test_the_history_ends_at_the_first_creation_date():
    config = TOURISM["smoke"]
    frame = config.data.frame()
    judged = series.scored(config.data, frame, naive(config, frame))
    one = frame.loc[frame["unique_id"] == judged.keys["unique_id"].iloc[0], "y"].to_numpy()
    unseen = config.data.HORIZON + (config.data.windows - 1) * config.data.step
    np.testing.assert_array_equal(judged.history[0], one[:-unseen])


def test_moved_forecasts_add_up_and_others_do_not():
    config = TOURISM["smoke"]
    frame, parts = config.data.frame(), config.data.parts()
    forecast = naive(config, frame)
    levels = [str(q) for q in config.quantiles]
    # Seasonal naive forecasts add up by themselves; these do not.
    forecast[levels] += np.where(forecast["unique_id"] == "s0", 1.0, 0.0)[:, None]
    assert series.gap(config, forecast, parts) > 1e-3
    moved = series.coherent({"naive": forecast}, frame, parts, 4)
    assert list(moved) == ["naive, bottom-up", "naive, ols", "naive, mint"]
    for table in moved.values():
        # Sums of eight numbers in double precision.
        assert series.gap(config, table, parts) < 1e-14


def test_seasonal_naive_has_the_published_scores_on_m4_hourly():
    folder = os.environ.get("JAXSCI_SERIES")
    if not folder or not (Path(folder) / "m4_hourly").is_dir():
        pytest.skip("JAXSCI_SERIES does not name a folder with m4_hourly")
    config = M4["cpu"]
    config = replace(config, data=replace(config.data, root=str(Path(folder) / "m4_hourly")))
    frame = config.data.frame()
    forecast = naive(config, frame)
    judged = series.scored(config.data, frame, forecast)
    percentage, scaled = series.point_scores(config.data, forecast, judged)
    # Published to three decimals.
    np.testing.assert_allclose(np.mean(percentage), 13.912, atol=5e-4)
    np.testing.assert_allclose(np.mean(scaled), 1.193, atol=5e-4)


def test_forecasts_learned_end_to_end_add_up_and_need_sums():
    config = TOURISM["smoke"]
    name = "MQ-CNN" + series.END_TO_END
    forecast, _ = series.cross_validated(config, name, 0)
    # Of order one, in double precision.
    assert series.gap(config, forecast, config.data.parts()) < 1e-12
    judged = series.forecaster(config, name, 0)
    assert isinstance(judged, Coherent)
    # 4 steps of 4 stretches are 2 of all 8 series; 4 of 16 are 4 of all series twice.
    assert (judged.forecaster.steps, judged.forecaster.batch_size) == (2, 8)
    wider = replace(config, training=replace(config.training, batch_size=17))
    alone = series.forecaster(wider, "MQ-CNN" + series.ALL_SERIES, 0)
    assert isinstance(alone, MQCNN)
    assert (alone.steps, alone.batch_size) == (4, 16)
    with pytest.raises(ValueError, match="expected models among"):
        replace(M4["smoke"], models=("seasonal naive", name))
