"""Which forecaster predicts films best, for equal numbers of steps and for equal time?

data -> train every forecaster for equal steps -> train the faster ones again for equal time -> score -> plot.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.earthformer import models
from experiments.earthformer.config import FLOW, NBODY, FilmConfig
from experiments.earthformer.films import Films, spectra
from jaxsci import plots
from jaxsci.experiment import Experiment, Rows
from jaxsci.training import ArraySource, fit, init_state, make_train_step

EQUAL_TIME = ", equal time"


def run_seed(config: FilmConfig, seed: int, out: Path) -> Rows:
    """Train and judge every forecaster on one draw of the data."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    data = config.data
    train, test = data.draw(data.train, key=train_key), data.draw(data.test, key=test_key)
    rows, predictions = {}, {}

    def judge(name: str, model, row: Mapping[str, float]) -> None:
        predictions[name] = predict(model, test.x)
        rows[name] = {**data.scores(predictions[name], test.y), **row}

    judge(models.PERSISTENCE, models.persistence(data), {})
    budget = None
    for name, model in models.build(config.network, data, config.rivals, key=model_key).items():
        pace = seconds_a_step(config, model, train)
        budget = config.steps * pace if budget is None else budget
        size = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
        cost = {"parameters ×1e3": size / 1e3, "milliseconds a step": 1e3 * pace}
        longer = max(1, round(budget / pace))
        runs = {name: config.steps}
        if not name.startswith(models.EARTHFORMER):
            runs[name + EQUAL_TIME] = longer
        for run, steps in runs.items():
            trained = fit_model(config, model, train, out / folder(run), steps, fit_key)
            judge(run, trained, cost | {"steps": float(steps)})
    draw(predictions, test, out)
    return rows


def loss_fn(model, batch: Films, key):
    """Mean squared error over pixels."""
    del key
    return jnp.mean((jax.vmap(model)(batch.x) - batch.y) ** 2), {}


def fit_model(config: FilmConfig, model, train: Films, out: Path, steps: int, key):
    """Train one forecaster, resuming from its checkpoint."""
    result = fit(
        model,
        loss_fn,
        ArraySource(train, config.batch, key=jax.random.fold_in(key, 1)),
        config.optimizer.build(steps),
        key=key,
        steps=steps,
        steps_per_dispatch=10,
        checkpoint=out / "checkpoints",
        metrics_path=out / "metrics.jsonl",
        log_every=max(steps // 100, 1),
    )
    return result.best_model


def seconds_a_step(config: FilmConfig, model, train: Films, repeats: int = 5) -> float:
    """Median time of a compiled training step."""
    optimizer = config.optimizer.build(config.steps)
    step = eqx.filter_jit(make_train_step(loss_fn, optimizer))
    state = init_state(model, optimizer)
    batch = jax.tree.map(lambda a: a[: config.batch], train)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(step(state, batch, jax.random.key(0)))
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


@eqx.filter_jit
def predict(
    model, x: Float[Array, "films time_in 1 size size"]
) -> Float[Array, "films time_out 1 size size"]:
    """Forecasts of a test set, a few films at a time."""
    return jax.lax.map(model, x, batch_size=8)


def folder(name: str) -> str:
    """The name of a run as one of a folder."""
    return name.replace(", ", "-").replace(" ", "-").lower()


def draw(predictions: Mapping[str, Array], test: Films, out: Path) -> None:
    """One film with every forecast, the error by lead time, and the power that is left at small scales."""
    # Two figures' worth of rows; runs for equal time look like those for equal steps.
    shown = {name: p for name, p in predictions.items() if not name.endswith(EQUAL_TIME)}
    rows = plots.frame_rows(
        np.asarray(test.x[0, :, 0]),
        np.asarray(test.y[0, :, 0]),
        {name: np.asarray(p[0, :, 0]) for name, p in shown.items()},
    )
    plots.save(rows[0][0], out / "films.png")
    leads = np.arange(1, test.y.shape[1] + 1)
    errors = {
        name: np.asarray(jnp.mean((p - test.y) ** 2, axis=(0, 2, 3, 4)))
        for name, p in shown.items()
    }
    axes = plots.score_by_lead(leads, errors, quantity="mean squared error", time_unit="frames")
    plots.save(axes, out / "error.png")
    power = {name: spectra(p) for name, p in shown.items()}
    truth = np.asarray(spectra(test.y))
    top = test.y.shape[-1] // 2
    axes = plots.profile(
        np.arange(1, top),
        {name: plots.Prediction(np.asarray(p)[1:top]) for name, p in power.items()},
        truth=truth[1:top],
        quantity="power of the last frame",
        x_label="wavenumber",
    )
    axes.set_yscale("log")
    plots.save(axes, out / "spectrum.png")


def _experiment(name: str, about: str, presets: Mapping[str, FilmConfig]) -> Experiment[FilmConfig]:
    return Experiment(
        name=name,
        claim=f"Earthformer predicts films better than the forecasters of its tables: {about}.",
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=models.PERSISTENCE,
    )


N_BODY = _experiment("nbody", "digits that attract each other", NBODY)
KOLMOGOROV = _experiment("flow", "the vorticity of forced turbulence", FLOW)
