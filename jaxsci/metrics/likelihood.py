r"""Gaussian log-likelihood of a field, point by point.

    LL = (1/n) Σ_i log N(y_i; μ_i, σ_i²) = −(1/n) Σ_i [ ½ log(2π σ_i²) + (y_i − μ_i)²/(2σ_i²) ]

Only marginal variances enter, also where the points are correlated: this is the LL of the tables in
Hansen et al. (ProbConserv), ICML 2023, arXiv:2302.11002. Larger is better; the unit is nats a
point.
"""

import math

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..probabilistic import mean_and_scale
from ._checks import checked_pair


def gaussian_log_likelihood(
    distribution: dist.Distribution, target: Float[Array, "..."]
) -> Float[Array, ""]:
    """Mean over the points of the marginal log density of one field.

    Args:
        distribution: the prediction; its mean and variance are used (`Normal`, a projected
            Gaussian, the result of `jaxsci.probabilistic.moment_match`).
        target: the truth, of the shape of the prediction's mean.

    Returns:
        The mean log density. A point without variance has no density: there the result is
        infinite or NaN; leave such points out, or give them a floor.

    Raises:
        ValueError: shapes that differ.
    """
    mean, scale = mean_and_scale(distribution)
    mean, target = checked_pair("gaussian_log_likelihood", mean, target)
    standardised = (target - mean) / scale
    return -jnp.mean(jnp.log(scale) + 0.5 * standardised**2) - 0.5 * math.log(2 * math.pi)
