"""Quantile forecasts of neuralforecast: trained for so many seconds before the first creation date.

Reads a job (JSON) from standard input; writes a CSV with unique_id, ds, cutoff and a column for each level.
"""

# pyright: reportMissingImports=false
import json
import sys
import time

import pandas as pd
from clock import Clock, seconds_a_step
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import MLP, NHITS

job = json.load(sys.stdin)
frame = pd.read_csv(job["series"])
if job["dates"]:
    frame["ds"] = pd.to_datetime(frame["ds"])


def forecaster(steps, *callbacks):
    """A model that is trained for so many steps, over which its rate falls three times."""
    make = {"MLP": MLP, "NHITS": NHITS}[job["model"]]
    model = make(
        h=job["horizon"],
        input_size=5 * job["horizon"],
        loss=MQLoss(quantiles=job["levels"]),
        scaler_type="robust",
        max_steps=steps,
        num_lr_decays=3,
        random_seed=job["seed"],
        alias="model",
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        callbacks=list(callbacks),
    )
    return NeuralForecast(models=[model], freq=job["freq"])


def judged(forecast):
    """Train before the first creation date, and forecast from each."""
    return forecast.cross_validation(
        frame, n_windows=job["windows"], step_size=job["step"], refit=False
    )


judged(forecaster(30, Clock()))
steps = max(30, int(job["seconds"] / seconds_a_step()))
start = time.perf_counter()
found = judged(forecaster(steps))
seconds = time.perf_counter() - start
names = [c for c in found.columns if c.startswith("model")]
assert len(names) == len(job["levels"]), names
levels = [f"{q:g}" for q in job["levels"]]
found = found.rename(columns=dict(zip(names, levels, strict=True)))
found[["unique_id", "ds", "cutoff", *levels]].to_csv(job["out"], index=False)
print(f"peer {json.dumps({'seconds': seconds, 'steps': steps})}")
