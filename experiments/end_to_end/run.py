"""Where does a projection belong: in the training, after it, or nowhere?

data (finite volumes) -> train four probabilistic operators -> project -> score -> plot.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from experiments.end_to_end.config import PRESETS, EndToEndConfig
from experiments.end_to_end.data import Samples, generate
from experiments.threads import threads
from jaxsci import plots
from jaxsci.constraints import conservation, project
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import crps_gaussian, gaussian_log_likelihood, relative_l2
from jaxsci.operators import FNO
from jaxsci.probabilistic import GaussianHead, calibration, mean_and_scale
from jaxsci.training import ArraySource, fit
from solvers import Grid

LIKELIHOOD, CRPS, SOFT, TRAINED = (
    "likelihood",
    "CRPS",
    "CRPS and SoftC",
    "CRPS, projected in training",
)
BASELINE = "the initial field"
LEVELS = (0.5, 0.9)

Field = dist.Normal


class Predictor(eqx.Module):
    """An operator with a Gaussian head, projected onto the total or not.

    Args:
        operator: from one channel to the head's raw ones.
        grid: of the field.
        projected: whether the last layer is a projection.
    """

    operator: FNO
    grid: Grid
    projected: bool = eqx.field(static=True, default=False)

    def __call__(self, x: Float[Array, "1 cells"], total: Float[Array, ""]) -> Field:
        """Mean and standard deviation of every cell of one sample."""
        field = GaussianHead(1)(self.operator(x))
        if self.projected:
            field = project(field, conservation(self.grid, total))
        return dist.Normal(*mean_and_scale(field))


def run_seed(config: EndToEndConfig, seed: int, out: Path) -> Rows:
    """Train and judge on one draw of the data."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    train = generate(config.data, config.data.train, key=train_key)
    test = generate(config.data, config.data.test, key=test_key)
    network = config.network
    operator = FNO(
        in_channels=1,
        out_channels=2,
        width=network.width,
        modes=(network.modes,),
        depth=network.depth,
        projection=network.projection,
        key=model_key,
    )
    plain = Predictor(operator, config.data.grid)
    wanted = {
        LIKELIHOOD: (plain, negative_log_likelihood),
        CRPS: (plain, crps),
        SOFT: (plain, lambda *args: crps(*args) + config.penalty * squared_residual(*args)),
        TRAINED: (Predictor(operator, config.data.grid, projected=True), crps),
    }
    # Two side by side: a step of this size keeps little more than one core busy.
    with threads(2) as pool:
        training = {
            name: pool.submit(fit_model, config, name, model, score, train, out, fit_key)
            for name, (model, score) in wanted.items()
        }
        trained = {name: future.result() for name, future in training.items()}
    after = {
        f"{name}, projected afterwards": Predictor(
            trained[name].operator, config.data.grid, projected=True
        )
        for name in (LIKELIHOOD, CRPS)
    }
    fields = {name: predict(model, test) for name, model in (trained | after).items()}
    rows = {name: scores(field, test) for name, field in fields.items()}
    rows[TRAINED]["training step over CRPS"] = overhead(config, wanted, train)
    rows[BASELINE] = {"relative L2": float(jax.vmap(relative_l2)(test.x, test.y).mean())}
    draw(config, fields, test, out)
    return rows


def negative_log_likelihood(field: Field, y: Array, total: Array) -> Array:
    """Mean over the cells."""
    del total
    return -gaussian_log_likelihood(field, y)


def crps(field: Field, y: Array, total: Array) -> Array:
    """Mean over the cells."""
    del total
    return crps_gaussian(field, y)


def squared_residual(field: Field, y: Array, total: Array) -> Array:
    """The error of the total that the mean has."""
    del y
    return (jnp.asarray(field.mean).mean() - total) ** 2


def loss_of(score: Callable[[Field, Array, Array], Array]):
    """The loss of a batch under one score."""

    def loss_fn(model, batch, key):
        del key

        def one(x, y, total):
            return score(model(x, total), y, total)

        return jax.vmap(one)(batch["x"], batch["y"], batch["total"]).mean(), {}

    return loss_fn


