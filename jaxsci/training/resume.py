"""Where a run stands, written as a checkpoint and read back into the run it belongs to."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from jaxsci.training.best import Best
from jaxsci.training.checkpoints import Checkpoints
from jaxsci.training.fingerprint import Fingerprint, compare
from jaxsci.training.state import TrainState
from jaxsci.training.store import CheckpointError


@dataclass(frozen=True)
class Run:
    """What a checkpoint holds: training state, validation so far, seconds spent, metrics written."""

    state: TrainState
    best: Best
    seconds: float = 0.0
    written: dict[str, Any] | None = None


@dataclass(frozen=True)
class Saver:
    """The checkpoints of one run, with what they are compared by.

    Attributes:
        checkpoints: the folder of them.
        key: key of the run.
        fingerprint: what else decides it.
        refuse: whether a checkpoint with another fingerprint is refused.
    """

    checkpoints: Checkpoints
    key: PRNGKeyArray
    fingerprint: Fingerprint
    refuse: bool = True

    def latest(self) -> Path | None:
        """Folder of the newest checkpoint, if there is one."""
        steps = self.checkpoints.steps()
        return self.checkpoints.path(steps[-1]) if steps else None

    def save(self, run: Run) -> None:
        """Write a checkpoint of the run."""
        best = run.best
        record = {
            "key": jax.random.key_data(self.key).tolist(),
            "fingerprint": self.fingerprint,
            "seconds": run.seconds,
            "best_value": best.value if math.isfinite(best.value) else None,
            "best_step": best.step,
            "stale": best.stale,
            "metrics": run.written,
        }
        self.checkpoints.save(int(run.state.step), {"state": run.state, "best": best.model}, record)

    def resume(self, fresh: Run, steps: int) -> Run:
        """Return the run of the newest checkpoint, or the fresh one if there is none.

        Raises:
            CheckpointError: for the checkpoint of another run, a longer one, or a damaged one.
        """
        if not self.checkpoints.steps():
            return fresh
        newest = self.checkpoints.steps()[-1]
        like = {"state": fresh.state, "best": fresh.best.model}
        tree, record = self.checkpoints.restore(newest, like)
        folder = self.checkpoints.path(newest)
        if record["key"] != jax.random.key_data(self.key).tolist():
            raise CheckpointError(
                f"Checkpoint {folder} expected the random key it was trained with, "
                "got another; pass that key, or use another folder for another seed."
            )
        if int(tree["state"].step) != newest:
            raise CheckpointError(
                f"Checkpoint {folder} expected the state after {newest} steps, got that after "
                f"{int(tree['state'].step)}; give the folder its old name."
            )
        compare(record.get("fingerprint", {}), self.fingerprint, folder, refuse=self.refuse)
        if newest > steps:
            raise CheckpointError(
                f"Checkpoint {folder} expected a run of at least {newest} steps, got "
                f"steps={steps}; train for longer, or use another folder."
            )
        value = math.inf if record["best_value"] is None else record["best_value"]
        best = Best(tree["best"], value, record["best_step"], record["stale"])
        return Run(tree["state"], best, record["seconds"], record.get("metrics"))


def refuse_old_records(metrics_path: str | Path | None) -> None:
    """Refuse a metrics file that no checkpoint says how to go on with."""
    if metrics_path is not None and Path(metrics_path).exists():
        raise FileExistsError(
            f"fit expected a new metrics file where there is no checkpoint folder, got "
            f"{metrics_path}, which exists; remove it, or give a checkpoint folder to resume from."
        )
