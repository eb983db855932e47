r"""Calibration: how often the truth lies in the central interval that should hold it.

    coverage(p) = (1/n) Σ_i 1[ |y_i − μ_i| ≤ Φ⁻¹((1 + p)/2) σ_i ],     calibrated: coverage(p) = p

Reference: Gneiting, Balabdaoui, Raftery, Probabilistic forecasts, calibration and sharpness,
J. R. Statist. Soc. B 69 (2007) 243, doi:10.1111/j.1467-9868.2007.00587.x.
"""

from typing import Any

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float
from scipy.special import ndtri

from .._arrays import numbers
from .._numeric import AnyArray, namespace, numeric
from .marginal import moments


def calibration(
    distribution: dist.Distribution,
    target: Float[AnyArray, "..."],
    levels: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95),
) -> Float[AnyArray, " levels"]:
    """Share of the points that the central intervals of a Gaussian field cover.

    Args:
        distribution: the prediction; its marginals are read as Gaussians.
        target: the truth, of the shape of the prediction's mean.
        levels: nominal coverages p, in (0, 1).

    Returns:
        The empirical coverage of each level.

    Raises:
        ValueError: shapes that differ, or levels outside (0, 1).
    """
    known = np.asarray(numbers("calibration", "levels", levels))
    if known.ndim != 1 or not known.size or not ((known > 0) & (known < 1)).all():
        raise ValueError(
            f"calibration expected levels between 0 and 1, got {levels}; write 0.9 for 90 %."
        )
    return _covered(*moments(distribution, who="calibration"), target, known)


@numeric("mean", "scale", "target", who="calibration")
def _covered(mean: Any, scale: Any, target: Any, levels: np.ndarray) -> Float[AnyArray, " levels"]:
    if target.shape != mean.shape:
        raise ValueError(
            f"calibration expected a target of shape {mean.shape}, that of the prediction, got "
            f"{target.shape}; use jax.vmap for batches."
        )
    # A product instead of a quotient: right where the scale is 0 too.
    quantiles = namespace(mean).asarray(ndtri(0.5 * (1 + levels)), dtype=mean.dtype)
    quantiles = quantiles.reshape(-1, *(1,) * mean.ndim)
    inside = abs(target - mean) <= quantiles * scale
    return inside.reshape(len(levels), -1).astype(mean.dtype).mean(axis=1)
