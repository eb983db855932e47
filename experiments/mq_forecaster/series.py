"""Forecasters on published series, beside classical ones and, where it is installed, neuralforecast.

series (of the user) -> fit every forecaster before the first creation date -> forecast -> score -> plot.
"""

import functools
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.mq_forecaster.config import (
    ALL_SERIES,
    END_TO_END,
    ETT,
    M4,
    TOURISM,
    SeriesConfig,
)
from experiments.mq_forecaster.config import PEERS as PEERS_PYTHON
from experiments.mq_forecaster.published import Published
from jaxsci import plots
from jaxsci.experiment import Experiment, ExperimentError, Rows
from jaxsci.forecasting import (
    ETS,
    MLP,
    MQCNN,
    MQRNN,
    Coherent,
    Forecaster,
    Hierarchy,
    MQTransformer,
    SeasonalNaive,
    Theta,
    reconcile_frame,
)
from jaxsci.forecasting.grid import quantile_name
from jaxsci.metrics import mase, owa, smape, weighted_quantile_loss

NAIVE = "seasonal naive"
# Nothing in them is random, and on long series they are the slowest: every seed shares their forecasts.
SEEDLESS = (NAIVE, "ETS", "Theta")
PEERS = {f"neuralforecast {name}": name for name in ("MLP", "NHITS")}
SCRIPT = Path(__file__).parent / "scripts" / "neuralforecast_quantiles.py"
_KEYS = ["unique_id", "cutoff", "ds"]


class Scored(NamedTuple):
    """What the forecasts of one data set are judged by, series and creation dates along the first axis.

    Attributes:
        keys: unique_id, cutoff, ds of each target, in this order.
        target: what came, ``(forecasts, horizon)``.
        history: values of the series before the first creation date, NaN in front, ``(forecasts, time)``.
    """

    keys: pd.DataFrame
    target: np.ndarray
    history: np.ndarray


def run_seed(config: SeriesConfig, seed: int, out: Path) -> Rows:
    """Fit and judge every forecaster on the same dates."""
    data = config.data
    frame = data.frame()
    found: dict[str, pd.DataFrame] = {}
    rows: dict[str, dict[str, float]] = {}
    for name in config.models:
        judge = _shared if name in SEEDLESS else cross_validated
        found[name], seconds = judge(config, name, 0 if name in SEEDLESS else seed)
        rows[name] = {"seconds": seconds}
    for name in PEERS if interpreter(config) else ():
        found[name], seconds = peer(config, name, frame, seed, out)
        rows[name] = {"seconds": seconds}
    judged = scored(data, frame, found[NAIVE])
    parts = data.parts()
    if parts:
        found |= coherent(found, frame, parts, data.SEASON)
    reference = point_scores(data, found[NAIVE], judged)
    for name, forecast in found.items():
        rows.setdefault(name, {})
        rows[name] = scores(config, forecast, judged, reference) | rows[name]
        if parts:
            rows[name]["largest gap"] = gap(config, forecast, parts)
    draw(config, frame, found, judged, out)
    return rows


def cross_validated(config: SeriesConfig, name: str, seed: int) -> tuple[pd.DataFrame, float]:
    """Forecasts of one forecaster, and the seconds that they took."""
    data = config.data
    frame, judged = data.frame(), forecaster(config, name, seed)
    start = time.perf_counter()
    forecast = judged.cross_validate(frame, windows=data.windows, step=data.step)
    return forecast, time.perf_counter() - start


_shared = functools.cache(cross_validated)


