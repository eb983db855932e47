"""What is said when a run diverges."""

from pathlib import Path

import equinox as eqx
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
    """Build the error for a step whose `values` are not all finite, looking at its batch and the model."""
    what = ", ".join(f"{name}={value:g}" for name, value in values.items())
    if (name := _not_finite(batch)) is not None:
        what += f" from non-finite training data in leaf {name or 'batch'} of its batch"
        remedy = "remove or repair those examples"
    elif (name := _not_finite(eqx.filter(state.model, eqx.is_inexact_array))) is not None:
        what += f" from weights that are not finite in leaf {name or 'model'} of the model"
        remedy = "build the model again, or repair what its weights were read from"
    else:
        remedy = "lower the learning rate, clip the gradient, or warm up for longer"
    return DivergedError(what, remedy, state=state, checkpoint=checkpoint)


def _not_finite(tree: PyTree) -> str | None:
    """Name the first leaf that holds NaN or infinity."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.all(jnp.isfinite(leaf))):
            return jax.tree_util.keystr(path)
    return None
