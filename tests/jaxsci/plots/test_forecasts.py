"""Figures of forecasts: what is drawn is what was given, by date and by number; refusals."""

import io
import sys

import matplotlib
import numpy as np
import pytest

from jaxsci.plots import backtest_traces, fan_chart, reliability, save, volatility_by_lead

DATES = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
VALUES = np.arange(6.0)[:, None] + 2 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def fan(**options):
    history = DATES[:4], np.arange(4.0)
    return fan_chart(DATES[4:], VALUES, LEVELS, history=history, **options)


def reliable():
    return reliability([0.1, 0.5, 0.9], {"A": [0.2, 0.5, np.nan]}, targets=100)


def volatile():
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(size=(7, 4)), axis=1)
    target = np.where(np.arange(7) == 2, np.nan, path[:, -1] + 0.1)
    return volatility_by_lead([3, 2, 1, 0], {"A": path}, target), path, target


def traces():
    forecasts = [(DATES[i : i + 3], np.arange(3.0) + i) for i in (2, 4, 6)]
    return backtest_traces((DATES, np.arange(10.0)), forecasts, unit="kg")


def test_fan_chart_draws_nested_bands_and_the_median():
    axes = fan(quantity="demand", unit="kg")
    assert texts(axes) == ["0.1 to 0.9", "0.25 to 0.75", "median", "observed"]
    for band, (low, high) in zip(axes.collections, ((0, 4), (1, 3)), strict=True):
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == VALUES[:, low].min()
        assert corners.max() == VALUES[:, high].max()
    wide, narrow = (band.get_facecolor()[0] for band in axes.collections)
    assert (narrow[:3] <= wide[:3]).all()  # darker
    assert wide[3] == narrow[3] == 1
    np.testing.assert_array_equal(lines(axes)["median"].get_ydata(), VALUES[:, 2])
    np.testing.assert_array_equal(lines(axes)["observed"].get_xdata(), DATES[:4])
    assert axes.get_ylabel() == "demand [kg]"


def test_what_came_continues_the_history_and_may_have_gaps():
    came = np.array([4.0, np.nan, 6.0, 7.0, np.nan, np.nan])
    line = lines(fan(observed=came))["observed"]
    np.testing.assert_array_equal(line.get_xdata(), DATES)
    np.testing.assert_array_equal(line.get_ydata(), [0, 1, 2, 3, *came])
    alone = fan_chart(range(6), VALUES[:, :2], (0.1, 0.25), observed=came)
    assert texts(alone) == ["0.1 to 0.25", "observed"]


def test_a_single_level_is_a_line():
    axes = fan_chart(range(6), VALUES[:, :1], (0.9,))
    assert texts(axes) == ["0.9"]
    assert not axes.collections


def test_dates_have_short_labels():
    axes = fan()
    axes.figure.draw_without_rendering()
    assert {len(tick.get_text()) for tick in axes.get_xticklabels()} <= {2, 3}


@pytest.mark.parametrize("name", ["A", "MQ-CNN, one fork, equal time, calibrated"])
def test_reliability_has_room_for_the_names(name):
    axes = reliability([0.1, 0.9], {name: [0.1, 0.9]})
    figure = axes.figure
    figure.savefig(io.BytesIO())
    drawn = figure.get_tightbbox()
    # In inches; half a pixel of round-off.
    assert min(drawn.x0, drawn.y0) >= -0.005
    assert drawn.x1 <= figure.get_figwidth() + 0.005


def test_reliability_draws_shares_the_diagonal_and_the_standard_errors():
    axes = reliable()
    assert texts(axes) == ["calibrated", "± 2 standard errors", "A"]
    np.testing.assert_array_equal(lines(axes)["A"].get_ydata(), [0.2, 0.5, np.nan])
    np.testing.assert_array_equal(lines(axes)["calibrated"].get_ydata(), [0, 1])
    corners = axes.collections[0].get_paths()[0].vertices
    middle = corners[np.isclose(corners[:, 0], 0.5), 1]
    np.testing.assert_allclose([middle.min(), middle.max()], [0.4, 0.6])  # 2 √(1/4/100) = 0.1
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))


