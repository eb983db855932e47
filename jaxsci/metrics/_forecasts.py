"""The checks that the metrics of forecasts share: levels, shapes, masks, and means of what was observed.

Missing targets are left out: neither NaN nor an error of zero. Sizes and levels are checked whenever a
function is traced; what depends on values gives an error outside jit, and NaN inside, where it cannot be seen.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .._arrays import numbers
from .._numeric import AnyArray, namespace

Levels = Sequence[float] | Float[Array | np.ndarray, " quantile"]
if TYPE_CHECKING:
    Mask = Any
else:
    Mask = Bool[Array | np.ndarray, "..."] | None


def checked_levels(metric: str, levels: Levels, count: int) -> Float[np.ndarray, " quantile"]:
    """The levels of the quantiles: known numbers, increasing, inside (0, 1)."""
    if isinstance(levels, Tracer):
        raise ValueError(
            f"{metric} expected levels that are known when it is traced, got {levels}; close over them "
            "instead of passing them through jit or vmap."
        )
    array = np.asarray(numbers(metric, "levels", levels))
    if array.shape != (count,):
        raise ValueError(
            f"{metric} expected a level for each of {count} quantiles, got shape {array.shape}; put "
            "the quantiles on the last axis of the forecast."
        )
    if array.dtype.kind == "c" or not (
        count and ((array > 0) & (array < 1)).all() and (np.diff(array) > 0).all()
    ):
        raise ValueError(
            f"{metric} expected levels that increase inside (0, 1), got {array.tolist()}; sort them, "
            "and give shares instead of per cent."
        )
    return array.astype(np.float64)


def checked_observed(metric: str, target: Any, observed: Any) -> tuple[Any, Any]:
    """The target with zeros where it is missing, and where it is not.

    Without a mask NaN means missing, as in a frame; with one, a NaN that it calls observed stays NaN.
    """
    xp = namespace(target)
    observed = ~xp.isnan(target) if observed is None else observed
    if observed.shape != target.shape or observed.dtype != bool:
        raise ValueError(
            f"{metric} expected observed to be booleans of shape {target.shape}, that of the target, got "
            f"{observed.dtype} of shape {observed.shape}; pass True where the target is known."
        )
    if not isinstance(observed, Tracer) and not observed.any():
        raise ValueError(
            f"{metric} expected at least one observed target, got none of {observed.size}; leave out "
            "windows without data."
        )
    # Before any arithmetic: the derivative of what comes after would be NaN times 0.
    return xp.where(observed, target, xp.zeros((), target.dtype)), observed


def checked_quantiles(
    metric: str, predicted: Any, levels: Levels, target: Any, observed: Any
) -> tuple[Any, Any, Any, Any]:
    """Quantiles (..., quantile), their levels, the target (...) and its mask."""
    target, observed = checked_observed(metric, target, observed)
    if predicted.ndim == 0 or predicted.shape[:-1] != target.shape:
        raise ValueError(
            f"{metric} expected quantiles of shape {(*target.shape, 'quantile')}, those of the target and "
            f"one more axis, got {predicted.shape}; put the quantiles last."
        )
    known = checked_levels(metric, levels, predicted.shape[-1])
    q = namespace(predicted).asarray(known, dtype=predicted.dtype)
    return predicted, q, target, observed


def mean_observed(values: Any, observed: Any, axis=None) -> Float[AnyArray, "..."]:
    """Mean over what was observed; NaN where nothing was."""
    xp = namespace(values)
    count = xp.sum(observed, axis=axis).astype(values.dtype)
    total = xp.sum(xp.where(observed, values, xp.zeros((), values.dtype)), axis=axis)
    none = count == 0
    mean = total / xp.where(none, xp.ones((), values.dtype), count)
    return xp.where(none, xp.asarray(np.nan, dtype=values.dtype), mean)
