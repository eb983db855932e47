"""Forecasts a second that neuralforecast trains on; reads a job (JSON) from standard input."""

# pyright: reportMissingImports=false
import json
import sys

import numpy as np
import pandas as pd
from clock import Clock, seconds_a_step
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import LSTM, MLP

job = json.load(sys.stdin)
rng = np.random.default_rng(0)
t = np.arange(job["length"])
y = 10 + rng.uniform(1, 4, (job["series"], 1)) * np.sin(2 * np.pi * t / job["season"])
y = y + rng.normal(size=y.shape)
names = np.repeat([f"s{i:03d}" for i in range(job["series"])], job["length"])
frame = pd.DataFrame({"unique_id": names, "ds": np.tile(t, job["series"]), "y": y.ravel()})
options = {
    "h": job["horizon"],
    "input_size": job["input"],
    "loss": MQLoss(quantiles=list(job["levels"])),
    "scaler_type": "robust",
    "max_steps": job["steps"],
    "batch_size": job["batch"],
    "windows_batch_size": job["windows"],
    "enable_progress_bar": False,
    "logger": False,
    "enable_checkpointing": False,
    "callbacks": [Clock()],
}
if job["model"] == "MLP":
    model = MLP(**options, num_layers=2, hidden_size=job["width"])
else:
    model = LSTM(
        **options,
        encoder_hidden_size=job["width"],
        decoder_hidden_size=job["width"],
        encoder_n_layers=1,
    )
NeuralForecast(models=[model], freq=1).fit(frame)
seconds = seconds_a_step()
result = {
    "rate": job["windows"] * job["horizon"] / seconds,
    "seconds": seconds,
    "parameters": sum(p.numel() for p in model.parameters()),
}
print(f"peer {json.dumps(result)}")
