"""How fast a network trains: the seconds of a step, and the targets that it works on."""

import time

import jax
import numpy as np
import pandas as pd

from jaxsci.forecasting import forking_loss
from jaxsci.forecasting.neural import NeuralForecaster
from jaxsci.training import OptimizerConfig, init_state, make_train_step


def training_pace(
    forecaster: NeuralForecaster, frame: pd.DataFrame, steps: int = 60
) -> tuple[float, float]:
    """Median seconds of a compiled training step, and the observed targets of a batch, on average.

    The forecaster is fitted; give it a single step. The choice of a batch is part of the step.
    """
    forecaster.fit(frame)
    network = forecaster.network
    optimizer = OptimizerConfig(learning_rate=1e-3).build(steps)
    source = forecaster.source(forecaster.schema.panel(frame), network, key=jax.random.key(0))
    step = make_train_step(forking_loss, optimizer)

    @jax.jit
    def run(state, index):
        batch = source.batch(index)
        return *step(state, batch, jax.random.key(0)), batch[2].sum()

    state = init_state(network, optimizer)
    times, targets = [], []
    for index in range(steps):
        start = time.perf_counter()
        state, _, observed = jax.block_until_ready(run(state, index))
        times.append(time.perf_counter() - start)
        targets.append(float(observed))
    return float(np.median(times[5:])), float(np.mean(targets))
