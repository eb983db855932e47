"""Early stopping by the last dates: which they are, what judges on them, and what that is worth."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP, MQCNN, SeasonalNaive, forking_loss
from jaxsci.forecasting.forking import normals
from jaxsci.forecasting.learning.holdout import dates_held_out
from jaxsci.metrics import quantile_loss

LEVELS = np.arange(1, 10) / 10


@pytest.fixture
def panel(frame):
    return MLP(horizon=3, season=6)._learn_schema(frame).panel(frame)


def test_a_tenth_of_the_dates_is_held_out_where_that_is_little(panel):
    """Of 60 dates."""
    found = [dates_held_out("MLP", panel, None, horizon) for horizon in (3, 6, 7, 15, 16, 100)]
    assert found == [6, 6, 7, 15, 0, 0]
    assert dates_held_out("MLP", panel, 20, 3) == 20


@pytest.mark.usefixtures("unchecked")
def test_a_holdout_leaves_something_to_learn_from(frame):
    options = {"horizon": 3, "steps": 1, "width": 2, "window": 2}
    with pytest.raises(
        ValueError, match="MLP expected holdout to leave known targets, got 60 of 60"
    ):
        MLP(holdout=60, **options).fit(frame)
    with pytest.raises(ValueError, match="holdout to be a whole number >= 0"):
        MLP(holdout=-1, **options)


def test_it_is_the_loss_of_the_forecasts_of_the_last_dates(frame):
    model = MLP(horizon=3, season=6, window=6, width=8, steps=2, holdout=7).fit(frame)
    panel = model.schema.panel(frame)
    found = model._judge(panel, 7, model.network, forking_loss, None)(model.network)["loss"]
    columns = np.arange(52, 59)
    grid = model.forecast(panel, columns)
    targets, known = grid.targets
    scale = normals(panel.y, panel.observed, model._prior, model.half_life).scale[:, columns]
    q = np.asarray(model.quantiles)
    u = targets[..., None] - grid.values
    loss = np.maximum(q * u, (q - 1) * u).mean(-1) / scale[..., None]
    np.testing.assert_allclose(found, loss[known].mean(), rtol=1e-5)


def test_targets_held_out_are_in_no_batch(frame):
    model = MLP(horizon=3, season=6, window=6, width=8, steps=1).fit(frame)
    panel = model.schema.panel(frame)
    panel.y[:, 50:] = 1e9
    source = model.source(panel, model.network, key=jax.random.key(0), held=10)
    batch = eqx.filter_jit(lambda source, position: source.batch(position))
    for position in range(20):
        series, targets, observed = batch(source, jnp.asarray(position, jnp.int32))
        seen = np.where(observed, targets - series.zero[:, None, None], 0)
        assert np.abs(seen * model._prior.unit).max() < 1e8


def few(seed):
    """Five series of 286 days: a week, a year and noise that stays for a while."""
    rng = np.random.default_rng(seed)
    t, parts = np.arange(286), []
    for i in range(5):
        noise = np.zeros(len(t))
        for day in t[1:]:
            noise[day] = 0.5 * noise[day - 1] + rng.normal()
        week, year = np.sin(2 * np.pi * t / 7 + rng.uniform(0, 6)), np.sin(2 * np.pi * t / 365)
        y = 10 ** rng.uniform(1, 3) * (1 + 0.2 * week + 0.1 * year + 0.1 * noise)
        days = pd.date_range("2023-01-01", periods=len(t))
        parts.append(pd.DataFrame({"unique_id": f"s{i}", "ds": days, "y": y}))
    return pd.concat(parts, ignore_index=True)


def judged(forecaster, frame):
    """Quantile loss over mean size, and the share between the outer deciles."""
    made = forecaster.cross_validate(frame, windows=4, step=7)
    values = made[[f"{q:g}" for q in LEVELS]].to_numpy()
    y, size = made.y.to_numpy(), made.groupby("unique_id").y.transform("mean").to_numpy()
    loss = np.asarray(quantile_loss(values / size[:, None], LEVELS, y / size)).mean()
    return loss, ((values[:, 0] <= y) & (y <= values[:, -1])).mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MLP, MQCNN])
def test_few_series_are_not_learned_by_heart(kind):
    """With its defaults; after all 1000 steps intervals of .8 held .2 of the targets, at 1.6 times the loss."""
    found, naive = [], []
    for seed in range(2):
        frame = few(seed)
        found.append(judged(kind(horizon=7, season=7, seed=seed), frame))
        naive.append(judged(SeasonalNaive(horizon=7, season=7), frame))
    loss, coverage = np.mean(found, 0)
    assert loss < np.mean(naive, 0)[0]
    # 280 targets that go together in weeks: a standard error of some .05.
    assert coverage == pytest.approx(0.8, abs=0.15)
