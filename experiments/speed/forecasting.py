"""How fast forecasters train and backtest: forking sequences beside neuralforecast on the same series.

    python -m experiments.speed.forecasting [--peers PYTHON]

prints the targets (of one series, creation date and horizon each) that training works on per second, for each
network and, with the interpreter of an environment that has neuralforecast, for its MLP and LSTM, in batches of
as many windows, in turns: medians of three each, and of the ratios of neighbours. Then the seconds of a
backtest of 400 series over 200 dates. Recurrent networks have equal widths. Our MLP of that width is the larger
one, by far, so that one with about as many parameters as theirs is measured too. Compilation and the first
steps are left out on both sides.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import tyro

from experiments.earthformer.run import parameters
from experiments.mq_forecaster.pace import training_pace
from jaxsci.forecasting import MLP, MQCNN, MQRNN, MQTransformer
from jaxsci.forecasting.neural import NeuralForecaster

SERIES, LENGTH, HORIZON, SEASON, WIDTH = 400, 700, 24, 24, 64
# With about as many parameters as neuralforecast's MLP of that width.
NARROW = 9
Case = tuple[type[NeuralForecaster], int]
CASES: tuple[Case, ...] = (
    (MLP, NARROW),
    (MLP, WIDTH),
    (MQRNN, WIDTH),
    (MQCNN, WIDTH),
    (MQTransformer, WIDTH),
)
PEERS: tuple[tuple[str, tuple[Case, ...]], ...] = (("MLP", CASES[:2]), ("LSTM", CASES[2:3]))
BATCH, FORKS, LEVELS = 32, 32, (0.1, 0.5, 0.9)
STEPS, TURNS = 60, 3
SCRIPT = Path(__file__).parents[1] / "mq_forecaster/scripts/neuralforecast_pace.py"


def series() -> pd.DataFrame:
    """Seasonal series with noise."""
    rng = np.random.default_rng(0)
    t = np.arange(LENGTH)
    y = 10 + rng.uniform(1, 4, (SERIES, 1)) * np.sin(2 * np.pi * t / SEASON)
    y = y + rng.normal(size=y.shape)
    names = np.repeat([f"s{i:03d}" for i in range(SERIES)], LENGTH)
    return pd.DataFrame({"unique_id": names, "ds": np.tile(t, SERIES), "y": y.ravel()})


def main(peers: str = "") -> None:
    """Measure and print.

    Args:
        peers: interpreter that has neuralforecast; "" for our side alone.
    """
    frame = series()
    options = {
        "horizon": HORIZON,
        "quantiles": LEVELS,
        "season": SEASON,
        "steps": 1,
        "batch_size": BATCH,
        "forks": FORKS,
    }
    rivals: dict[Case, str] = {case: name for name, cases in PEERS for case in cases if peers}
    rates: dict[Case, list[tuple[float, int]]] = {case: [] for case in CASES}
    theirs: dict[str, list[tuple[float, int]]] = {name: [] for name, _ in PEERS}
    for _ in range(TURNS if peers else 1):
        for make, width in CASES:
            forecaster = make(**options, width=width)
            seconds, targets = training_pace(forecaster, frame, STEPS)
            rates[make, width].append((targets / seconds, parameters(forecaster.network)))
        for name, _ in PEERS if peers else ():
            theirs[name].append(_peer(peers, name))
    for (make, width), values in rates.items():
        line = _line(f"{make.__name__}, width {width}", values)
        if name := rivals.get((make, width)):
            ratio = median(
                mine / yours for (mine, _), (yours, _) in zip(values, theirs[name], strict=True)
            )
            line += f"; over neuralforecast's {ratio:.2f}"
        print(line, flush=True)
    for name, values in theirs.items():
        if values:
            print(_line(f"neuralforecast {name}", values), flush=True)
    forecaster = MQCNN(**options, width=WIDTH).fit(frame)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        forecaster.backtest(frame, 200)
        times.append(time.perf_counter() - start)
    first, again = times[0], float(np.median(times[1:]))
    print(
        f"backtest of {SERIES} series over 200 dates {again:.2f} s; {first:.2f} s with compilation"
    )


def _peer(interpreter: str, name: str) -> tuple[float, int]:
    """Targets a second and parameters of a network of neuralforecast."""
    job = {
        "model": name,
        "horizon": HORIZON,
        "levels": LEVELS,
        "width": WIDTH,
        "input": 2 * SEASON,
        "series": SERIES,
        "length": LENGTH,
        "season": SEASON,
        "batch": BATCH,
        "windows": BATCH * FORKS,
        "steps": STEPS,
    }
    done = subprocess.run(
        [interpreter, str(SCRIPT)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("peer ")]
    if not lines:
        sys.exit(f"{name} of neuralforecast did not run:\n{done.stderr[-2000:]}")
    peer = json.loads(lines[-1].removeprefix("peer "))
    return peer["rate"], peer["parameters"]


def _line(name: str, values: list[tuple[float, int]]) -> str:
    rate = median(rate for rate, _ in values)
    return f"{name:24s} {values[0][1]:9,} parameters {rate:12,.0f} targets a second"


if __name__ == "__main__":
    tyro.cli(main)
