"""Everything that changes during training, as one pytree.

What is in `TrainState` is what a checkpoint has to hold: nothing about a run hides in a closure, an
iterator or a global generator. Random keys are absent on purpose; they are derived from the run's
key and `step`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int32, PyTree


class TrainState(eqx.Module):
    """The state of a training run.

    Attributes:
        model: the operator being trained; its inexact arrays are the parameters.
        opt_state: state of the optax transformation, in float32 at least.
        ema: exponential moving average of the parameters, shaped as `model`, in float32 at least: in half
            precision an average of decay 0.999 would not move. Or None.
        step: number of updates applied; the random key of a step is ``fold_in(key, step)``.
        position: index of the next batch of the data source. It advances with `step`, and is kept
            apart so that the data can start over while schedules and keys go on.
    """

    model: PyTree
    opt_state: PyTree
    ema: PyTree | None
    step: Int32[Array, ""]
    position: Int32[Array, ""]

    @property
    def inference_model(self) -> PyTree:
        """The model to evaluate: the moving average where there is one, in the precision of the model."""
        if self.ema is None:
            return self.model
        return jax.tree.map(
            lambda x, m: x.astype(m.dtype) if eqx.is_inexact_array(x) else x, self.ema, self.model
        )


def init_state(
    model: PyTree, optimizer: optax.GradientTransformation, *, ema: bool = False
) -> TrainState:
    """Return the state before the first step.

    The arrays are copies: the caller's model survives a step that donates its input.

    Args:
        model: the operator, usually an `equinox.Module`.
        optimizer: the optax transformation that `make_train_step` will be given.
        ema: whether to carry a moving average of the parameters.

    Raises:
        TypeError: for a model without parameters.
    """
    if not any(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(model)):
        raise TypeError(
            f"init_state expected a model with parameters, arrays of floating-point numbers, got "
            f"{type(model).__name__} without any; build one, as an equinox.Module."
        )
    return TrainState(
        model=copy_arrays(model),
        opt_state=copy_arrays(
            optimizer.init(at_least_single(eqx.filter(model, eqx.is_inexact_array)))
        ),
        ema=copy_arrays(at_least_single(model)) if ema else None,
        step=jnp.zeros((), jnp.int32),
        position=jnp.zeros((), jnp.int32),
    )


def at_least_single(tree: PyTree) -> PyTree:
    """Bring arrays in half precision to float32, in which sums and averages are kept."""

    def widen(leaf):
        half = eqx.is_inexact_array(leaf) and leaf.dtype.itemsize < 4
        return leaf.astype(jnp.float32) if half else leaf

    return jax.tree.map(widen, tree)


def copy_arrays(tree: PyTree) -> PyTree:
    """Copy every array, so that neither tree is touched when the other is donated."""

    def copy(leaf):
        if not eqx.is_array(leaf):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.copy(leaf)
        # The explicit dtype drops weak types, which a loop's carry would otherwise reject.
        return jnp.array(leaf, dtype=leaf.dtype, copy=True)

    return jax.tree.map(copy, tree)
