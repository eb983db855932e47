"""The lineage of demand forecasters where the truth is known: how far from it is each?

demand (drawn) -> fit every forecaster before the test period -> forecast on each of its days -> score -> plot.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.mq_forecaster.config import EVENTS, SYNTHETIC, SyntheticConfig
from experiments.mq_forecaster.demand import (
    FUTURE,
    INTERMITTENT,
    NEW,
    REGULAR,
    Sales,
    draw,
)
from experiments.mq_forecaster.pace import training_pace
from jaxsci import plots
from jaxsci.experiment import Experiment, Rows
from jaxsci.forecasting import (
    ETS,
    MLP,
    MQCNN,
    MQRNN,
    SQRF,
    Forecaster,
    ForecastGrid,
    MQTransformer,
    SeasonalNaive,
)
from jaxsci.metrics import (
    excess_volatility,
    quantile_coverage,
    weighted_quantile_loss,
)

SEASON = 7
ORACLE, WINDOWS, FAR = "the true quantiles", "MQ-CNN, one fork", "MQ-CNN, far"
COPYING = "MQTransformer, copying"
WINDOWS_TIME = f"{WINDOWS}, equal time"


def run_seed(config: SyntheticConfig, seed: int, out: Path) -> Rows:
    """Fit and judge every forecaster on one draw of the demand."""
    sales = draw(config.data, seed)
    first = config.data.days - config.data.test_days
    # Every date from the last before the test period to the last whose H targets are all known.
    days = np.arange(first - 1, config.data.days - config.horizon)
    grids: dict[str, ForecastGrid] = {}
    rows: dict[str, dict[str, float]] = {}
    for name, forecaster in forecasters(config, seed).items():
        local = isinstance(forecaster, SeasonalNaive | ETS)
        asked = days[:: config.every] if local else days
        start = time.perf_counter()
        grids[name] = forecast(forecaster, sales, first, asked)
        rows[name] = {"seconds": time.perf_counter() - start}
    if WINDOWS in rows:
        pair = forecasters(with_steps(config, 1), seed)
        forking, single = (training_pace(pair[n], sales.frame)[0] for n in ("MQ-CNN", WINDOWS))
        steps = max(1, round(config.training.steps * forking / single))
        start = time.perf_counter()
        longer = forecasters(with_steps(config, steps), seed)[WINDOWS]
        grids[WINDOWS_TIME] = forecast(longer, sales, first, days)
        rows[WINDOWS_TIME] = {"seconds": time.perf_counter() - start}
    reference = grids["MQ-CNN"]
    truth = sales.quantiles(days, config.horizon, config.quantiles)
    grids[ORACLE] = ForecastGrid(reference.panel, days, config.quantiles, truth)
    rows[ORACLE] = {}
    for name, grid in grids.items():
        rows[name] = scores(config, grid, sales, days) | rows[name]
    for row in rows.values():
        row["wQL over the true one"] = row["wQL"] / rows[ORACLE]["wQL"]
    figures(config, grids, sales, out)
    return rows


def forecasters(config: SyntheticConfig, seed: int) -> dict[str, Any]:
    """Those that are compared, the simple ones first."""
    local: dict[str, Any] = {
        "horizon": config.horizon,
        "quantiles": config.quantiles,
        "season": SEASON,
        "nonnegative": True,
    }
    pooled: dict[str, Any] = local | {"future": FUTURE, "static": config.data.static}
    network: dict[str, Any] = pooled | config.training.options(seed)
    sampled: dict[str, Any] = network | {"forks": 1}
    # Doubling dilations, until the convolutions reach as far as the attention.
    window = config.window or None
    far = tuple(2**k for k in range(config.window.bit_length()))
    every = {
        "seasonal naive": SeasonalNaive(**local),
        "ETS": ETS(**local),
        "SQRF": SQRF(**pooled, trees=config.trees, seed=seed),
        "MLP": MLP(**network),
        "MQ-RNN": MQRNN(**network),
        WINDOWS: MQCNN(**sampled),
        "MQ-CNN": MQCNN(**network),
        FAR: MQCNN(**network, dilations=far or None),
        "MQTransformer": MQTransformer(**network, window=window),
        COPYING: MQTransformer(**network, window=window, copy=True),
    }
    return {name: every[name] for name in config.models}


def with_steps(config: SyntheticConfig, steps: int) -> SyntheticConfig:
    """The same, but for the steps of the networks."""
    return replace(config, training=replace(config.training, steps=steps))


def forecast(forecaster: Forecaster, sales: Sales, first: int, days: np.ndarray) -> ForecastGrid:
    """Fit before the day `first`, and forecast on each of these days."""
    frame = sales.frame
    if isinstance(forecaster, SeasonalNaive | ETS):
        # They forecast nothing for items without history; those are judged apart.
        names = np.unique(frame["unique_id"])[sales.kinds != NEW]
        frame = frame.loc[frame["unique_id"].isin(list(names))]
    # What is known ahead at the end of the training period is known for the next days too.
    seen = frame.loc[frame["ds"] < first + forecaster.horizon]
    learned = seen.assign(y=seen["y"].where(seen["ds"] < first))
    forecaster.fit(learned)
    panel = forecaster.schema.panel(frame)
    return forecaster.forecast(panel, days)


def scores(
    config: SyntheticConfig, grid: ForecastGrid, sales: Sales, days: np.ndarray
) -> dict[str, float]:
    """Weighted quantile losses, coverage and volatility of one forecaster."""
    levels = np.asarray(config.quantiles)
    full = len(grid.panel.ids) == len(sales.kinds)
    kinds = sales.kinds if full else sales.kinds[sales.kinds != NEW]
    shared = np.isin(grid.columns, days[:: config.every])
    targets, observed = grid.targets
    near = sales.near[np.asarray(grid.columns)[:, None] + np.arange(1, config.horizon + 1)]

    def loss(mask):
        value = weighted_quantile_loss(
            jnp.asarray(grid.values, jnp.float32),
            levels,
            jnp.asarray(targets, jnp.float32),
            jnp.asarray(observed & mask),
        )
        return float(value)

    old = (kinds != NEW)[:, None, None]
    row = {"wQL": loss(old & shared[:, None])}
    row["wQL near holidays"] = loss(old & shared[:, None] & near)
    row["wQL, intermittent"] = loss((kinds == INTERMITTENT)[:, None, None] & shared[:, None])
    if not full:
        return row
    row["wQL, new items"] = loss((kinds == NEW)[:, None, None] & np.ones_like(near))
    row["wQL near holidays, all days"] = loss(old & near)
    regular = kinds == REGULAR
    row["largest error of coverage"] = float(np.abs(coverage(grid, regular) - levels).max())
    return row | volatility(grid, regular)


def volatility(grid: ForecastGrid, regular: np.ndarray) -> dict[str, float]:
    """Of the logarithm of the median, which of the truth is a martingale: its revisions have no excess."""

    def logarithm(x):
        return jnp.log(jnp.maximum(jnp.asarray(x[regular], jnp.float32), 1e-3))

    path = logarithm(grid.path(0.5))
    target = logarithm(grid.targets[0][:, grid.horizon - 1 :, 0])
    return {"excess volatility ×1e-3": 1e3 * float(excess_volatility(path, target))}


def coverage(grid: ForecastGrid, regular: np.ndarray) -> np.ndarray:
    """Share of the regular items' targets at or below each quantile."""
    values = jnp.asarray(grid.values[regular], jnp.float32)
    targets = jnp.asarray(grid.targets[0][regular], jnp.float32)
    return np.asarray(quantile_coverage(values, grid.levels, targets))


