"""Forecasts of many series at many dates, in passes that bound the memory.

A pass makes the forecasts of some series at up to 64 consecutive dates, as differences from the level at the
first of them; in the user's units they are put together in double precision.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..forking import SeriesArrays
from ..network import MQNetwork
from ..panel import Panel

# Forecasts of one pass, or dates read: bounds its memory, and is enough to fill the cores.
_CELLS = 1 << 18
_DATES = 64


def forecasts(
    network: MQNetwork,
    arrays_of: Callable[[Panel, int], SeriesArrays],
    panel: Panel,
    columns: np.ndarray,
    *,
    history: int,
    unit: float,
) -> np.ndarray:
    """Quantiles at columns of a panel, (series, columns, horizon, quantiles).

    Args:
        network: makes them.
        arrays_of: arrays of some series, with so many dates before them.
        panel: the series.
        columns: increasing.
        history: dates that a forecast is made from.
        unit: of the arrays.
    """
    consecutive = bool((np.diff(columns) == 1).all())
    dates = min(len(columns), _DATES) if consecutive else 1
    length = history + dates - 1
    # The last date of each pass; the first pass may reach back to dates that are not asked for.
    lasts = columns[::-1][::dates][::-1] if consecutive else columns
    count = len(panel.ids)
    batch = max(1, min(count, _CELLS // max(dates * network.horizon, length)))
    parts = []
    for start in range(0, count, batch):
        # The last batch is filled up, so that all have one shape and one program.
        rows = panel.rows(np.minimum(np.arange(start, start + batch), count - 1))
        arrays = arrays_of(rows, length + _DATES)
        passes = [
            _in_units(
                unit, *_quantiles(network, arrays, jnp.asarray(last, jnp.int32), length, dates)
            )
            for last in lasts
        ]
        parts.append(np.concatenate(passes, 1)[: count - start, -len(columns) :])
    return np.concatenate(parts)


@eqx.filter_jit
def _quantiles(network, arrays, last, length, dates):
    def one(i):
        series = arrays.stretch(i, last, length, network.horizon, dates=dates)
        return network(series, dates), *arrays.reference(i, last - dates + 1)

    return jax.vmap(one)(jnp.arange(arrays.series.y.shape[0], dtype=jnp.int32))


def _in_units(unit: float, values: Any, high: Any, low: Any) -> np.ndarray:
    """Quantiles of series in the user's units."""
    values, high, low = (np.asarray(x, np.float64) for x in (values, high, low))
    return unit * ((high + low)[:, None, None, None] + values)
