r"""Calibration and sharpness of quantile forecasts.

    coverage_q = share of targets with y ≤ ŷ_q,      which is q for a calibrated forecast
    sharpness_q = mean of ŷ_{1−q} − ŷ_q,             the width of the central interval of probability 1 − 2q

Good forecasts are as sharp as they can be while they are calibrated; neither number alone is a score. Where
targets repeat, as counts do, even the true quantiles cover more than q: P(y ≤ y_q) ≥ q.

Reference: T. Gneiting, F. Balabdaoui, A. Raftery, J. R. Stat. Soc. B 69 (2007) 243,
doi:10.1111/j.1467-9868.2007.00587.x.
"""

import numpy as np
from jaxtyping import Float

from .._numeric import AnyArray, namespace, numeric
from ._forecasts import (
    Levels,
    Mask,
    checked_levels,
    checked_observed,
    checked_quantiles,
    mean_observed,
)

_SAME = 1e-6  # levels such as 0.1 and 0.9 are not exact, least of all in single precision


@numeric("predicted", "target", masks=("observed",))
def quantile_coverage(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, " quantile"]:
    """Share of the observed targets that are at most their quantile, for each level.

    Args:
        predicted: quantiles, (..., horizon, quantile).
        levels: their levels, increasing inside (0, 1).
        target: what came, (..., horizon).
        observed: where the target is known; by default where it is not NaN.

    Returns:
        One share a level; NaN for a level of which an observed target has a quantile that is NaN, and
        inside jit where no target was observed.

    Raises:
        ValueError: levels, shapes or a mask that are wrong, or no observed target.
    """
    predicted, _, target, observed = checked_quantiles(
        "quantile_coverage", predicted, levels, target, observed
    )
    excess = target[..., None] - predicted
    xp = namespace(excess)
    below = xp.where(xp.isnan(excess), excess, (excess <= 0).astype(excess.dtype))
    return mean_observed(below, observed[..., None], axis=tuple(range(target.ndim)))


@numeric("predicted", masks=("observed",))
def sharpness(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    observed: Mask = None,
) -> Float[AnyArray, " interval"]:
    """Mean width of the central intervals, the widest first, in the unit of the target.

    Intervals are those between ŷ_q and ŷ_{1−q}, so levels come in such pairs; the median, where there is one,
    has none. Crossed quantiles count as a negative width.

    Args:
        predicted: quantiles, (..., horizon, quantile).
        levels: their levels, increasing inside (0, 1) and symmetric about 1/2.
        observed: which forecasts count, (..., horizon); by default all, since a width needs no target.

    Returns:
        One width for each q below 1/2, (interval,).

    Raises:
        ValueError: levels, shapes or a mask that are wrong, levels that are no pairs, or no forecast.
    """
    known = checked_levels("sharpness", levels, predicted.shape[-1] if predicted.ndim else 0)
    intervals = len(known) // 2
    if not intervals or np.abs(known + known[::-1] - 1).max() > _SAME:
        raise ValueError(
            f"sharpness expected levels in pairs q and 1 − q, got {known.tolist()}; select such ones."
        )
    xp, shape = namespace(predicted), predicted.shape[:-1]
    observed = xp.ones(shape, bool) if observed is None else observed
    _, observed = checked_observed("sharpness", xp.zeros(shape), observed)
    widths = predicted[..., ::-1][..., :intervals] - predicted[..., :intervals]
    return mean_observed(widths, observed[..., None], axis=tuple(range(len(shape))))
