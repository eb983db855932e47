r"""One Gaussian with the first two moments of a mixture of S of them, point by point or as a field.

    points    μ = (1/S) Σ_s μ_s,        σ² = (1/S) Σ_s σ_s² + (1/S) Σ_s (μ_s − μ)²
    fields    μ the same,               Σ = diag((1/S) Σ_s σ_s²) + W Wᵀ,    W_s = (μ_s − μ) / √S

Reference: Hansen, Maddix, Alizadeh, Gupta, Mahoney, Learning Physical Models that Can Respect
Conservation Laws (ProbConserv), ICML 2023, arXiv:2302.11002, where S is the number of latent
samples.
"""

import jax.numpy as jnp
import numpyro.distributions as dist

from .._numeric import wide
from .marginal import mean_and_scale


def moment_match(distribution: dist.Distribution, *, variance_floor: float = 0.0) -> dist.Normal:
    """Summarise a batch of predictions, an ensemble or latent samples, by one Normal a point.

    A projection onto an affine constraint goes before it: the mean of fields that satisfy the
    constraint satisfies it too.

    Args:
        distribution: has `mean` and `variance` of shape (samples, *field), for instance a `Normal`
            made under `jax.vmap`, or such a one after `jaxsci.constraints.project`.
        variance_floor: smallest variance of the result, in the square of the field's unit; the
            published evaluation clamps at 1e-8.

    Returns:
        Normal of shape field.

    Raises:
        ValueError: when there is no sample axis, or it is empty, or the floor is negative.
    """
    mean, scale = map(wide, mean_and_scale(distribution))
    if mean.ndim < 1 or mean.shape[0] < 1:
        raise ValueError(
            "moment_match expected a leading axis of at least 1 sample, got a mean of shape "
            f"{mean.shape}; put the samples in front."
        )
    if not variance_floor >= 0:
        raise ValueError(
            f"moment_match expected variance_floor >= 0, got {variance_floor}; 0 turns it off."
        )
    total = (scale**2).mean(axis=0) + mean.var(axis=0)
    return dist.Normal(mean.mean(axis=0), jnp.sqrt(jnp.maximum(total, variance_floor)))


def moment_match_low_rank(distribution: dist.Distribution) -> dist.LowRankMultivariateNormal:
    """Summarise samples of fields of independent points by one Gaussian field, correlations included.

    This goes before a projection, which then moves the field where the samples differ, all of them together.
    `moment_match` after a projection moves each sample by its own variances alone.

    Args:
        distribution: has `mean` and `variance` of shape (samples, channels, *space), S samples; its points
            are independent of each other.

    Returns:
        The Gaussian of batch shape (channels,) over the flattened cells, as of a `LowRankHead` of rank S.

    Raises:
        ValueError: fewer axes than samples, channels and space, no samples, or points that are correlated.
    """
    base = distribution
    while isinstance(base, dist.Independent):  # what `to_event` makes
        base = base.base_dist
    if not isinstance(base, dist.Normal):
        raise ValueError(
            "moment_match_low_rank expected fields of independent points, a Normal, got "
            f"{type(base).__name__}, whose correlations it would drop; use moment_match, or project each."
        )
    mean, scale = map(wide, mean_and_scale(distribution))
    if mean.ndim < 3 or mean.shape[0] < 1:
        raise ValueError(
            "moment_match_low_rank expected means of shape (samples >= 1, channels, *space), got "
            f"{mean.shape}; put the samples in front."
        )
    mean, scale = (x.reshape(*x.shape[:2], -1) for x in (mean, scale))
    centre = mean.mean(axis=0)
    directions = jnp.moveaxis(mean - centre, 0, -1) / mean.shape[0] ** 0.5
    return dist.LowRankMultivariateNormal(centre, directions, (scale**2).mean(axis=0))
