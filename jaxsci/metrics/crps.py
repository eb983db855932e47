r"""Continuous ranked probability score of Gaussian fields and of ensembles.

    CRPS(F, y) = ∫ (F(x) − 1[x ≥ y])² dx = E|X − y| − ½ E|X − X'|

    Gaussian    σ [ z (2Φ(z) − 1) + 2φ(z) − 1/√π ],    z = (y − μ)/σ
    samples     (1/M) Σ_i |x_i − y| − (1/2D) Σ_{i,j} |x_i − x_j|,    D = M² or, fair, M(M − 1)

The fair form is unbiased: its expectation does not depend on the number of samples, while the plain
one has a bias of order 1/M. Smaller is better; the unit is that of the field. Where members are missing, M is
the number of those that are there, point by point.

References: Gneiting, Raftery, J. Am. Stat. Assoc. 102 (2007) 359, doi:10.1198/016214506000001437,
equations 20 and 21; Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917, doi:10.1002/qj.2270, for the
fair form.
"""

import math
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import scipy.special
from jax.core import Tracer
from jaxtyping import Float, Shaped

from solvers import Grid

from .._numeric import AnyArray, namespace, numeric
from ..probabilistic.marginal import moments
from ._checks import checked_pair, mean_over, shares


def crps_gaussian(
    distribution: dist.Distribution,
    target: Float[AnyArray, "..."],
    *,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """Mean over the points of the CRPS of a Gaussian field's marginals.

    Args:
        distribution: the prediction; its mean and variance are used.
        target: the truth, of the shape of the prediction's mean.
        weights: as for `relative_l2`.

    Returns:
        The mean score; a point without variance scores its absolute error.

    Raises:
        ValueError: shapes that differ, or weights that do not fit.
    """
    mean, scale = moments(distribution, who="crps_gaussian")
    return _crps_gaussian(mean, scale, target, weights)


@numeric("mean", "scale", "target", who="crps_gaussian")
def _crps_gaussian(mean: Any, scale: Any, target: Any, weights: Any) -> Float[AnyArray, ""]:
    mean, target = checked_pair("crps_gaussian", mean, target)
    xp = namespace(mean)
    erf = scipy.special.erf if xp is np else jax.scipy.special.erf
    error = target - mean
    certain = scale == 0
    z = error / xp.where(certain, 1.0, scale)
    # 2Φ(z) − 1 = erf(z/√2), without cancellation for small z.
    score = error * erf(z / math.sqrt(2)) + scale * (
        math.sqrt(2 / math.pi) * xp.exp(-0.5 * z**2) - 1 / math.sqrt(math.pi)
    )
    score = xp.where(certain, abs(error), score)
    return mean_over(score, shares("crps_gaussian", target, weights))


@numeric("samples", "target")
def crps_samples(
    samples: Float[AnyArray, "samples *field"],
    target: Float[AnyArray, "..."],
    *,
    fair: bool = True,
    skip_missing: bool = False,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """Mean over the points of the CRPS of an ensemble.

    Args:
        samples: the ensemble, samples in front; their order does not matter.
        target: the truth, of the shape of one sample.
        fair: the unbiased form, which needs two samples; else the plain one.
        skip_missing: whether NaN is a member that is missing at that point, which counts as if it had never
            been there. By default a NaN makes the score NaN, as a forecast that has blown up should.
        weights: as for `relative_l2`.

    Raises:
        ValueError: shapes that differ, weights that do not fit, or too few samples, at a point or in all.
            Inside jit a point with too few makes the score NaN.
    """
    size, least = samples.shape[0] if samples.ndim else 0, 2 if fair else 1
    if size < least:
        raise ValueError(
            f"crps_samples expected at least {least} samples with fair={fair}, got {size}; draw more."
        )
    _, target = checked_pair("crps_samples", samples[0], target)
    xp = namespace(samples)
    present = ~xp.isnan(samples) if skip_missing else xp.ones(samples.shape, bool)
    count = xp.sum(present, axis=0)
    enough = count >= least
    if not isinstance(enough, Tracer) and not enough.all():
        raise ValueError(
            f"crps_samples expected at least {least} samples with fair={fair} at every point, got "
            f"{count.min()} that are not missing at {(~enough).sum()} of {enough.size}; leave those points "
            "out by weights of zero, or draw more."
        )
    # Relative to the target, so that a large common offset costs no digits.
    errors = samples - target
    errors = xp.sort(xp.where(present, errors, xp.inf) if skip_missing else errors, axis=0)
    order = xp.arange(size).reshape(-1, *(1,) * target.ndim)
    errors = xp.where(order < count, errors, 0)
    # Σ_{i<j} (x_(j) − x_(i)) of sorted samples: each enters with its rank, O(M log M) in all.
    ranks = (2 * order + 1 - count).astype(errors.dtype)
    count = count.astype(errors.dtype)
    pairs = count * (count - 1) if fair else count**2
    score = abs(errors).sum(axis=0) / count - (ranks * errors).sum(axis=0) / pairs
    return mean_over(score, shares("crps_samples", target, weights))
