"""What all problems share: train the operators alike, and time them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PyTree

from experiments.boon.config import Study
from experiments.threads import threads
from jaxsci.metrics import relative_l2
from jaxsci.training import ArraySource, fit

Sample = tuple[PyTree, PyTree, PyTree]
"""Initial field, later field, and what the boundary prescribes; with the samples in front."""


def fit_operators(
    config: Study, operators: Mapping[str, Any], samples: Sample, out: Path, *, key
) -> dict[str, Any]:
    """Train every operator on the same batches, two at a time."""
    # Two side by side: a step of this size keeps little more than one core busy.
    with threads(2) as pool:
        training = {
            name: pool.submit(_fit_operator, config, name, model, samples, out, key=key)
            for name, model in operators.items()
        }
        return {name: future.result() for name, future in training.items()}


def _fit_operator(config: Study, name: str, model, samples: Sample, out: Path, *, key):
    """Train one operator on the relative L2 error, resuming from its checkpoint."""

    def loss_fn(model, batch, key):
        del key
        x, y, values = batch
        return jax.vmap(relative_l2)(jax.vmap(model)(x, values), y).mean(), {}

    result = fit(
        model,
        loss_fn,
        ArraySource(samples, config.batch, key=jax.random.fold_in(key, 1)),
        config.optimizer.build(config.steps),
        key=key,
        steps=config.steps,
        checkpoint=out / folder(name) / "checkpoints",
        metrics_path=out / folder(name) / "metrics.jsonl",
        log_every=max(config.steps // 100, 1),
        label=name,
    )
    return result.best_model


def folder(name: str) -> str:
    """The name of an operator as one of a folder or file."""
    return name.replace(", ", "-").replace(" ", "-").lower()


def timed(function, *samples, repeats: int = 7) -> tuple[Array, float]:
    """Outputs of a compiled batch call, and its median wall time in milliseconds a sample."""
    call = eqx.filter_jit(lambda *arrays: jax.vmap(function)(*arrays))
    outputs = jax.block_until_ready(call(*samples))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call(*samples))
        times.append(time.perf_counter() - start)
    return outputs, 1e3 * float(np.median(times)) / len(outputs)
