"""The training loop: restore, dispatch, validate, log, keep, stop.

It is a plain loop over chunks of steps. All that it knows of a problem is
``loss_fn(model, batch, key) -> (loss, metrics)`` and a source of batches. The run is a function of
its arguments alone, so a run that was killed and started again with the same arguments ends, bit
for bit on the same devices, where an uninterrupted one does.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import optax
from jaxtyping import Array, PyTree

from jaxsci._checks import check_key, whole
from jaxsci.training.best import Best
from jaxsci.training.checkpoints import Checkpoints
from jaxsci.training.dispatch import Dispatched, make_dispatch
from jaxsci.training.divergence import DivergedError, diverged
from jaxsci.training.progress import Report, report_progress
from jaxsci.training.records import Record, Records
from jaxsci.training.sources import Source
from jaxsci.training.state import TrainState, init_state
from jaxsci.training.step import LossFn, make_train_step
from jaxsci.training.store import CheckpointError

# Seconds a dispatch should take at most: short enough for a lively bar and a prompt Ctrl-C.
_DISPATCH_SECONDS = 1.0


@dataclass(frozen=True)
class FitResult:
    """What a run ends with.

    Attributes:
        state: the final training state.
        best_model: the model with the best validation; without validation, the final one. It is
            the moving average where there is one.
        best_value: the monitored value of that validation, or None.
        history: the records logged, one dictionary a logged step, as in the metrics file.
        status: "finished" after all steps, "stopped_early" when patience ran out.
    """

    state: TrainState
    best_model: PyTree
    best_value: float | None
    history: list[Record]
    status: Literal["finished", "stopped_early"]


@dataclass(frozen=True)
class _Run:
    """What a checkpoint holds: training state, validation so far, seconds spent."""

    state: TrainState
    best: Best
    seconds: float = 0.0


@dataclass(frozen=True)
class _Options:
    steps: int
    steps_per_dispatch: int
    validate: Callable[[Any], dict[str, Any]] | None
    validate_every: int
    patience: int | None
    monitor: str
    checkpoint_every: int
    keep: int
    log_every: int

    def __post_init__(self):
        names = ("steps", "steps_per_dispatch", "validate_every", "checkpoint_every", "keep")
        for name in (*names, "log_every"):
            object.__setattr__(self, name, whole("fit", name, getattr(self, name)))
        if self.patience is not None and (self.patience < 1 or self.validate is None):
            raise ValueError(
                f"fit expected patience >= 1 together with validate, got patience={self.patience}, "
                f"validate={self.validate}; give both, or leave patience out."
            )

    def stops_early(self, best: Best) -> bool:
        return self.patience is not None and best.stale >= self.patience

    def due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.steps

    def until_next(self, step: int) -> int:
        """Steps to the next validation, checkpoint or end, whichever comes first."""
        return min(
            self.steps - step,
            self.validate_every - step % self.validate_every,
            self.checkpoint_every - step % self.checkpoint_every,
        )


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
    steps_per_dispatch: int = 100,
    validate: Callable[[Any], dict[str, Any]] | None = None,
    validate_every: int = 100,
    patience: int | None = None,
    monitor: str = "loss",
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    keep: int = 3,
    metrics_path: str | Path | None = None,
    log_every: int = 10,
    progress: bool = True,
    label: str = "",
) -> FitResult:
    """Train `model` for `steps` updates, resuming from `checkpoint` if there is one.

    A checkpoint is compared with the key, and with the leaves of the model and of the optimiser's state
    and the options of the model: other ones are refused, and so is a run that begins or ceases to
    validate or to average its parameters. What functions hide cannot be compared: a run that resumes
    with another learning rate, loss, data or kind of validation goes on with the new ones. Give such a
    run a folder of its own.

    Args:
        model: the operator; its inexact arrays are trained.
        loss_fn: ``loss_fn(model, batch, key) -> (loss, metrics)``, the loss a mean over the batch.
        source: the batches, see `ArraySource` and `GeneratedSource`.
        optimizer: optax transformation, for instance from `OptimizerConfig`.
        key: key of the run, from which the key of every step is derived.
        steps: number of updates, counted from the start of the run, not from where it resumes.
        micro_batches: equal pieces a batch is cut into; see `make_train_step`.
        ema_decay: decay of a moving average of the parameters, used for validation.
        steps_per_dispatch: most steps in one call of the compiled program.
        validate: ``validate(model) -> {name: value}``, logged as ``val_<name>``. The model's arrays
            are reused by the next step: copy what is to outlive the call.
        validate_every: steps between validations; the last step is validated too.
        patience: stop after this many validations in a row without improvement.
        monitor: the name in the result of `validate` that is to be low.
        checkpoint: folder of the checkpoints, or None. The last step is checkpointed too.
        checkpoint_every: steps between checkpoints.
        keep: newest checkpoints to keep; the best model is part of each.
        metrics_path: JSONL file of the metrics, or None.
        log_every: steps between records.
        progress: report to stderr.
        label: name of the run in these reports, where several go on side by side.

    Returns:
        The final state, the best model, the history and how the run ended.

    Raises:
        DivergedError: at the first loss, gradient, update or validation that is not finite.
        CheckpointError: for a checkpoint that is damaged, or of another model or key.
        ValueError: for options out of range.
        TypeError: for a source, optimiser or key that is none.
        FileExistsError: for a metrics file without the checkpoints it could be resumed with.
    """
    check_key("fit", key)
    if not isinstance(source, Source):
        raise TypeError(
            f"fit expected a source of batches, got {type(source).__name__}; wrap arrays, as in "
            "ArraySource(arrays, batch_size, key=key)."
        )
    options = _Options(
        steps=steps,
        steps_per_dispatch=steps_per_dispatch,
        validate=validate,
        validate_every=validate_every,
        patience=patience,
        monitor=monitor,
        checkpoint_every=checkpoint_every,
        keep=keep,
        log_every=log_every,
    )
    train_step = make_train_step(
        loss_fn, optimizer, micro_batches=micro_batches, ema_decay=ema_decay
    )
    state = init_state(model, optimizer, ema=ema_decay is not None)
    best = Best.start(None if validate is None else state.inference_model)
    if checkpoint is None or not Path(checkpoint).exists():
        _refuse_old_records(metrics_path)
    checkpoints = None if checkpoint is None else Checkpoints(checkpoint, keep=keep)
    run = _resume(_Run(state, best), checkpoints, key, options.steps)
    records = Records(metrics_path, step=int(run.state.step))
    capacity = min(options.steps, options.steps_per_dispatch)
    dispatch = make_dispatch(train_step, run.state, source, key, capacity)
    with report_progress(
        options.steps, start=int(run.state.step), enabled=progress, label=label
    ) as report:
        run = _train(run, dispatch, source, checkpoints, records, key, options, report)
    return FitResult(
        state=run.state,
        best_model=run.state.inference_model if validate is None else run.best.model,
        best_value=run.best.value if math.isfinite(run.best.value) else None,
        history=records.history,
        status="stopped_early" if options.stops_early(run.best) else "finished",
    )


def _train(
    run: _Run,
    dispatch: Callable[[TrainState, int], Dispatched],
    source: Source,
    checkpoints: Checkpoints | None,
    records: Records,
    key: Array,
    options: _Options,
    report: Report,
) -> _Run:
    step, started, chunk = int(run.state.step), time.monotonic() - run.seconds, 1
    while step < options.steps and not options.stops_early(run.best):
        began = time.monotonic()
        done = dispatch(run.state, min(chunk, options.until_next(step)))
        run = replace(run, state=done.state, seconds=time.monotonic() - started)
        logged = _log(done, step + done.taken, run.seconds, options)
        if done.bad is not None:
            # The last steps before it are those that tell why.
            records.extend(logged)
            batch = source.batch(done.state.position)
            raise diverged(done.state, batch, done.bad, _latest(checkpoints))
        seconds_per_step = (time.monotonic() - began) / done.taken
        chunk = max(1, min(options.steps_per_dispatch, int(_DISPATCH_SECONDS / seconds_per_step)))
        step += done.taken
        try:
            run, logged = _judge(run, logged, checkpoints, options)
        finally:
            records.extend(logged)
        ends = options.stops_early(run.best)
        if checkpoints and (ends or options.due(step, options.checkpoint_every)):
            _save(run, checkpoints, key)
        report(step, float(done.metrics["loss"][-1]))
    return run


def _log(done: Dispatched, step: int, seconds: float, options: _Options) -> list[Record]:
    """Records of the logged steps among those done, of which `step` is the last."""
    first = step - done.taken + 1
    return [
        {"step": first + i}
        | {name: float(values[i]) for name, values in done.metrics.items()}
        | {"wall_time": round(seconds, 3)}
        for i in range(done.taken)
        if options.due(first + i, options.log_every)
    ]


def _judge(
    run: _Run, records: list[Record], checkpoints: Checkpoints | None, options: _Options
) -> tuple[_Run, list[Record]]:
    """Validate if it is time, and add the scores to the record of the step."""
    step = int(run.state.step)
    if options.validate is None or not options.due(step, options.validate_every):
        return run, records
    model = run.state.inference_model
    scores = {name: float(value) for name, value in options.validate(model).items()}
    if options.monitor not in scores:
        raise ValueError(
            f"fit expected validate to return {options.monitor!r}, got {sorted(scores)}; return it "
            "or name another as monitor."
        )
    if not math.isfinite(scores[options.monitor]):
        raise DivergedError(
            f"a validation with {options.monitor}={scores[options.monitor]:g}",
            "lower the learning rate, or check the validation data",
            state=run.state,
            checkpoint=_latest(checkpoints),
        )
    best = run.best.judge(model, scores[options.monitor], step)
    named = {f"val_{name}": value for name, value in scores.items()}
    if not records or records[-1]["step"] != step:
        records = [*records, {"step": step, "wall_time": round(run.seconds, 3)}]
    return replace(run, best=best), [*records[:-1], records[-1] | named]


def _latest(checkpoints: Checkpoints | None) -> Path | None:
    if checkpoints is None or not checkpoints.steps():
        return None
    return checkpoints.path(checkpoints.steps()[-1])


def _save(run: _Run, checkpoints: Checkpoints, key: Array) -> None:
    best = run.best
    record = {
        "key": jax.random.key_data(key).tolist(),
        "seconds": run.seconds,
        "best_value": best.value if math.isfinite(best.value) else None,
        "best_step": best.step,
        "stale": best.stale,
    }
    checkpoints.save(int(run.state.step), {"state": run.state, "best": best.model}, record)


def _resume(fresh: _Run, checkpoints: Checkpoints | None, key: Array, steps: int) -> _Run:
    """Return the run of the newest checkpoint, or the fresh one if there is none."""
    if checkpoints is None or not checkpoints.steps():
        return fresh
    newest = checkpoints.steps()[-1]
    like = {"state": fresh.state, "best": fresh.best.model}
    tree, record = checkpoints.restore(newest, like)
    if record["key"] != jax.random.key_data(key).tolist():
        raise CheckpointError(
            f"Checkpoint {checkpoints.path(newest)} expected the random key it was trained with, "
            "got another; pass that key, or use another folder for another seed."
        )
    if newest > steps:
        raise CheckpointError(
            f"Checkpoint {checkpoints.path(newest)} expected a run of at least {newest} steps, got "
            f"steps={steps}; train for longer, or use another folder."
        )
    value = math.inf if record["best_value"] is None else record["best_value"]
    best = Best(tree["best"], value, record["best_step"], record["stale"])
    return _Run(tree["state"], best, record["seconds"])


def _refuse_old_records(metrics_path: str | Path | None) -> None:
    if metrics_path is not None and Path(metrics_path).exists():
        raise FileExistsError(
            f"fit expected a new metrics file where there is no checkpoint folder, got "
            f"{metrics_path}, which exists; remove it, or give a checkpoint folder to resume from."
        )
