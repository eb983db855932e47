"""Early stopping: the last dates of all series are held out; training ends when forecasts of them get worse.

Reference: L. Prechelt, Early stopping, but when?, in Neural Networks: Tricks of the Trade, Springer, 1998,
doi:10.1007/3-540-49430-8_3.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..forking import ForkSource
from ..panel import Panel

# Forecasts that a validation makes: of more series, some are left out.
CELLS = 1 << 18


def dates_held_out(who: str, panel: Panel, holdout: int | None, horizon: int) -> int:
    """How many last dates of the series are not learned from.

    Args:
        who: named in a message.
        panel: the series.
        holdout: as asked for; by default the last tenth of T dates, and at least a horizon, but none where that
            is more than a quarter of them, or where nothing was known before.
        horizon: H.

    Raises:
        ValueError: more dates than leave a target to learn from.
    """
    held = max(horizon, panel.length // 10) if holdout is None else holdout
    learns = bool(panel.observed[:, : max(panel.length - held, 0)].any())
    if holdout is None:
        return held if learns and 4 * held <= panel.length else 0
    if not learns:
        raise ValueError(
            f"{who} expected holdout to leave known targets, got {holdout} of {panel.length} dates; hold out "
            "fewer."
        )
    return held


def judge_of(
    source: ForkSource, loss_fn: Callable[..., Any]
) -> Callable[[Any], dict[str, Array]] | None:
    """What `jaxsci.training.fit` validates with: the loss of all forecasts of the last dates, if any is known.

    Args:
        source: of the whole series, with as many forks as dates are held out.
        loss_fn: as of `fit`.
    """
    columns = source.arrays.series.y.shape[1] - source.arrays.pad
    index = jnp.arange(len(source.first), dtype=jnp.int32)
    last, begin = (
        jnp.full(index.shape, c, jnp.int32) for c in (columns - 2, columns - 1 - source.forks)
    )
    batch = eqx.filter_jit(lambda s, *where: s.cut(*where))(source, index, last, begin)
    if not np.asarray(batch[2]).any():
        return None

    @eqx.filter_jit
    def loss(model, batch):
        return loss_fn(model, batch)[0]

    return lambda model: {"loss": loss(model, batch)}