def test_revisions_are_drawn_at_the_lead_of_the_new_forecast():
    axes, path, target = volatile()
    assert texts(axes) == ["A, realised", "A, allowed"]
    known = ~np.isnan(target)
    path, target = path[known], target[known]
    realised, allowed = lines(axes)["A, realised"], lines(axes)["A, allowed"]
    np.testing.assert_array_equal(realised.get_xdata(), [2, 1, 0])
    np.testing.assert_allclose(realised.get_ydata(), (np.diff(path) ** 2).mean(0))
    squares = ((path - target[:, None]) ** 2).mean(0)
    np.testing.assert_allclose(allowed.get_ydata(), squares[:-1] - squares[1:])
    left, right = axes.get_xlim()
    assert left > right


def test_traces_grow_darker_over_the_truth():
    axes = traces()
    assert texts(axes) == ["observed", "first forecast", "last forecast"]
    truth, *forecasts = axes.get_lines()
    np.testing.assert_array_equal(truth.get_ydata(), np.arange(10.0))
    assert [line.get_xdata()[0] for line in forecasts] == list(DATES[[2, 4, 6]])
    reds = [line.get_color()[0] for line in forecasts]
    assert reds == sorted(reds, reverse=True)
    assert len(set(reds)) == 3
    assert min(line.get_zorder() for line in forecasts) > truth.get_zorder()
    one = backtest_traces((range(4), range(4)), [((2, 3), (2, 3))])
    assert texts(one) == ["observed", "forecast"]


def test_files_and_global_state(tmp_path):
    before = dict(matplotlib.rcParams)
    for i, draw in enumerate((fan, reliable, lambda: volatile()[0], traces)):
        axes = draw()
        first, second = (save(a, tmp_path / f"{i}{n}.png") for n, a in enumerate((axes, draw())))
        assert first.read_bytes() == second.read_bytes()
        box, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert frame.x1 <= box.x0 < box.x1 <= axes.figure.bbox.x1
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"fan_chart expected quantiles of shape \(6, levels\)"):
        fan_chart(DATES[4:], VALUES.T, LEVELS)
    for levels in ((0.5, 0.1, 0.6, 0.7, 0.9), (10, 25, 50, 75, 90), (0.1, 0.5, 0.9)):
        with pytest.raises(ValueError, match="levels that increase inside"):
            fan_chart(DATES[4:], VALUES, levels)
    with pytest.raises(ValueError, match="dates to be at least 2 increasing"):
        fan_chart(DATES[:3:-1], VALUES, LEVELS)
    with pytest.raises(ValueError, match=r"a history that ends before 2024-01-05, .* 2024-01-05"):
        fan_chart(DATES[4:], VALUES, LEVELS, history=(DATES[:5], np.arange(5.0)))
    with pytest.raises(ValueError, match=r"observed of shape \(6,\), got \(5,\)"):
        fan(observed=np.zeros(5))
    with pytest.raises(ValueError, match=r"reliability expected coverages of 'A' in \[0, 1\]"):
        reliability([0.1, 0.9], {"A": [10, 90]})
    with pytest.raises(ValueError, match="reliability expected levels that increase"):
        reliability([0.9, 0.1], {})
    with pytest.raises(ValueError, match="at least 1 target, got 0"):
        reliability([0.1, 0.9], {}, targets=0)
    with pytest.raises(ValueError, match="−leads to be at least 2 increasing"):
        volatility_by_lead([0, 1], {}, np.zeros(3))
    with pytest.raises(ValueError, match=r"paths of 'A' of shape \(3, 2\), .*, got \(2, 3\)"):
        volatility_by_lead([1, 0], {"A": np.zeros((2, 3))}, np.zeros(3))
    with pytest.raises(ValueError, match="one that is not NaN"):
        volatility_by_lead([1, 0], {}, np.full(3, np.nan))
    truth = DATES, np.arange(10.0)
    with pytest.raises(ValueError, match="forecast 1 to be at least 2 increasing"):
        backtest_traces(truth, [truth, (DATES[::-1], np.arange(10.0))])
    with pytest.raises(ValueError, match="beginning later than the one before, got 2"):
        backtest_traces(truth, [truth, truth])
    with pytest.raises(ValueError, match="at least 1 forecast"):
        backtest_traces(truth, [])
