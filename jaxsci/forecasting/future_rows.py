"""Frames that go with others: the rows that a forecast asks for, and the aggregates above bottom series."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from .forecaster import Forecaster
from .frame import DATE, ID, TARGET, as_frame, check_frame
from .hierarchy import Hierarchy


def future_rows(forecaster: Forecaster, frame: Any) -> pd.DataFrame:
    """Make the rows that `predict` asks for of a frame: fill in their covariates, and pass them as `future=`.

    Args:
        forecaster: fitted or not; its horizon and the columns that are known ahead count.
        frame: series as for `Forecaster.fit`.

    Returns:
        ``unique_id``, ``ds`` and the columns known ahead, which are empty, for the H dates after the last known
        target of each series.
    """
    schema = forecaster._learn_schema(as_frame(frame))
    panel = schema.panel(frame)
    ahead = panel.dates(panel.length + np.arange(forecaster.horizon))
    rows = pd.DataFrame(
        {
            ID: np.repeat(panel.ids, forecaster.horizon),
            DATE: panel.calendar.stamps(ahead.ravel()),
        }
    )
    return rows.assign(**{name: np.nan for name in forecaster.future})


def aggregate_frame(frame: Any, hierarchy: Hierarchy) -> pd.DataFrame:
    """Sum the bottom series of a frame to all series of a hierarchy.

    Args:
        frame: ``unique_id``, ``ds`` and ``y`` of the bottom series alone.
        hierarchy: of them.

    Returns:
        ``unique_id``, ``ds`` and ``y`` of all series at all dates; a sum of which a part is missing is missing.

    Raises:
        ValueError: series that are not those at the bottom of the hierarchy.
    """
    table = as_frame(frame)
    check_frame(table, (TARGET,))
    bottom = [hierarchy.ids[i] for i in hierarchy.bottom]
    here = set(table[ID])
    if here != set(bottom):
        other = sorted(map(str, here ^ set(bottom)))
        raise ValueError(
            f"aggregate_frame expected the {len(bottom)} bottom series of the hierarchy, got others, or not "
            f"all, such as {other[0]!r}; leave aggregates out, and give every bottom series."
        )
    wide = table.pivot(index=DATE, columns=ID, values=TARGET)[bottom].sort_index()
    with jax.enable_x64(True):
        values = np.asarray(
            hierarchy.aggregate(jnp.asarray(wide.to_numpy(np.float64, na_value=np.nan)))
        )
    dates = wide.index.take(np.tile(np.arange(len(wide)), len(hierarchy.ids)))
    names = pd.Index(hierarchy.ids).repeat(len(wide))
    return pd.DataFrame({ID: names, DATE: dates, TARGET: values.T.ravel()})
