r"""Continuous ranked probability score of Gaussian fields and of ensembles.

    CRPS(F, y) = ∫ (F(x) − 1[x ≥ y])² dx = E|X − y| − ½ E|X − X'|

    Gaussian    σ [ z (2Φ(z) − 1) + 2φ(z) − 1/√π ],    z = (y − μ)/σ
    samples     (1/M) Σ_i |x_i − y| − (1/2D) Σ_{i,j} |x_i − x_j|,    D = M² or, fair, M(M − 1)

The fair form is unbiased: its expectation does not depend on the number of samples, while the plain
one has a bias of order 1/M. Smaller is better; the unit is that of the field.

References: Gneiting, Raftery, J. Am. Stat. Assoc. 102 (2007) 359, doi:10.1198/016214506000001437,
equations 20 and 21; Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917, doi:10.1002/qj.2270, for the
fair form.
"""

import math

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import erf
from jaxtyping import Array, Float

from ..probabilistic import mean_and_scale
from ._checks import checked_pair


def crps_gaussian(distribution: dist.Distribution, target: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean over the points of the CRPS of a Gaussian field's marginals.

    Args:
        distribution: the prediction; its mean and variance are used.
        target: the truth, of the shape of the prediction's mean.

    Returns:
        The mean score; a point without variance scores its absolute error.

    Raises:
        ValueError: shapes that differ.
    """
    mean, scale = mean_and_scale(distribution)
    mean, target = checked_pair("crps_gaussian", mean, target)
    error = target - mean
    certain = scale == 0
    z = error / jnp.where(certain, 1.0, scale)
    # 2Φ(z) − 1 = erf(z/√2), without cancellation for small z.
    score = error * erf(z / math.sqrt(2)) + scale * (
        math.sqrt(2 / math.pi) * jnp.exp(-0.5 * z**2) - 1 / math.sqrt(math.pi)
    )
    return jnp.mean(jnp.where(certain, jnp.abs(error), score))


def crps_samples(
    samples: Float[Array, "samples *field"], target: Float[Array, "..."], *, fair: bool = True
) -> Float[Array, ""]:
    """Mean over the points of the CRPS of an ensemble.

    Args:
        samples: the ensemble, samples in front; their order does not matter.
        target: the truth, of the shape of one sample.
        fair: the unbiased form, which needs two samples; else the plain one.

    Raises:
        ValueError: shapes that differ, or too few samples.
    """
    samples = jnp.asarray(samples)
    count = samples.shape[0] if samples.ndim else 0
    if count < (2 if fair else 1):
        raise ValueError(
            f"crps_samples expected at least {2 if fair else 1} samples with fair={fair}, got "
            f"{count}; draw more."
        )
    _, target = checked_pair("crps_samples", samples[0], target)
    # Relative to the target, so that a large common offset costs no digits.
    errors = jnp.sort(samples - target, axis=0)
    # Σ_{i<j} (x_(j) − x_(i)) of sorted samples: each enters with its rank, O(M log M) in all.
    ranks = jnp.arange(1 - count, count, 2, dtype=errors.dtype)
    gaps = jnp.tensordot(ranks, errors, axes=1)
    pairs = count * (count - 1) if fair else count**2
    return jnp.mean(jnp.abs(errors).mean(axis=0) - gaps / pairs)