def fit_model(config: EndToEndConfig, name: str, model, score, train: Samples, out: Path, key):
    """Train one predictor, resuming from its checkpoint."""
    folder = out / name.replace(", ", "-").replace(" ", "-").lower()
    return fit(
        model,
        loss_of(score),
        ArraySource(_arrays(train), config.batch, key=jax.random.fold_in(key, 1)),
        config.optimizer.build(config.steps),
        key=key,
        steps=config.steps,
        checkpoint=folder / "checkpoints",
        metrics_path=folder / "metrics.jsonl",
        log_every=max(config.steps // 100, 1),
    ).best_model


def _arrays(samples: Samples) -> dict[str, Array]:
    return {"x": samples.x, "y": samples.y, "total": samples.total}


@eqx.filter_jit
def predict(model: Predictor, test: Samples) -> Field:
    """Predictions of the test set."""

    def one(x, total) -> tuple[Array, Array]:
        return mean_and_scale(model(x, total))

    return dist.Normal(*jax.vmap(one)(test.x, test.total))


def scores(fields: Field, test: Samples) -> dict[str, float]:
    """Means over the test set."""
    likelihood, sharp, covered = _probabilistic(fields, test.y)
    residual = jnp.abs(jnp.asarray(fields.mean).mean((1, 2)) - test.total)
    bands = {f"{p:.0%} band covers": float(c) for p, c in zip(LEVELS, covered, strict=True)}
    return {
        "relative L2": float(jax.vmap(relative_l2)(fields.mean, test.y).mean()),
        "CRPS ×1e-3": 1e3 * float(sharp),
        "log-likelihood": float(likelihood),
        **bands,
        "largest |conservation error|": float(residual.max()),
    }


@eqx.filter_jit
def _probabilistic(fields: Field, truth: Array) -> tuple[Array, Array, Array]:
    def one(loc, scale, y) -> tuple[Array, Array, Array]:
        field = dist.Normal(loc, scale)
        likelihood, score = gaussian_log_likelihood(field, y), crps_gaussian(field, y)
        return likelihood, score, calibration(field, y, LEVELS)

    parts = jax.vmap(one)(fields.loc, fields.scale, truth)
    return tuple(part.mean(0) for part in parts)  # pyright: ignore[reportReturnType]


def overhead(config: EndToEndConfig, wanted: Mapping[str, Any], train: Samples) -> float:
    """Time of a gradient with the projection over one without, medians over alternated calls."""
    batch = {name: array[: config.batch] for name, array in _arrays(train).items()}
    key = jax.random.key(0)

    def gradient(name: str):
        model, score = wanted[name]
        grad = eqx.filter_jit(eqx.filter_grad(lambda m: loss_of(score)(m, batch, key)[0]))
        jax.block_until_ready(grad(model))
        return lambda: jax.block_until_ready(grad(model))

    calls = {name: gradient(name) for name in (CRPS, TRAINED)}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(30):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return float(np.median(times[TRAINED]) / np.median(times[CRPS]))


def draw(config: EndToEndConfig, fields: Mapping[str, Field], test: Samples, out: Path) -> None:
    """One shock with its bands, and the errors of the total."""
    shown = {name: fields[name] for name in (CRPS, TRAINED)}
    axes = plots.profile(
        np.asarray(config.data.grid.centers[0]),
        {
            name: plots.Prediction(np.asarray(f.loc)[0, 0], np.asarray(f.scale)[0, 0])
            for name, f in shown.items()
        },
        truth=np.asarray(test.y[0, 0]),
        title=f"One test function at t = {config.data.time:g}",
    )
    plots.save(axes, out / "profile.png")
    errors = {
        name: np.asarray(jnp.asarray(fields[name].mean).mean((1, 2)) - test.total)
        for name in (LIKELIHOOD, CRPS, SOFT, TRAINED)
    }
    axes = plots.histogram(
        errors, truth=0.0, quantity="error of the total", title="Conservation over the test set"
    )
    plots.save(axes, out / "conservation.png")


EXPERIMENT = Experiment(
    name="end-to-end",
    claim="A projection that is trained through is exact, costs little, and is no worse than one put on after.",
    directory=Path(__file__).parent,
    presets=PRESETS,
    run_seed=run_seed,
    baseline=BASELINE,
)
