"""The training loop: restore, dispatch, validate, log, keep, stop.

It is a plain loop over chunks of steps. All that it knows of a problem is
``loss_fn(model, batch, key) -> (loss, metrics)`` and a source of batches. The run is a function of
its arguments alone, so a run that was killed and started again with the same arguments ends, bit
for bit on the same devices, where an uninterrupted one does.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optax
from jaxtyping import PRNGKeyArray, PyTree

from jaxsci._checks import check_key, whole
from jaxsci.training.best import Best
from jaxsci.training.checkpoints import Checkpoints
from jaxsci.training.dispatch import Dispatched, make_dispatch
from jaxsci.training.divergence import DivergedError, diverged
from jaxsci.training.fingerprint import fingerprint
from jaxsci.training.progress import Report, interrupted, report_progress
from jaxsci.training.records import Record, Records
from jaxsci.training.resume import Run, Saver, refuse_old_records
from jaxsci.training.sources import Source
from jaxsci.training.state import TrainState, init_state
from jaxsci.training.step import LossFn, make_train_step
from solvers._lock import alone
from solvers._stop import Stop, asking

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
    key: PRNGKeyArray,
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
    on_change: Literal["refuse", "continue"] = "refuse",
    metrics_path: str | Path | None = None,
    log_every: int = 10,
    progress: bool = True,
    label: str = "",
) -> FitResult:
    """Train `model` for `steps` updates, resuming from `checkpoint` if there is one.

    A checkpoint belongs to one run: another key, model, optimiser (its learning rate too), other data and
    a run that begins or ceases to validate or to average its parameters are refused. What the code of a
    loss or of a source of generated batches does cannot be compared; where its source has changed, a
    warning says so. A run whose steps are all done is returned as it is, with a warning.

    Ctrl-C and SIGTERM stop the run after the dispatch it is at; the checkpoint of that step is
    written, and the same call goes on from there. A second one leaves at once. A folder and a metrics
    file are held against other processes.

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
        on_change: "continue" goes on from a checkpoint whose data, optimiser or options were others.
        metrics_path: JSONL file of the metrics, or None.
        log_every: steps between records.
        progress: report to stderr.
        label: name of the run in these reports, where several go on side by side.

    Returns:
        The final state, the best model, the history and how the run ended.

    Raises:
        DivergedError: at the first loss, gradient, update or validation that is not finite.
        CheckpointError: for a checkpoint that is damaged or of another run.
        ValueError: for options out of range.
        TypeError: for a source, optimiser or key that is none.
        FileExistsError: for a metrics file without the checkpoints it could be resumed with.
        BlockingIOError: for a folder or metrics file that another process trains in.
        KeyboardInterrupt: after Ctrl-C; after SIGTERM, the process exits with 143.
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
        refuse_old_records(metrics_path)
    with ExitStack() as stack:
        stop = stack.enter_context(asking())
        saver, run = None, Run(state, best)
        if checkpoint is not None:
            Path(checkpoint).mkdir(parents=True, exist_ok=True)
            lock = Path(checkpoint) / ".lock"
            stack.enter_context(alone(lock, who="fit", path=checkpoint))
            decides = {"micro_batches": micro_batches, "ema_decay": ema_decay}
            decided = fingerprint(source, optimizer, loss_fn, **decides)
            saver = Saver(Checkpoints(checkpoint, keep=keep), key, decided, on_change == "refuse")
            run = saver.resume(run, options.steps)
            if options.steps == int(run.state.step) or options.stops_early(run.best):
                done = int(run.state.step)
                warnings.warn(
                    f"fit found a finished run of {done} steps in {checkpoint}; nothing was trained.",
                    stacklevel=3,
                )
        records = Records(metrics_path, step=int(run.state.step), written=run.written)
        stack.callback(records.close)
        capacity = min(options.steps, options.steps_per_dispatch)
        dispatch = make_dispatch(train_step, run.state, source, key, capacity)
        report = stack.enter_context(
            report_progress(options.steps, start=int(run.state.step), enabled=progress, label=label)
        )
        run = _train(run, dispatch, source, saver, records, options, report, stop)
    return FitResult(
        state=run.state,
        best_model=run.state.inference_model if validate is None else run.best.model,
        best_value=run.best.value if math.isfinite(run.best.value) else None,
        history=records.history,
        status="stopped_early" if options.stops_early(run.best) else "finished",
    )


def _train(
    run: Run,
    dispatch: Callable[[TrainState, int], Dispatched],
    source: Source,
    saver: Saver | None,
    records: Records,
    options: _Options,
    report: Report,
    stop: Stop,
) -> Run:
    step, started, chunk = int(run.state.step), time.monotonic() - run.seconds, 1
    asked = stop.signal is not None
    while step < options.steps and not options.stops_early(run.best) and not asked:
        began = time.monotonic()
        done = dispatch(run.state, min(chunk, options.until_next(step)))
        run = replace(run, state=done.state, seconds=time.monotonic() - started)
        logged = _log(done, step + done.taken, run.seconds, options)
        if done.bad is not None:
            # The last steps before it are those that tell why.
            records.extend(logged)
            batch = source.batch(done.state.position)
            raise diverged(done.state, batch, done.bad, saver.latest() if saver else None)
        seconds_per_step = (time.monotonic() - began) / done.taken
        chunk = max(1, min(options.steps_per_dispatch, int(_DISPATCH_SECONDS / seconds_per_step)))
        step += done.taken
        try:
            run, logged = _judge(run, logged, saver, options)
        finally:
            records.extend(logged)
        asked = stop.signal is not None
        ends = asked or options.stops_early(run.best)
        if saver and (ends or options.due(step, options.checkpoint_every)):
            saver.save(replace(run, written=records.written))
        report(step, float(done.metrics["loss"][-1]))
    if asked:
        stop.leave(interrupted(step, options.steps, saver and saver.checkpoints.folder))
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
    run: Run, records: list[Record], saver: Saver | None, options: _Options
) -> tuple[Run, list[Record]]:
    """Validate if it is time, and add the scores to the record of the step."""
    step = int(run.state.step)
    if options.validate is None or not options.due(step, options.validate_every):
        return run, records
    model = run.state.inference_model
    found = options.validate(model)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"fit expected validate to return a dictionary of scores, got {type(found).__name__}; return "
            f"for instance {{{options.monitor!r}: value}}."
        )
    scores = {name: float(value) for name, value in found.items()}
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
            checkpoint=saver.latest() if saver else None,
        )
    best = run.best.judge(model, scores[options.monitor], step)
    named = {f"val_{name}": value for name, value in scores.items()}
    if not records or records[-1]["step"] != step:
        records = [*records, {"step": step, "wall_time": round(run.seconds, 3)}]
    return replace(run, best=best), [*records[:-1], records[-1] | named]
