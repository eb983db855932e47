"""Quantile forecasts of neuralforecast: trained for so many seconds before the first creation date.

Reads a job (JSON) from standard input; writes a CSV with unique_id, ds, cutoff and a column for each level.
"""

# pyright: reportMissingImports=false
import json
import sys
import time
from datetime import timedelta

import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import LSTM, MLP, NHITS

job = json.load(sys.stdin)
frame = pd.read_csv(job["series"])
if job["dates"]:
    frame["ds"] = pd.to_datetime(frame["ds"])
options = {
    "h": job["horizon"],
    "input_size": 5 * job["horizon"],
    "loss": MQLoss(quantiles=job["levels"]),
    "scaler_type": "robust",
    "max_steps": 1_000_000,
    # Beside max_steps: whichever comes first.
    "max_time": timedelta(seconds=job["seconds"]),
    "random_seed": job["seed"],
    "enable_progress_bar": False,
    "logger": False,
    "enable_checkpointing": False,
}
model = {"MLP": MLP, "NHITS": NHITS, "LSTM": LSTM}[job["model"]](**options, alias="model")
start = time.perf_counter()
found = NeuralForecast(models=[model], freq=job["freq"]).cross_validation(
    frame, n_windows=job["windows"], step_size=job["step"], refit=False
)
seconds = time.perf_counter() - start
names = [c for c in found.columns if c.startswith("model")]
assert len(names) == len(job["levels"]), names
found = found.rename(columns=dict(zip(names, map(str, job["levels"]), strict=True)))
found[["unique_id", "ds", "cutoff", *map(str, job["levels"])]].to_csv(job["out"], index=False)
print(f"peer {json.dumps({'seconds': seconds, 'steps': int(model.trainer_kwargs['max_steps'])})}")
