r"""MQ-CNN learns true quantiles: an autoregression whose noise depends on a day that is known.

y_t = ρ y_{t−1} + σ_{t mod 5} ε_t,    y_{t+h} | y_t ~ N( ρ^h y_t, Σ_{j=1}^{h} ρ^{2(h−j)} σ²_{(t+j) mod 5} )
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jaxsci.forecasting import MQCNN

RHO, SIGMA, LEVELS, HORIZON = 0.7, np.array([0.5, 1.0, 2.0, 1.0, 0.5]), (0.1, 0.5, 0.9), 10


def drawn(series, length, seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(series, length + 50)) * SIGMA[np.arange(-50, length) % 5]
    y = np.zeros_like(noise)
    for t in range(1, length + 50):
        y[:, t] = RHO * y[:, t - 1] + noise[:, t]
    y = y[:, 50:]
    names = np.repeat([f"s{i:04d}" for i in range(series)], length)
    day = np.tile(np.arange(length), series)
    phase = np.char.add("p", (day % 5).astype(str))
    return pd.DataFrame({"unique_id": names, "ds": day, "y": y.ravel(), "phase": phase}), y


def true_quantiles(y, columns):
    h = np.arange(1, HORIZON + 1)
    mean = y[:, columns, None] * RHO**h
    ahead = SIGMA[(columns[:, None] + h) % 5] ** 2
    weights = np.where(h[:, None] >= h, RHO ** (2.0 * (h[:, None] - h)), 0.0)
    deviation = np.sqrt(ahead @ weights.T)
    return mean[..., None] + deviation[..., None] * norm.ppf(LEVELS)


def pinball(values, target):
    error = target[..., None] - values
    return np.maximum(np.asarray(LEVELS) * error, (np.asarray(LEVELS) - 1) * error)


def one_of_each(forecaster, seed):
    """Quantiles, the true ones and the target of one horizon of each of 10,000 series, at one of five dates."""
    fresh, y = drawn(10_000, 150, seed)
    series = np.arange(len(y))
    columns, date, h = np.arange(128, 133), series % 5, series // 5 % HORIZON
    grid = forecaster.forecast(forecaster.schema.panel(fresh), columns)
    truth = true_quantiles(y, columns)
    return *(x[series, date, h] for x in (grid.values, truth)), y[series, columns[date] + 1 + h]


@pytest.mark.slow
def test_quantiles_of_an_autoregression_are_learned():
    frame, _ = drawn(300, 250, seed=0)
    forecaster = MQCNN(
        horizon=HORIZON,
        quantiles=LEVELS,
        season=5,
        future=["phase"],
        # The process forgets in days, so the level is that of the whole history.
        half_life=200.0,
        steps=1500,
        seed=0,
    ).fit(frame)
    # One target of each of 50,000 other series, so that all are independent.
    parts = [one_of_each(forecaster, seed) for seed in range(1, 6)]
    values, truth, target = (np.concatenate(x) for x in zip(*parts, strict=True))
    assert len(target) == 5e4
    np.testing.assert_allclose((target[:, None] <= values).mean(0), LEVELS, atol=0.02)
    # The formula itself is right: four standard errors of 50,000 independent targets.
    error = 4 * np.sqrt(np.multiply(LEVELS, np.subtract(1, LEVELS)) / len(target))
    assert (np.abs((target[:, None] <= truth).mean(0) - LEVELS) < error).all()
    assert pinball(values, target).sum() <= 1.03 * pinball(truth, target).sum()
