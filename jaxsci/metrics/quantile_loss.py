r"""Scores of quantile forecasts: the pinball loss, its weighted form, and the CRPS made of it.

    ρ_q(u) = max(q u, (q − 1) u),      u = y − ŷ_q,      without the factor 2 that some codes have
    wQL_q = 2 Σ ρ_q / Σ |y|,           wQL = mean over q;  at q = 1/2 it is Σ |y − ŷ| / Σ |y|
    CRPS = 2 ∫_0^1 ρ_q dq ≈ Σ_i w_i 2ρ_{q_i},      w_i = (q_{i+1} − q_{i−1})/2,   q_0 = 0, q_{Q+1} = 1

The trapezoid rule takes ρ as 0 at the levels 0 and 1, as it is where the target is within the forecast's
support; so all of [0, 1] is integrated. E ρ_q of a right forecast is concave in q, hence the sum is too
small: for N(0, 1) by 12 % with the levels .1, .5, .9, by 1.5 % with .1, .2, …, .9 and .02 % with .01, …, .99.
It is a proper score of the quantiles all the same; compare only forecasts of the same levels by it.

Smaller is better.

References: R. Koenker, G. Bassett, Econometrica 46 (1978) 33, doi:10.2307/1913643; T. Gneiting, R. Ranjan,
J. Bus. Econ. Stat. 29 (2011) 411, doi:10.1198/jbes.2010.08110, for the CRPS as an integral over levels.
"""

from jax.core import Tracer
from jaxtyping import Float

from .._numeric import AnyArray, namespace, numeric
from ._forecasts import Levels, Mask, checked_quantiles, mean_observed


@numeric("predicted", "target", masks=("observed",))
def quantile_loss(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, ""]:
    """Mean of ρ_q over the observed targets and the quantiles, in the unit of the target.

    Args:
        predicted: quantiles, (..., horizon, quantile).
        levels: their levels, increasing inside (0, 1).
        target: what came, (..., horizon).
        observed: where the target is known; by default where it is not NaN.

    Returns:
        The mean loss; inside jit NaN where no target was observed.

    Raises:
        ValueError: levels, shapes or a mask that are wrong, or no observed target.
    """
    predicted, q, target, observed = checked_quantiles(
        "quantile_loss", predicted, levels, target, observed
    )
    return mean_observed(pinball(predicted, q, target).mean(axis=-1), observed)


@numeric("predicted", "target", masks=("observed",))
def weighted_quantile_loss(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    target: Float[AnyArray, "..."],
    observed: Mask = None,
    *,
    per_quantile: bool = False,
) -> Float[AnyArray, "..."]:
    """Twice the loss of all targets over the sum of their sizes, without unit.

    A ratio of sums: pass all series at once. The mean of the ratios of each would be another number.

    Args:
        predicted: quantiles, (..., horizon, quantile).
        levels: their levels, increasing inside (0, 1).
        target: what came, (..., horizon).
        observed: where the target is known; by default where it is not NaN.
        per_quantile: one number a level, the q-risk, instead of their mean.

    Returns:
        wQL, or (quantile,); inside jit NaN where no target was observed, or all are zero.

    Raises:
        ValueError: levels, shapes or a mask that are wrong, or no observed target that is not zero.
    """
    predicted, q, target, observed = checked_quantiles(
        "weighted_quantile_loss", predicted, levels, target, observed
    )
    xp = namespace(target)
    size = xp.sum(xp.where(observed, abs(target), 0))
    if not isinstance(size, Tracer) and size == 0:
        raise ValueError(
            "weighted_quantile_loss expected a target that is not zero everywhere, got zeros; use "
            "quantile_loss, which needs no reference size."
        )
    loss = xp.where(observed[..., None], pinball(predicted, q, target), 0)
    total = xp.sum(loss, axis=tuple(range(target.ndim)))
    risk = xp.where(size == 0, xp.nan, 2 * total / xp.where(size == 0, 1, size))
    return risk if per_quantile else xp.mean(risk)


@numeric("predicted", "target", masks=("observed",))
def crps_quantiles(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, ""]:
    """Mean CRPS of the observed targets from quantiles, by the trapezoid rule over the levels.

    Args:
        predicted: quantiles, (..., horizon, quantile).
        levels: their levels, increasing inside (0, 1).
        target: what came, (..., horizon).
        observed: where the target is known; by default where it is not NaN.

    Returns:
        The mean score, in the unit of the target; inside jit NaN where no target was observed.

    Raises:
        ValueError: levels, shapes or a mask that are wrong, or no observed target.
    """
    predicted, q, target, observed = checked_quantiles(
        "crps_quantiles", predicted, levels, target, observed
    )
    xp = namespace(q)
    ends = xp.concatenate([xp.zeros(1, q.dtype), q, xp.ones(1, q.dtype)])
    weights = ends[2:] - ends[:-2]  # 2 w_i
    return mean_observed(pinball(predicted, q, target) @ weights, observed)


def pinball(
    predicted: Float[AnyArray, "*horizon quantile"],
    levels: Levels,
    target: Float[AnyArray, "*horizon"],
) -> Float[AnyArray, "*horizon quantile"]:
    """ρ_q of every target and quantile, unchecked, for masks and weights of one's own."""
    level = namespace(predicted).asarray(levels, dtype=predicted.dtype)
    return check_loss(target[..., None] - predicted, level)


def check_loss(
    error: Float[AnyArray, "..."], level: Float[AnyArray, "..."]
) -> Float[AnyArray, "..."]:
    """ρ_q(u) of errors u and levels q that broadcast against each other, unchecked."""
    return namespace(error).maximum(level * error, (level - 1) * error)