def figures(
    config: SyntheticConfig, grids: dict[str, ForecastGrid], sales: Sales, out: Path
) -> None:
    """A fan around a holiday, and coverage."""
    days = np.asarray(grids["MQ-CNN"].columns)
    feast = days[np.argmax([sales.near[d + 2 : d + config.horizon].sum() for d in days])]
    item = int(np.flatnonzero(sales.kinds == REGULAR)[0])
    back = np.arange(max(0, feast - 3 * config.horizon), feast + 1)
    ahead = np.arange(feast + 1, feast + 1 + config.horizon)
    for name in [n for n in ("MQ-CNN", "MQTransformer", COPYING, ORACLE) if n in grids]:
        grid = grids[name]
        values = grid.values[item, int(np.flatnonzero(days == feast)[0])]
        axes = plots.fan_chart(
            ahead,
            values,
            config.quantiles,
            history=(back, grid.panel.y[item, back]),
            observed=grid.panel.y[item, ahead],
            title=f"{name}: a regular item before a holiday",
        )
        plots.save(axes, out / f"fan-{name.replace(', ', '-').replace(' ', '-').lower()}.png")
    pooled = {n: g for n, g in grids.items() if len(g.panel.ids) == len(sales.kinds)}
    regular = sales.kinds == REGULAR
    shares = {name: coverage(grid, regular) for name, grid in pooled.items()}
    plots.save(plots.reliability(config.quantiles, shares), out / "reliability.png")


def _experiment(
    name: str, claim: str, presets: Mapping[str, SyntheticConfig]
) -> Experiment[SyntheticConfig]:
    return Experiment(
        name=name,
        claim=claim,
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline="seasonal naive",
    )


LINEAGE = _experiment(
    "mq-synthetic",
    "Each generation of demand forecasters is closer to the true quantiles than the one before.",
    SYNTHETIC,
)
OWN_REACTIONS = _experiment(
    "mq-events",
    "Attention over the past forecasts better around events that every item reacts to in its own way.",
    EVENTS,
)
