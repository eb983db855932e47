"""The checks that the metrics of forecasts share: levels, shapes, masks, and means of what was observed.

Missing targets are left out: neither NaN nor an error of zero. Sizes and levels are checked whenever a
function is traced; what depends on values gives an error outside jit, and NaN inside, where it cannot be seen.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float

Levels = Sequence[float] | Float[Array, " quantile"] | Float[np.ndarray, " quantile"]


def checked_levels(metric: str, levels: Levels, count: int) -> Float[np.ndarray, " quantile"]:
    """The levels of the quantiles: known numbers, increasing, inside (0, 1)."""
    if isinstance(levels, Tracer):
        raise ValueError(
            f"{metric} expected levels that are known when it is traced, got {levels}; close over them "
            "instead of passing them through jit or vmap."
        )
    array = np.asarray(levels, np.float64)
    if array.shape != (count,):
        raise ValueError(
            f"{metric} expected a level for each of {count} quantiles, got shape {array.shape}; put "
            "the quantiles on the last axis of the forecast."
        )
    inside = (array > 0) & (array < 1)
    if not (count and inside.all() and (np.diff(array) > 0).all()):
        raise ValueError(
            f"{metric} expected levels that increase inside (0, 1), got {array.tolist()}; sort them, "
            "and give shares instead of per cent."
        )
    return array


def checked_observed(
    metric: str, target: ArrayLike, observed: ArrayLike | None
) -> tuple[Array, Bool[Array, "..."]]:
    """The target with zeros where it is missing, and where it is not.

    Without a mask NaN means missing, as in a frame; with one, a NaN that it calls observed stays NaN.
    """
    target = jnp.asarray(target)
    observed = ~jnp.isnan(target) if observed is None else jnp.asarray(observed)
    if observed.shape != target.shape or observed.dtype != jnp.bool_:
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
    return jnp.where(observed, target, 0), observed


def checked_quantiles(
    metric: str, predicted: ArrayLike, levels: Levels, target: ArrayLike, observed: ArrayLike | None
) -> tuple[Array, Array, Array, Bool[Array, "..."]]:
    """Quantiles (..., quantile), their levels, the target (...) and its mask."""
    predicted = jnp.asarray(predicted)
    target, observed = checked_observed(metric, target, observed)
    if predicted.ndim == 0 or predicted.shape[:-1] != target.shape:
        raise ValueError(
            f"{metric} expected quantiles of shape {(*target.shape, 'quantile')}, those of the target and "
            f"one more axis, got {predicted.shape}; put the quantiles last."
        )
    known = checked_levels(metric, levels, predicted.shape[-1])
    return predicted, jnp.asarray(known, predicted.dtype), target, observed


def mean_observed(values: Array, observed: Bool[Array, "..."], axis=None) -> Array:
    """Mean over what was observed; NaN where nothing was."""
    count = jnp.sum(observed, axis=axis).astype(values.dtype)
    total = jnp.sum(jnp.where(observed, values, 0), axis=axis)
    return jnp.where(count == 0, jnp.nan, total / jnp.where(count == 0, 1, count))
