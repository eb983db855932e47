"""What is said when a run diverges."""

from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from jaxsci.training.state import TrainState


class DivergedError(FloatingPointError):
    """Training met a value that is not finite, and stopped before applying it.

    Attributes:
        step: number of updates applied before; the update after them is the one that failed.
        state: the training state at that step, finite and usable.
        checkpoint: folder of the last checkpoint, or None.
    """

    def __init__(self, what: str, remedy: str, *, state: TrainState, checkpoint: Path | None):
        self.step = int(state.step)
        self.state = state
        self.checkpoint = checkpoint
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint exists"
        super().__init__(
            f"Training diverged at step {self.step}: expected finite values, got {what}; the model "
            f"was left as it was before that, and {kept}; {remedy}."
        )


def diverged(
    state: TrainState, batch: PyTree, values: dict[str, float], checkpoint: Path | None
) -> DivergedError:
    """Build the error for a step whose `values` are not all finite, looking first at its batch."""
    what = ", ".join(f"{name}={value:g}" for name, value in values.items())
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.all(jnp.isfinite(leaf))):
            name = jax.tree_util.keystr(path) or "batch"
            what += f" from non-finite training data in leaf {name} of its batch"
            remedy = "remove or repair those examples"
            break
    else:
        remedy = "lower the learning rate, clip the gradient, or warm up for longer"
    return DivergedError(what, remedy, state=state, checkpoint=checkpoint)
