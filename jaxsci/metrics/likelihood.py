r"""Gaussian log-likelihood of a field, point by point.

    LL = (1/n) Σ_i log N(y_i; μ_i, σ_i²) = −(1/n) Σ_i [ ½ log(2π σ_i²) + (y_i − μ_i)²/(2σ_i²) ]

Only marginal variances enter, also where the points are correlated: this is the LL of the tables in
Hansen et al. (ProbConserv), ICML 2023, arXiv:2302.11002. Larger is better; the unit is nats a
point.
"""

import math
from typing import Any

import numpyro.distributions as dist
from jaxtyping import Float, Shaped

from solvers import Grid

from .._numeric import AnyArray, namespace, numeric
from ..probabilistic.marginal import moments
from ._checks import checked_pair, mean_over, shares


def gaussian_log_likelihood(
    distribution: dist.Distribution,
    target: Float[AnyArray, "..."],
    *,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """Mean over the points of the marginal log density of one field.

    Args:
        distribution: the prediction; its mean and variance are used (`Normal`, a projected
            Gaussian, the result of `jaxsci.probabilistic.moment_match`).
        target: the truth, of the shape of the prediction's mean.
        weights: as for `relative_l2`.

    Returns:
        The mean log density. A point without variance has no density: there the result is
        infinite or NaN; leave such points out, or give them a floor.

    Raises:
        ValueError: shapes that differ, or weights that do not fit.
    """
    mean, scale = moments(distribution, who="gaussian_log_likelihood")
    return _log_likelihood(mean, scale, target, weights)


@numeric("mean", "scale", "target", who="gaussian_log_likelihood")
def _log_likelihood(mean: Any, scale: Any, target: Any, weights: Any) -> Float[AnyArray, ""]:
    mean, target = checked_pair("gaussian_log_likelihood", mean, target)
    standardised = (target - mean) / scale
    density = -(namespace(scale).log(scale) + 0.5 * standardised**2)
    share = shares("gaussian_log_likelihood", target, weights)
    return mean_over(density, share) - 0.5 * math.log(2 * math.pi)
