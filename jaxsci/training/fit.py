"""The training loop: dispatch, validate, keep the best, stop.

It is a plain loop over chunks of steps. All that it knows of a problem is
``loss_fn(model, batch, key) -> (loss, metrics)`` and a source of batches.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PyTree

from jaxsci.training.dispatch import make_dispatch
from jaxsci.training.sources import Source
from jaxsci.training.state import TrainState, init_state
from jaxsci.training.step import LossFn, make_train_step

Validate = Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class FitResult:
    state: TrainState
    best_model: PyTree
    history: list[dict[str, float]]
    status: Literal["finished", "stopped_early"]


def fit(
    model: PyTree,
    loss_fn: LossFn,
    source: Source,
    optimizer: optax.GradientTransformation,
    *,
    key: Array,
    steps: int,
    micro_batches: int = 1,
    ema_decay: float | None = None,
    steps_per_dispatch: int = 50,
    validate: Validate | None = None,
    validate_every: int = 100,
    patience: int | None = None,
    monitor: str = "loss",
    log_every: int = 10,
    progress: bool = True,
) -> FitResult:
    """Train `model` for `steps` updates."""
    state = init_state(model, optimizer, ema=ema_decay is not None)
    train_step = make_train_step(
        loss_fn, optimizer, micro_batches=micro_batches, ema_decay=ema_decay
    )
    dispatch = make_dispatch(train_step, state, source, key, steps_per_dispatch)
    step, stale, best_value, best_model, history = 0, 0, math.inf, state.inference_model, []
    status: Literal["finished", "stopped_early"] = "finished"
    while step < steps:
        n = min(steps_per_dispatch, steps - step)
        if validate is not None:
            n = min(n, validate_every - step % validate_every)
        done = dispatch(state, n)
        state = done.state
        if done.bad is not None:
            raise FloatingPointError(f"Training diverged at step {step + done.taken}: {done.bad}")
        for i in range(done.taken):
            step += 1
            if step % log_every == 0 or step == steps:
                values = {name: float(values[i]) for name, values in done.metrics.items()}
                history.append({"step": step} | values)
        if validate is not None and (step % validate_every == 0 or step == steps):
            scores = validate(state.inference_model)
            history.append({"step": step} | {f"val_{k}": float(v) for k, v in scores.items()})
            if scores[monitor] < best_value:
                best_value, stale = scores[monitor], 0
                best_model = jax.tree.map(
                    lambda x: jnp.copy(x) if isinstance(x, jax.Array) else x, state.inference_model
                )
            else:
                stale += 1
            if patience is not None and stale >= patience:
                status = "stopped_early"
                break
    if validate is None:
        best_model = state.inference_model
    return FitResult(state, best_model, history, status)
