r"""Calibration: how often the truth lies in the central interval that should hold it.

    coverage(p) = (1/n) Σ_i 1[ |y_i − μ_i| ≤ Φ⁻¹((1 + p)/2) σ_i ],     calibrated: coverage(p) = p

Reference: Gneiting, Balabdaoui, Raftery, Probabilistic forecasts, calibration and sharpness,
J. R. Statist. Soc. B 69 (2007) 243, doi:10.1111/j.1467-9868.2007.00587.x.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from .marginal import mean_and_scale


def calibration(
    distribution: dist.Distribution,
    target: Float[Array, "..."],
    levels: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95),
) -> Float[Array, " levels"]:
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
    if not all(0 < level < 1 for level in levels):
        raise ValueError(
            f"calibration expected levels between 0 and 1, got {levels}; write 0.9 for 90 %."
        )
    mean, scale = mean_and_scale(distribution)
    if target.shape != mean.shape:
        raise ValueError(
            f"calibration expected a target of shape {mean.shape}, that of the prediction, got "
            f"{target.shape}; use jax.vmap for batches."
        )
    # A product instead of a quotient: right where the scale is 0 too.
    quantiles = ndtri(jnp.asarray(0.5 * (1 + np.asarray(levels)), mean.dtype))
    quantiles = quantiles.reshape(-1, *(1,) * mean.ndim)
    inside = jnp.abs(target - mean) <= quantiles * scale
    return inside.reshape(len(levels), -1).astype(mean.dtype).mean(axis=1)
