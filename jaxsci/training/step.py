r"""One pure training step, with gradients accumulated over micro-batches.

For a loss that is a mean over the batch, the gradient of the whole is the mean of the gradients of
`m` equal pieces,

    grad L(batch) = (1/m) sum_i grad L(piece_i),

so the pieces can be as small as the cache or the memory wants: on a CPU the traffic between unfused
operations dominates, and pieces that fit the cache are faster than the whole batch at once.

Whatever is added up over pieces or steps, gradients, moments of the optimiser and averages, is kept in
float32 at least; in half precision a sum of ones stops at 256.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from jaxsci._checks import whole
from jaxsci.training.state import TrainState, at_least_single

Scalar = Float[Array, ""]
Metrics = dict[str, Scalar]
LossFn = Callable[[Any, Any, Array], tuple[Scalar, dict[str, Any]]]
TrainStep = Callable[[TrainState, Any, Array], tuple[TrainState, Metrics]]

# Larger than any epoch or position that a source folds into the same key.
_STEPS = 2**32 - 1
_RESERVED = frozenset({"loss", "grad_norm", "update_norm"})


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    micro_batches: int = 1,
    ema_decay: float | None = None,
) -> TrainStep:
    """Build ``train_step(state, batch, key) -> (state, metrics)``, a pure function to be jitted.

    Pass the same run `key` at every step. The step derives its own as ``fold_in(fold_in(key, 2**32 - 1),
    step)``, and micro-batch ``i`` uses ``fold_in`` of that with ``i``: sources fold in smaller numbers, so that
    one key may serve both.

    Args:
        loss_fn: ``loss_fn(model, batch, key) -> (loss, metrics)`` with the loss a mean over the
            batch and `metrics` a dictionary of scalars, averaged over micro-batches.
        optimizer: optax transformation; it also receives the loss as ``value``.
        micro_batches: number of equal pieces the leading axis of the batch is cut into.
        ema_decay: ``d`` in ``ema <- d ema + (1 - d) model``, applied after each update.

    Returns:
        The step. Its metrics hold `loss`, `grad_norm` (before any clipping), `update_norm` and
        those of `loss_fn`. All arrays of floating point in the model are updated: wrap fixed ones
        in `jax.lax.stop_gradient`, and mask them from weight decay.

    Raises:
        ValueError: for options out of range, and while tracing for a batch that does not divide,
            metrics that are not scalars, or a state without the moving average asked for.
        TypeError: for no optimiser, and while tracing for a loss function that does not return a loss
            in floating point and a dictionary.
    """
    micro_batches = whole("make_train_step", "micro_batches", micro_batches)
    if not hasattr(optimizer, "update"):
        raise TypeError(
            f"make_train_step expected an optax transformation, got {type(optimizer).__name__}; build "
            "one, as in optax.adam(1e-3)."
        )
    if ema_decay is not None and not 0.0 <= ema_decay < 1.0:
        raise ValueError(
            f"make_train_step expected 0 <= ema_decay < 1, got {ema_decay}; 0.999 is usual, None "
            "turns the average off."
        )
    update = optax.with_extra_args_support(optimizer).update
    value_and_grad = eqx.filter_value_and_grad(_checked(loss_fn), has_aux=True)

    def train_step(
        state: TrainState, batch: PyTree, key: PRNGKeyArray
    ) -> tuple[TrainState, Metrics]:
        _check_ema(state, ema_decay)
        key = jax.random.fold_in(jax.random.fold_in(key, _STEPS), state.step)
        (loss, metrics), grads = _accumulate(value_and_grad, state.model, batch, key, micro_batches)
        params, rest = eqx.partition(state.model, eqx.is_inexact_array)
        wide = at_least_single(params)
        # Inside optax a float meets an integer step count, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = update(grads, state.opt_state, wide, value=loss)
        moved = optax.apply_updates(wide, updates)
        model = eqx.combine(jax.tree.map(lambda m, p: m.astype(p.dtype), moved, params), rest)
        metrics = metrics | {
            "loss": loss,
            "grad_norm": optax.tree.norm(grads),
            "update_norm": optax.tree.norm(updates),
        }
        state = TrainState(
            model=model,
            opt_state=opt_state,
            ema=None if ema_decay is None else _average(state.ema, model, ema_decay),
            step=state.step + 1,
            position=state.position + 1,
        )
        return state, metrics

    return train_step


def _accumulate(value_and_grad, model: PyTree, batch: PyTree, key: PRNGKeyArray, pieces: int):
    """Mean of value and gradient over equal pieces of the batch, in one scan, in float32 at least."""
    if pieces == 1:
        return _ascent(value_and_grad(model, batch, jax.random.fold_in(key, 0)))
    batch = _cut(batch, pieces)
    dynamic, static = eqx.partition(model, eqx.is_array)

    def piece(i):
        one = jax.tree.map(lambda x: x[i], batch)
        return _ascent(
            value_and_grad(eqx.combine(dynamic, static), one, jax.random.fold_in(key, i))
        )

    def add(total, i):
        return jax.tree.map(jnp.add, total, piece(i)), None

    zeros = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(piece, jnp.zeros((), jnp.int32))
    )
    total, _ = jax.lax.scan(add, zeros, jnp.arange(pieces, dtype=jnp.int32))
    return jax.tree.map(lambda x: x / pieces, total)


def _ascent(value_and_gradient: PyTree) -> PyTree:
    """Widen to float32, and conjugate: of |w|² JAX gives 2 w̄, and the way up is 2 w."""

    def turn(x):
        return jnp.conj(x) if jnp.iscomplexobj(x) else x

    value, gradient = at_least_single(value_and_gradient)
    return value, jax.tree.map(turn, gradient)


def _cut(batch: PyTree, pieces: int) -> PyTree:
    """Split the leading axis of every leaf into `pieces`."""
    batch = jax.tree.map(jnp.asarray, batch)
    sizes = {x.shape[0] if x.ndim else None for x in jax.tree.leaves(batch)}
    size = sizes.pop() if len(sizes) == 1 else None
    if size is None or size % pieces:
        shapes = [x.shape for x in jax.tree.leaves(batch)]
        raise ValueError(
            f"make_train_step expected a batch whose leading axis is common to all leaves and "
            f"divisible by micro_batches={pieces}, got leaves of shape {shapes}; change the batch "
            "size or the number of micro-batches."
        )
    return jax.tree.map(lambda x: x.reshape(pieces, size // pieces, *x.shape[1:]), batch)


def _checked(loss_fn: LossFn) -> LossFn:
    """Check what the user's loss returns, and bring its metrics to the dtype of the loss."""

    def loss_and_metrics(model, batch, key):
        returned = loss_fn(model, batch, key)
        match returned:
            case (loss, dict(metrics)):
                loss = jnp.asarray(loss)
            case _:
                raise TypeError(
                    f"loss_fn expected to return a pair of the loss and a dictionary of metrics, got "
                    f"{_kinds(returned)}; return (loss, {{}}) where there are no metrics."
                )
        if not jnp.issubdtype(loss.dtype, jnp.floating):
            raise TypeError(
                f"loss_fn expected to return a loss in floating point, got {loss.dtype}; only that has "
                "a gradient."
            )
        metrics = {name: jnp.asarray(value) for name, value in metrics.items()}
        shapes = {"the loss": loss.shape} | {name: x.shape for name, x in metrics.items()}
        if any(shape != () for shape in shapes.values()):
            raise ValueError(
                f"loss_fn expected to return scalars, got shapes {shapes}; take the mean over the "
                "batch."
            )
        if taken := _RESERVED & metrics.keys():
            raise ValueError(
                f"loss_fn expected metrics other than {sorted(_RESERVED)}, which the step adds, "
                f"got {sorted(taken)}; leave them out or rename them."
            )
        metrics = {name: x.astype(loss.dtype) for name, x in metrics.items()}
        return loss, metrics

    return loss_and_metrics


def _kinds(returned: Any) -> str:
    if not isinstance(returned, tuple):
        return type(returned).__name__
    return f"({', '.join(type(part).__name__ for part in returned)})"


def _check_ema(state: TrainState, ema_decay: float | None) -> None:
    if (state.ema is None) != (ema_decay is None):
        have = "none" if state.ema is None else "a moving average"
        raise ValueError(
            f"train_step expected a state that fits ema_decay={ema_decay}, got one with {have}; "
            f"build it with init_state(model, optimizer, ema={ema_decay is not None})."
        )


def _average(ema: PyTree, model: PyTree, decay: float) -> PyTree:
    """Move the average towards the model; leaves that are not parameters follow the model."""
    params, rest = eqx.partition(at_least_single(model), eqx.is_inexact_array)
    old = eqx.filter(ema, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda e, p: decay * e + (1.0 - decay) * p, old, params), rest)
