"""One forecaster, trained and judged, whatever the films are."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from experiments.earthformer.config import FilmConfig
from experiments.earthformer.films import Data, Parts, batches
from jaxsci.experiment import ExperimentError
from jaxsci.operators import PhyDNet
from jaxsci.training import Source, StreamSource, fit, init_state, make_train_step
from jaxsci.training.dispatch import make_dispatch
from jaxsci.training.streaming import Items

# Films that are forecast at once when a set is judged.
_TOGETHER = 8
# Steps that are timed at once.
_IN_A_LOOP = 4


def loss_fn(model, batch, key):
    """Mean squared error over pixels; the key is for dropout, where a model has it."""
    keys = jax.random.split(key, batch["input"].shape[0])
    prediction = jax.vmap(lambda x, k: model(x, key=k))(batch["input"], keys)
    loss = jnp.mean((prediction - batch["target"]) ** 2)
    # PhyDNet's learned derivatives are held to be derivatives, with the weight of its authors.
    if isinstance(model, PhyDNet):
        loss = loss + model.moment_loss()
    return loss, {}


def train(config: FilmConfig, model, parts: Parts, out: Path, steps: int, key):
    """Train one forecaster, resuming from its checkpoint; the best by validation where there is one."""
    data, films = config.data, parts.train
    source = data.source(films, config.batch, key=jax.random.fold_in(key, 1))
    options = {}
    held = parts.validation
    if held is not None:
        every = config.validate_every * max(1, len(films) // config.batch)
        options = {
            "validate": lambda model: _validation(data, model, held),
            "validate_every": every,
            "checkpoint_every": every,
            "patience": config.patience,
            "monitor": "monitor",
        }
    try:
        result = fit(
            model,
            loss_fn,
            source,
            config.optimizer(steps).build(steps),
            key=key,
            steps=steps,
            micro_batches=config.pieces,
            steps_per_dispatch=10,
            checkpoint=out / "checkpoints",
            metrics_path=out / "metrics.jsonl",
            log_every=max(steps // 100, 1),
            **options,
        )
        return result.best_model
    except Exception as error:
        # JAX wraps what a callback raises, in one class or another; the source knows what it was.
        failure = source.failure if isinstance(source, StreamSource) else None
        if failure is None:
            raise
        raise ExperimentError(str(failure)) from error
    finally:
        _close(source)


def _close(source: Source) -> None:
    """End the thread that reads ahead, where there is one."""
    if isinstance(source, StreamSource):
        source.close()


def _validation(data: Data, model, films: Items) -> dict[str, float]:
    scores = data.scores(statistics(data, model, films))
    return {"monitor": data.monitor(scores)} | scores


def statistics(data: Data, model, films: Items) -> Mapping[str, Any]:
    """What the scores need of each film, along the first axes; a few films are in memory at a time."""
    found = [
        jax.tree.map(lambda leaf, n=real: leaf[:n], _judged(model, data, batch))
        for batch, real in batches(films, min(_TOGETHER, len(films)))
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


@eqx.filter_jit
def _judged(model, data: Data, batch):
    def one(film):
        return data.statistics(model(film["input"]), film)

    return jax.lax.map(one, batch, batch_size=_TOGETHER)


@eqx.filter_jit
def forecast(model, x):
    """The forecast of one film."""
    return model(x)


def seconds_a_step(config: FilmConfig, model, parts: Parts, repeats: int = 3) -> float:
    """Median time of a training step, in a loop of a few as `fit` has them: CPUs run loops at another speed."""
    optimizer = config.optimizer(100).build(100)
    step = make_train_step(loss_fn, optimizer, micro_batches=config.pieces)
    state, key = init_state(model, optimizer), jax.random.key(0)
    source = config.data.source(parts.train, config.batch, key=key)
    dispatch = make_dispatch(step, state, source, key, _IN_A_LOOP)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        state = dispatch(state, _IN_A_LOOP).state
        times.append((time.perf_counter() - start) / _IN_A_LOOP)
    _close(source)
    return float(np.median(times[1:]))
