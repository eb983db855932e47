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

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ._forecasts import Levels, checked_quantiles, mean_observed


def quantile_loss(
    predicted: Float[Array, "*horizon quantile"],
    levels: Levels,
    target: Float[Array, "..."],
    observed: Bool[Array, "..."] | None = None,
) -> Float[Array, ""]:
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


def weighted_quantile_loss(
    predicted: Float[Array, "*horizon quantile"],
    levels: Levels,
    target: Float[Array, "..."],
    observed: Bool[Array, "..."] | None = None,
    *,
    per_quantile: bool = False,
) -> Float[Array, "..."]:
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
    size = jnp.sum(jnp.where(observed, jnp.abs(target), 0))
    if not isinstance(size, Tracer) and size == 0:
        raise ValueError(
            "weighted_quantile_loss expected a target that is not zero everywhere, got zeros; use "
            "quantile_loss, which needs no reference size."
        )
    loss = jnp.where(observed[..., None], pinball(predicted, q, target), 0)
    total = jnp.sum(loss, axis=tuple(range(target.ndim)))
    risk = jnp.where(size == 0, jnp.nan, 2 * total / jnp.where(size == 0, 1, size))
    return risk if per_quantile else jnp.mean(risk)


def crps_quantiles(
    predicted: Float[Array, "*horizon quantile"],
    levels: Levels,
    target: Float[Array, "..."],
    observed: Bool[Array, "..."] | None = None,
) -> Float[Array, ""]:
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
    ends = jnp.concatenate([jnp.zeros(1, q.dtype), q, jnp.ones(1, q.dtype)])
    weights = ends[2:] - ends[:-2]  # 2 w_i
    return mean_observed(pinball(predicted, q, target) @ weights, observed)


def pinball(
    predicted: Float[Array, "*horizon quantile"],
    levels: Levels,
    target: Float[Array, "*horizon"],
) -> Float[Array, "*horizon quantile"]:
    """ρ_q of every target and quantile, unchecked, for masks and weights of one's own."""
    return check_loss(target[..., None] - predicted, jnp.asarray(levels, predicted.dtype))


def check_loss(error: Float[Array, "..."], level: Float[Array, "..."]) -> Float[Array, "..."]:
    """ρ_q(u) of errors u and levels q that broadcast against each other, unchecked."""
    return jnp.maximum(level * error, (level - 1) * error)
