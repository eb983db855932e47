"""What is learned of series is the same in any unit, and at any level that leaves doubles digits for them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP, MQCNN, MQRNN, SQRF, Coherent, Hierarchy, MQTransformer

SMALL: dict[str, Any] = {"steps": 3, "width": 8, "batch_size": 4, "forks": 4, "holdout": 0}
KINDS: dict[Any, dict[str, Any]] = {
    MLP: SMALL,
    MQRNN: SMALL,
    MQCNN: SMALL | {"dilations": (1, 2)},
    MQTransformer: SMALL | {"dilations": (1, 2), "window": 6, "heads": 2, "copy": True},
    SQRF: {"trees": 5, "max_rows": 300},
}
LEVELS = ["0.1", "0.5", "0.9"]


def slow(case):
    return pytest.param(case, marks=pytest.mark.slow)


def noise(length=80, series=3):
    t = np.arange(length)
    rng = np.random.default_rng(0)
    return np.sin(2 * np.pi * t / 6) + rng.normal(size=(series, length))


def frame_of(y):
    count, length = y.shape
    names = np.repeat([f"s{i}" for i in range(count)], length)
    return pd.DataFrame(
        {"unique_id": names, "ds": np.tile(np.arange(length), count), "y": y.ravel()}
    )


def forecast(kind, y, **options):
    built = KINDS[kind] | {"horizon": 3, "season": 6, "quantiles": (0.1, 0.5, 0.9)} | options
    frame = frame_of(y)
    return kind(**built).fit(frame).predict(frame)[LEVELS].to_numpy()


@pytest.mark.parametrize("kind", [MLP, MQCNN, SQRF, *map(slow, (MQRNN, MQTransformer))])
def test_forecasts_are_in_the_units_of_the_series(kind):
    """f(c y) = c f(y), c of 10¹² away from one: what is learned depends on c by round-off alone."""
    plain = forecast(kind, noise())
    for c in (1e-12, 1e12) if kind in (MLP, SQRF) else (1e12,):
        # Of training in single precision, a few steps of it.
        np.testing.assert_allclose(forecast(kind, c * noise()) / c, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [MLP, SQRF, *map(slow, (MQRNN, MQCNN, MQTransformer))])
def test_a_large_level_costs_no_digits(kind):
    """At level 10⁸ the intervals of a spread of 2 are as wide as at level 10; they were 100 times as wide."""
    options = {"steps": 60} if "steps" in KINDS[kind] else {}
    near, far = (forecast(kind, level + 2 * noise(), **options) - level for level in (10.0, 1e8))
    widths = [x[:, 2] - x[:, 0] for x in (near, far)]
    # What is typical of the spread weighs as one observation more: it is not quite the same at both.
    np.testing.assert_allclose(widths[1].mean(), widths[0].mean(), rtol=0.15)
    assert np.abs(far).max() < 20


@pytest.mark.parametrize("end_to_end", [slow(False), True])
def test_sums_of_a_large_level_keep_their_digits(end_to_end):
    """Networks trained on forecasts that add up see differences from numbers that add up."""
    hierarchy = Hierarchy.from_labels({"name": ["x", "y"]})
    summing = np.asarray(hierarchy.summing)
    found = []
    for level in (10.0, 1e8):
        bottom = level + 2 * noise(series=2)
        frame = frame_of(summing @ bottom)
        frame["unique_id"] = np.repeat(hierarchy.ids, bottom.shape[1])
        inner = MLP(
            **SMALL | {"steps": 60, "horizon": 3, "season": 6, "quantiles": (0.1, 0.5, 0.9)}
        )
        coherent = Coherent(inner, hierarchy, end_to_end=end_to_end).fit(frame)
        made = coherent.predict(frame)
        found.append((made["0.9"] - made["0.1"]).mean())
    np.testing.assert_allclose(found[1], found[0], rtol=0.15)
