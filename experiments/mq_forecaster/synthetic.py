"""The lineage of demand forecasters where the truth is known: how far from it is each?

demand (drawn) -> fit every forecaster before the test period -> forecast on each of its days -> score -> plot.
"""

import time
from pathlib import Path

import numpy as np

from experiments.mq_forecaster.config import SYNTHETIC, SyntheticConfig
from experiments.mq_forecaster.demand import (
    FUTURE,
    INTERMITTENT,
    NEW,
    REGULAR,
    STATIC,
    Sales,
    draw,
)
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
    allowed_volatility,
    martingale_volatility,
    quantile_coverage,
    weighted_quantile_loss,
)

SEASON = 7
ORACLE, WINDOWS = "the true quantiles", "MQ-CNN, one fork"


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


def forecasters(config: SyntheticConfig, seed: int) -> dict[str, Forecaster]:
    """Those that are compared, the simple ones first."""
    t = config.training
    local = {
        "horizon": config.horizon,
        "quantiles": config.quantiles,
        "season": SEASON,
        "nonnegative": True,
    }
    pooled = local | {"future": FUTURE, "static": STATIC}
    network = pooled | {
        "steps": t.steps,
        "batch_size": t.batch_size,
        "forks": t.forks,
        "width": t.width,
        "learning_rate": t.learning_rate,
        "seed": seed,
    }
    return {
        "seasonal naive": SeasonalNaive(**local),
        "ETS": ETS(**local),
        "SQRF": SQRF(**pooled, trees=config.trees, seed=seed),
        "MLP": MLP(**network),
        "MQ-RNN": MQRNN(**network),
        WINDOWS: MQCNN(**network | {"forks": 1}),
        "MQ-CNN": MQCNN(**network),
        "MQTransformer": MQTransformer(**network),
    }


def forecast(forecaster: Forecaster, sales: Sales, first: int, days: np.ndarray) -> ForecastGrid:
    """Fit before the day `first`, and forecast on each of these days."""
    frame = sales.frame
    if isinstance(forecaster, SeasonalNaive | ETS):
        # They forecast nothing for items without history; those are judged apart.
        names = np.unique(frame["unique_id"])[sales.kinds != NEW]
        frame = frame[frame["unique_id"].isin(names)]
    # What is known ahead at the end of the training period is known for the next days too.
    seen = frame[frame["ds"] < first + forecaster.horizon]
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
    near = sales.feasts[np.asarray(grid.columns)[:, None] + np.arange(1, config.horizon + 1)]

    def loss(mask):
        value = weighted_quantile_loss(
            grid.values.astype(np.float32), levels, targets.astype(np.float32), observed & mask
        )
        return float(value)

    old = (kinds != NEW)[:, None, None]
    row = {"wQL": loss(old & shared[:, None])}
    row["wQL near feasts"] = loss(old & shared[:, None] & near)
    row["wQL, intermittent"] = loss((kinds == INTERMITTENT)[:, None, None] & shared[:, None])
    if not full:
        return row
    row["wQL, new items"] = loss((kinds == NEW)[:, None, None] & np.ones_like(near))
    row["wQL near feasts, all days"] = loss(old & near)
    regular = kinds == REGULAR
    covered = quantile_coverage(
        grid.values[regular].astype(np.float32), levels, targets[regular].astype(np.float32)
    )
    row["largest error of coverage"] = float(np.abs(np.asarray(covered) - levels).max())
    return row | volatility(grid, regular)


def volatility(grid: ForecastGrid, regular: np.ndarray) -> dict[str, float]:
    """Revisions of the logarithm of the median, which the truth makes a martingale."""
    path = np.log(np.maximum(grid.path(0.5)[regular], 1e-3))
    target = np.log(np.maximum(grid.targets[0][regular][:, grid.horizon - 1 :, 0], 1e-3))
    realised = float(np.mean(martingale_volatility(path.astype(np.float32))))
    allowed = float(allowed_volatility(path.astype(np.float32), target.astype(np.float32)))
    return {"revisions over allowed": realised / allowed}


def figures(
    config: SyntheticConfig, grids: dict[str, ForecastGrid], sales: Sales, out: Path
) -> None:
    """A fan around a feast, and coverage."""
    days = np.asarray(grids["MQ-CNN"].columns)
    feast = days[np.argmax([sales.feasts[d + 2 : d + config.horizon].sum() for d in days])]
    item = int(np.flatnonzero(sales.kinds == REGULAR)[0])
    back = np.arange(max(0, feast - 3 * config.horizon), feast + 1)
    ahead = np.arange(feast + 1, feast + 1 + config.horizon)
    for name in ("MQ-CNN", "MQTransformer", ORACLE):
        grid = grids[name]
        values = grid.values[item, int(np.flatnonzero(days == feast)[0])]
        axes = plots.fan_chart(
            ahead,
            values,
            config.quantiles,
            history=(back, grid.panel.y[item, back]),
            observed=grid.panel.y[item, ahead],
            title=f"{name}: a regular item before a feast",
        )
        plots.save(axes, out / f"fan-{name.replace(' ', '-').lower()}.png")
    pooled = {n: g for n, g in grids.items() if len(g.panel.ids) == len(sales.kinds)}
    regular = sales.kinds == REGULAR
    coverage = {}
    for name, grid in pooled.items():
        targets = grid.targets[0][regular].astype(np.float32)
        coverage[name] = np.asarray(
            quantile_coverage(grid.values[regular].astype(np.float32), config.quantiles, targets)
        )
    plots.save(plots.reliability(config.quantiles, coverage), out / "reliability.png")


EXPERIMENT = Experiment(
    name="mq-synthetic",
    claim="Each generation of demand forecasters is closer to the true quantiles than the one before.",
    directory=Path(__file__).parent,
    presets=SYNTHETIC,
    run_seed=run_seed,
    baseline="seasonal naive",
)
