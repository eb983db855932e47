"""Many training steps in one call of a compiled program.

The Python side of a step costs more than the step itself for a small model, so the loop runs inside
the program. It is a `while_loop` whose trip count is data: chunks of any length up to the capacity
share one compilation, and the arithmetic of a step does not depend on how the run was cut into
chunks, which bitwise equality of resumed runs rests on. The state is donated, and model and source
are split into arrays and static parts once.

A step whose loss, gradient or update is not finite is not applied: the loop ends with the state as
it was before that step.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from jaxsci.training.sources import Source
from jaxsci.training.state import TrainState
from jaxsci.training.step import TrainStep

_WATCHED = ("loss", "grad_norm", "update_norm")


class Dispatched(NamedTuple):
    """What one dispatch brought back.

    Attributes:
        state: the state after the last finite step.
        metrics: values per applied step, each of length `taken`.
        taken: number of steps applied.
        bad: the metrics of the step that was not finite, or None.
    """

    state: TrainState
    metrics: dict[str, np.ndarray]
    taken: int
    bad: dict[str, float] | None


def make_dispatch(
    train_step: TrainStep, state: TrainState, source: Source, key: PRNGKeyArray, capacity: int
) -> Callable[[TrainState, int], Dispatched]:
    """Build ``dispatch(state, n)``, which runs `n` steps, ``n <= capacity``, and donates `state`.

    Args:
        train_step: from `make_train_step`.
        state: gives the static structure; its arrays are not used.
        source: the batches; its arrays are passed to the program, not baked into it.
        key: the key of the run.
        capacity: the largest `n`.
    """
    _, state_static = eqx.partition(state, eqx.is_array)
    source_arrays, source_static = eqx.partition(source, eqx.is_array)

    def advance(arrays, source_arrays, key):
        state = eqx.combine(arrays, state_static)
        source = eqx.combine(source_arrays, source_static)
        state, metrics = train_step(state, source.batch(state.position), key)
        return eqx.filter(state, eqx.is_array), metrics

    @partial(jax.jit, donate_argnums=0)
    def run(arrays, source_arrays, key, n: Int[Array, ""]):
        def proceed(carry):
            i, finite, _, _ = carry
            return (i < n) & finite

        def body(carry):
            i, _, arrays, log = carry
            new, metrics = advance(arrays, source_arrays, key)
            finite = jnp.all(jnp.stack([jnp.isfinite(metrics[name]) for name in _WATCHED]))
            arrays = jax.tree.map(lambda a, b: jnp.where(finite, b, a), arrays, new)
            log = {name: log[name].at[i].set(metrics[name]) for name in log}
            return i + finite.astype(i.dtype), finite, arrays, log

        _, metrics = jax.eval_shape(advance, arrays, source_arrays, key)
        log = {name: jnp.zeros((capacity,), x.dtype) for name, x in metrics.items()}
        start = (jnp.zeros((), jnp.int32), jnp.ones((), bool), arrays, log)
        taken, finite, arrays, log = jax.lax.while_loop(proceed, body, start)
        return arrays, log, taken, finite

    def dispatch(state: TrainState, n: int) -> Dispatched:
        arrays = eqx.filter(state, eqx.is_array)
        arrays, log, taken, finite = run(arrays, source_arrays, key, jnp.asarray(n, jnp.int32))
        taken, log = int(taken), jax.device_get(log)
        return Dispatched(
            state=eqx.combine(arrays, state_static),
            metrics={name: values[:taken] for name, values in log.items()},
            taken=taken,
            bad=None if finite else {name: float(log[name][taken]) for name in _WATCHED},
        )

    return dispatch