def forecaster(config: SeriesConfig, name: str, seed: int) -> Forecaster:
    """One of those that are compared."""
    data = config.data
    local: dict[str, Any] = {
        "horizon": data.HORIZON,
        "quantiles": config.quantiles,
        "season": data.SEASON,
    }
    network: dict[str, Any] = local | {"season": data.SEASONS} | config.training.options(seed)
    if name.endswith((END_TO_END, ALL_SERIES)):
        parts, training = data.parts(), config.training
        # As many stretches as the others see, in fewer steps: a batch has all series.
        batch_size = len(parts) * max(1, training.batch_size // len(parts))
        steps = max(1, training.steps * training.batch_size // batch_size)
        larger = replace(config, training=replace(training, steps=steps, batch_size=batch_size))
        inner = forecaster(larger, name.removesuffix(END_TO_END).removesuffix(ALL_SERIES), seed)
        if name.endswith(ALL_SERIES):
            return inner
        return Coherent(inner, hierarchy(parts), method="ols", end_to_end=True)
    make: dict[str, Callable[[], Forecaster]] = {
        NAIVE: lambda: SeasonalNaive(**local),
        "ETS": lambda: ETS(**local),
        "Theta": lambda: Theta(**local),
        "MLP": lambda: MLP(**network),
        "MQ-RNN": lambda: MQRNN(**network),
        "MQ-CNN": lambda: MQCNN(**network),
        "MQTransformer": lambda: MQTransformer(**network),
    }
    return make[name]()


def scored(data: Published, frame: pd.DataFrame, forecast: pd.DataFrame) -> Scored:
    """Targets and histories in the order of the sorted forecasts."""
    forecast = forecast.sort_values(_KEYS)
    target = forecast["y"].to_numpy().reshape(-1, data.HORIZON)
    # Backwards, so that the first creation date of a series is what stays.
    first = dict(zip(forecast["unique_id"][::-1], forecast["cutoff"][::-1], strict=True))
    learned = frame.loc[frame["ds"] <= frame["unique_id"].map(lambda name: first[name])]
    series = {name: y.to_numpy() for name, y in learned.groupby("unique_id")["y"]}
    longest = max(map(len, series.values()))
    names = forecast["unique_id"].to_numpy()[:: data.HORIZON]
    history = np.stack(
        [np.pad(series[n], (longest - len(series[n]), 0), constant_values=np.nan) for n in names]
    )
    return Scored(pd.DataFrame(forecast[_KEYS]), target, history)


def values(config: SeriesConfig, forecast: pd.DataFrame, judged: Scored) -> np.ndarray:
    """Quantiles, ``(forecasts, horizon, levels)``, of the same targets."""
    forecast = forecast.sort_values(_KEYS)
    assert (forecast["unique_id"].to_numpy() == judged.keys["unique_id"].to_numpy()).all()
    assert (forecast["ds"].to_numpy() == judged.keys["ds"].to_numpy()).all()
    columns = [quantile_name(q) for q in config.quantiles]
    return forecast[columns].to_numpy().reshape(*judged.target.shape, -1)


def point_scores(
    data: Published, forecast: pd.DataFrame, judged: Scored
) -> tuple[np.ndarray, np.ndarray]:
    """The sMAPE and MASE of each forecast's median."""
    median = forecast.sort_values(_KEYS)["0.5"].to_numpy().reshape(judged.target.shape)
    median, target, history = map(jnp.asarray, (median, judged.target, judged.history))
    percentage = smape(median, target)
    scaled = mase(median, target, history, season=data.SEASON)
    return np.asarray(percentage), np.asarray(scaled)


def scores(
    config: SeriesConfig,
    forecast: pd.DataFrame,
    judged: Scored,
    reference: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    """The columns of the table but for the time."""
    percentage, scaled = point_scores(config.data, forecast, judged)
    quantiles = values(config, forecast, judged)
    low, high = (quantiles[..., config.quantiles.index(q)] for q in (0.1, 0.9))
    return {
        "sMAPE": float(np.mean(percentage)),
        "MASE": float(np.mean(scaled)),
        "OWA": float(owa(*map(jnp.asarray, (percentage, scaled, *reference)))),
        "wQL ×1e-2": 1e2
        * float(
            weighted_quantile_loss(
                jnp.asarray(quantiles), np.asarray(config.quantiles), jnp.asarray(judged.target)
            )
        ),
        "coverage of 80 %": float(np.mean((low <= judged.target) & (judged.target <= high))),
    }


def coherent(
    found: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    parts: Mapping[str, tuple[str, ...]],
    season: int,
) -> dict[str, pd.DataFrame]:
    """The forecasts moved until series add up, by each method."""
    tree, moved = hierarchy(parts), {}
    for name, forecast in found.items():
        if name.endswith(END_TO_END):
            continue
        first = forecast["cutoff"].min()
        learned = frame.loc[frame["ds"] <= first].pivot(index="ds", columns="unique_id", values="y")
        # The seasonal naive forecast's, since every forecaster can share them.
        change = learned[list(parts)].diff(season).dropna().to_numpy()
        for method in ("bottom_up", "ols", "mint"):
            key = f"{name}, {method.replace('_', '-')}"
            moved[key] = reconcile_frame(forecast, tree, method=method, residuals=change)
    return moved


def hierarchy(parts: Mapping[str, tuple[str, ...]]) -> Hierarchy:
    """The sums that series are, in the order of `parts`."""
    names = sorted({name for some in parts.values() for name in some})
    return Hierarchy(
        np.array([[n in some for n in names] for some in parts.values()], int), tuple(parts)
    )


def gap(
    config: SeriesConfig, forecast: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]
) -> float:
    """The largest difference of a mean and the sum of its parts' means, over the largest mean.

    Means of the quantiles: quantiles of sums are not sums of quantiles, and are not made so.
    """
    means = forecast.assign(
        mean=forecast[[quantile_name(q) for q in config.quantiles]].mean(axis=1)
    )
    table = means.pivot(index=["cutoff", "ds"], columns="unique_id", values="mean")
    gaps = [
        (table[list(some)].sum(axis=1) - table[name]).abs().max() for name, some in parts.items()
    ]
    return float(max(gaps) / table.abs().max().max())


def interpreter(config: SeriesConfig) -> str:
    """The Python that has neuralforecast; "" for none."""
    if Path(config.peers).is_file():
        # Not resolved: an environment's interpreter is a link that finds its packages by its own place.
        return str(Path(config.peers).absolute())
    here = config.peers and importlib.util.find_spec("neuralforecast")
    return sys.executable if here else ""


def check(config: SeriesConfig) -> None:
    """Refuse to begin without the user's files, or with an interpreter that lacks neuralforecast."""
    config.data.check()
    if config.peers not in ("", PEERS_PYTHON) and not Path(config.peers).is_file():
        raise ExperimentError(
            f"Expected an interpreter at {config.peers}, got no file; correct --peers, or leave it out."
        )
    python = interpreter(config)
    if (
        python
        and subprocess.run([python, "-c", "import neuralforecast"], capture_output=True).returncode
    ):
        raise ExperimentError(
            f"Expected neuralforecast with {python}, got an error when it is imported; install it there, or "
            "leave peers out with --peers ''."
        )


def peer(
    config: SeriesConfig, name: str, frame: pd.DataFrame, seed: int, out: Path
) -> tuple[pd.DataFrame, float]:
    """Forecasts of a peer, and the seconds that it took."""
    data, dates = config.data, not pd.api.types.is_integer_dtype(frame["ds"])
    spacing = frame["ds"].iloc[1] - frame["ds"].iloc[0]
    source, made = out / "series.csv", out / f"{PEERS[name].lower()}.csv"
    frame.to_csv(source, index=False)
    job = {
        "series": str(source.absolute()),
        "out": str(made.absolute()),
        "dates": dates,
        "freq": int(spacing) if not dates else "QS" if data.SEASON == 4 else "h",
        "model": PEERS[name],
        "horizon": data.HORIZON,
        "levels": list(config.quantiles),
        "windows": data.windows,
        "step": data.step,
        "seconds": config.peer_seconds,
        "seed": seed,
    }
    done = subprocess.run(
        [interpreter(config), str(SCRIPT)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=out,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("peer ")]
    if done.returncode or not lines:
        raise ExperimentError(
            f"Expected {name} to train with {interpreter(config)}, got the status {done.returncode} and "
            f"{done.stderr.strip().splitlines()[-1:]}; mend it, or leave peers out with --peers ''."
        )
    found = pd.read_csv(made)
    # Its levels are trained apart and may cross; sorted ones never have a larger loss.
    levels = [quantile_name(q) for q in config.quantiles]
    found[levels] = np.sort(found[levels].to_numpy(), axis=1)
    if dates:
        found = found.assign(ds=pd.to_datetime(found["ds"]), cutoff=pd.to_datetime(found["cutoff"]))
    return found, json.loads(lines[-1].removeprefix("peer "))["seconds"]


def draw(
    config: SeriesConfig,
    frame: pd.DataFrame,
    found: Mapping[str, pd.DataFrame],
    judged: Scored,
    out: Path,
) -> None:
    """Coverage of all, and the last forecast of one series by the first network."""
    levels = np.asarray(config.quantiles)
    shares = {}
    for name, forecast in found.items():
        below = judged.target[..., None] <= values(config, forecast, judged)
        shares[name] = below.mean(axis=(0, 1))
    few = {n: share for n, share in shares.items() if "," not in n or n.endswith(END_TO_END)}
    plots.save(plots.reliability(levels, few), out / "reliability.png")
    name = next((n for n in found if n.startswith("MQ")), NAIVE)
    forecast = found[name]
    series = forecast["unique_id"].iloc[0]
    one = forecast.loc[forecast["unique_id"] == series].sort_values(_KEYS)
    one = one.loc[one["cutoff"] == one["cutoff"].max()]
    past = frame.loc[(frame["unique_id"] == series) & (frame["ds"] <= one["cutoff"].iloc[0])]
    past = past.iloc[-4 * config.data.HORIZON :]
    axes = plots.fan_chart(
        one["ds"].to_numpy(),
        one[[quantile_name(q) for q in config.quantiles]].to_numpy(),
        config.quantiles,
        history=(past["ds"].to_numpy(), past["y"].to_numpy()),
        observed=one["y"].to_numpy() if "y" in one else None,
        title=f"{name}: {series}",
    )
    plots.save(axes, out / "fan.png")


def _experiment(name: str, about: str, presets: Mapping[str, SeriesConfig]) -> Experiment:
    return Experiment(
        name=name,
        claim=f"Quantile networks with forking sequences are ahead of classical forecasters on {about}.",
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=NAIVE,
        check=check,
    )


M4_HOURLY = _experiment("m4-hourly", "the hourly series of M4, from files of the user's own", M4)
ETTH1 = _experiment("ett", "the series of ETTh1, from a file of the user's own", ETT)
TOURISM_QUARTERLY = _experiment(
    "tourism",
    "Australian tourism, from a file of the user's own, where forecasts must add up",
    TOURISM,
)
