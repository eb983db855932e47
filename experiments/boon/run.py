"""Heat equation with a time-dependent flux: does respecting the boundary make an FNO better?

data (finite volumes) -> train five operators -> score against the exact solution, beside a coarse solver of
equal cost -> plot.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from experiments.boon import models
from experiments.boon.config import PRESETS, HeatConfig
from experiments.boon.data import Samples, exact, generate, solve_rod
from jaxsci import plots
from jaxsci.constraints import NeumannEnds
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import relative_l2
from jaxsci.training import ArraySource, fit

SOLVER = "finite volumes at equal cost"
ENDS = NeumannEnds(length=1.0)


def run_seed(config: HeatConfig, seed: int, out: Path) -> Rows:
    """Train and judge every operator on one draw of the data."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    train = generate(config.data, config.data.train, key=train_key)
    solved = generate(config.data, config.data.test, key=test_key)
    test = eqx.tree_at(lambda samples: samples.y, solved, exact(config.data, solved))

    # Two side by side: a step of this size keeps little more than one core busy.
    with ThreadPoolExecutor(2) as pool:
        training = {
            name: pool.submit(fit_model, config, name, model, train, out, key=fit_key)
            for name, model in models.build(config.network, key=model_key).items()
        }
        networks = {name: future.result() for name, future in training.items()}
    rows, predictions = {}, {}
    for name, trained in networks.items():
        predictions[name], cost = timed(trained, test.x, test.values)
        rows[name] = scores(predictions[name], test) | {"milliseconds a sample": cost}
    budget = rows["FNO"]["milliseconds a sample"]
    rows[SOLVER], predictions[SOLVER] = coarse_solver(config, test, budget)
    rows["finite volumes, the training data"] = scores(solved.y, test) | {
        "cells": config.data.cells
    }
    draw(config, predictions, test, out)
    return rows


def fit_model(config: HeatConfig, name: str, model, train: Samples, out: Path, *, key):
    """Train one operator on the relative L2 error, resuming from its checkpoint."""

    def loss_fn(model, batch, key):
        del key
        predicted = jax.vmap(model)(batch["x"], batch["values"])
        return jax.vmap(relative_l2)(predicted, batch["y"]).mean(), {}

    folder = out / name.replace(", ", "-").replace(" ", "-").lower()
    arrays = {"x": train.x, "y": train.y, "values": train.values}
    result = fit(
        model,
        loss_fn,
        ArraySource(arrays, config.batch, key=jax.random.fold_in(key, 1)),
        config.optimizer.build(config.steps),
        key=key,
        steps=config.steps,
        checkpoint=folder / "checkpoints",
        metrics_path=folder / "metrics.jsonl",
        log_every=max(config.steps // 100, 1),
    )
    return result.best_model


def scores(predicted: Float[Array, "samples 1 nodes"], test: Samples) -> dict[str, float]:
    """Errors over the test set."""
    return {
        "relative L2": float(jax.vmap(relative_l2)(predicted, test.y).mean()),
        "boundary error": float(jax.vmap(ENDS.error)(predicted, test.values).max()),
    }


def timed(function, *samples: Array, repeats: int = 7) -> tuple[Array, float]:
    """Outputs of a compiled batch call, and its median wall time in milliseconds a sample."""
    call = eqx.filter_jit(lambda *arrays: jax.vmap(function)(*arrays))
    outputs = jax.block_until_ready(call(*samples))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call(*samples))
        times.append(time.perf_counter() - start)
    return outputs, 1e3 * float(np.median(times)) / len(samples[0])


def coarse_solver(config: HeatConfig, test: Samples, budget: float):
    """The finest solver that is not slower than the plain FNO; the coarsest where all are."""
    best = None
    nodes = np.linspace(0.0, 1.0, config.data.nodes)
    for cells in (8, 16, 32, 64, 128, 256):
        # Cubic splines are linear in the values they interpolate: one matrix does it.
        faces = np.linspace(0.0, 1.0, cells + 1)
        spline = jnp.asarray(CubicSpline(faces, np.eye(cells + 1))(nodes).T, test.x.dtype)

        def predict(omega, amplitude, cells=cells, spline=spline):
            return solve_rod(config.data, omega, amplitude, cells=cells) @ spline

        predicted, cost = timed(predict, test.omega, test.amplitude)
        if best is not None and cost > budget:
            break
        row = scores(predicted, test) | {"milliseconds a sample": cost, "cells": cells}
        best = row, predicted
    return best


def draw(config: HeatConfig, predictions: dict[str, Array], test: Samples, out: Path) -> None:
    """Where the errors are, and one solution."""
    x = np.linspace(0.0, 1.0, config.data.nodes)
    errors = {
        name: np.abs(np.asarray(predicted - test.y))[:, 0].mean(0)
        for name, predicted in predictions.items()
    }
    axes = plots.profile(
        x,
        {name: plots.Prediction(error) for name, error in errors.items()},
        quantity="mean absolute error",
        title="Error over the test set",
    )
    axes.set_yscale("log")
    plots.save(axes, out / "error.png")
    shown = ("FNO", "BOON-FNO", SOLVER)
    axes = plots.profile(
        x,
        {name: plots.Prediction(np.asarray(predictions[name][0, 0])) for name in shown},
        truth=np.asarray(test.y[0, 0]),
        title=f"One test function at t = {config.data.time:g}",
    )
    plots.save(axes, out / "profile.png")


EXPERIMENT = Experiment(
    name="heat",
    claim="An operator that respects the boundary condition exactly is more accurate (BOON).",
    directory=Path(__file__).parent,
    presets=PRESETS,
    run_seed=run_seed,
    baseline=SOLVER,
)
