"""The Fourier neural operator on Burgers and Darcy flow: is ours as accurate as a modern one should be?

data (exact, or finite volumes) -> train at one resolution -> score at several, unseen ones included -> plot.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.fno import models
from experiments.fno.config import BURGERS, DARCY, FNOConfig
from experiments.fno.samples import Samples
from jaxsci import plots
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import relative_l2
from jaxsci.training import ArraySource, fit

BASELINE = "ridge regression"


def run_seed(config: FNOConfig, seed: int, out: Path) -> Rows:
    """Train for every length on one draw of the data, and judge at every resolution."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    data, stride = config.data, config.data.training_stride
    full = data.generate(config.train, key=train_key)
    train = Samples(data.coarse(full.x, stride), data.coarse(full.y, stride))
    test = data.generate(config.test, key=test_key)

    seen = data.coarse(test.x, stride), data.coarse(test.y, stride)
    column = error_column(seen[1])
    mean = jnp.broadcast_to(train.y.mean(0), seen[1].shape)
    linear = models.LinearMap.fit(train)(seen[0])
    rows: dict[str, dict[str, float]] = {
        "mean of the training solutions": {column: error(mean, seen[1])},
        BASELINE: {column: error(linear, seen[1])},
    }
    predictions = {BASELINE: linear}
    for epochs in config.epochs:
        name = f"FNO, {epochs} epochs"
        model = models.build(config.network, train, key=model_key)
        trained, cost = fit_model(config, model, train, out / f"epochs-{epochs}", epochs, fit_key)
        rows[name] = cost | scores(config, trained, test)
        predictions[name] = predict(trained, seen[0])
    draw(predictions, seen[1], out)
    return rows


def fit_model(config: FNOConfig, model, train: Samples, folder: Path, epochs: int, key):
    """Train on the relative L2 error; the model, and what it cost."""

    def loss_fn(model, batch, key):
        del key
        return jax.vmap(relative_l2)(jax.vmap(model)(batch["x"]), batch["y"]).mean(), {}

    steps = config.steps(epochs)
    start = time.perf_counter()
    result = fit(
        model,
        loss_fn,
        ArraySource({"x": train.x, "y": train.y}, config.batch, key=jax.random.fold_in(key, 1)),
        config.optimizer.build(steps),
        key=key,
        steps=steps,
        checkpoint=folder / "checkpoints",
        metrics_path=folder / "metrics.jsonl",
        log_every=max(steps // 100, 1),
    )
    jax.block_until_ready(result.state)
    cost = {"steps": float(steps), "training minutes": (time.perf_counter() - start) / 60}
    return result.best_model, cost


def scores(config: FNOConfig, model, test: Samples) -> dict[str, float]:
    """The error at every resolution; all but that of the training are new to the operator."""
    fields = (
        (config.data.coarse(test.x, s), config.data.coarse(test.y, s)) for s in config.data.strides
    )
    return {error_column(y): error(predict(model, x), y) for x, y in fields}


@eqx.filter_jit
def predict(model, x: Float[Array, "samples 1 *space"]) -> Float[Array, "samples 1 *space"]:
    """Predictions for a test set, a few samples at a time."""
    return jax.lax.map(model, x, batch_size=10)


def error(
    predicted: Float[Array, "samples 1 *space"], truth: Float[Array, "samples 1 *space"]
) -> float:
    """Mean relative L2 error."""
    return float(jax.vmap(relative_l2)(predicted, truth).mean())


def error_column(fields: Array) -> str:
    """The name of the error at the resolution of these fields."""
    return f"relative L2 at {'×'.join(str(n) for n in fields.shape[2:])}"


def draw(predictions: Mapping[str, Array], y: Array, out: Path) -> None:
    """The worst of the first ten test functions, and where the operator errs."""
    last = list(predictions)[-1]
    worst = int(jax.vmap(relative_l2)(predictions[last][:10], y[:10]).argmax())
    if y.ndim == 3:
        axes = plots.profile(
            np.arange(y.shape[-1]) / y.shape[-1],
            {name: plots.Prediction(np.asarray(p[worst, 0])) for name, p in predictions.items()},
            truth=np.asarray(y[worst, 0]),
            title="The worst of ten test functions",
        )
        plots.save(axes, out / "profile.png")
    else:
        across, up = ((np.arange(n) + 0.5) / n for n in y.shape[2:])
        axes = plots.error_map(
            np.asarray(predictions[last][worst, 0] - y[worst, 0]).T,
            across,
            up,
            y_label="y",
            title=f"Error of {last}, the worst of ten",
        )
        plots.save(axes, out / "error.png")


def _experiment(name: str, claim: str, presets: Mapping[str, FNOConfig]) -> Experiment[FNOConfig]:
    return Experiment(
        name=name,
        claim=claim,
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=BASELINE,
    )


FNO_BURGERS = _experiment(
    "fno-burgers",
    "A Fourier neural operator learns viscous Burgers as well as modern ones do, at any resolution.",
    BURGERS,
)
FNO_DARCY = _experiment(
    "fno-darcy",
    "A Fourier neural operator learns steady flow through a two-material medium, at any resolution.",
    DARCY,
)
