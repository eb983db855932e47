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
    # Other series; dates far enough apart to be independent but for 0.7^10 = 3 %.
    fresh, y = drawn(600, 250, seed=1)
    columns = np.arange(119, 240, HORIZON)[-12:]
    values = forecaster.forecast(forecaster.schema.panel(fresh), columns).values
    target = y[:, columns[:, None] + np.arange(1, HORIZON + 1)]
    assert target.size >= 5e4
    share = (target[..., None] <= values).mean((0, 1, 2))
    np.testing.assert_allclose(share, LEVELS, atol=0.02)
    truth = true_quantiles(y, columns)
    # The formula itself is right: 7200 forecasts of 10 dependent targets have a standard error below 0.003.
    np.testing.assert_allclose((target[..., None] <= truth).mean((0, 1, 2)), LEVELS, atol=0.01)
    assert pinball(values, target).sum() <= 1.03 * pinball(truth, target).sum()
