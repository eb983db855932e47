r"""Skill of El Niño forecasts: the Niño3.4 index and its correlation with the truth by lead time.

    index_t = mean over 5°S–5°N, 170°–120°W of the sea-surface temperature anomaly, and over t, t+1, t+2
    C_k = Σ_n (p − p̄)(y − ȳ) / √(Σ_n (p − p̄)² Σ_n (y − ȳ)²)     at lead k, over forecasts n

    C-M = (1/K) Σ_k C_k,     C-WM = (1/K) Σ_k b_k ln k C_k,     b = 1.5 (k ≤ 4), 2 (≤ 11), 3 (≤ 18), 4 beyond

A perfect forecast of twelve leads has C-M = 1 and C-WM = 3.40586; the first lead has no weight in C-WM.

Reference: Y.-G. Ham, J.-H. Kim, J.-J. Luo, Nature 573 (2019) 568, doi:10.1038/s41586-019-1559-7; Z. Gao
et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, for the weights, those of the ICAR-ENSO competition.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._checks import checked_pair


def nino34_index(
    sst: Float[Array, "*leading time lat lon"],
    latitudes: Float[np.ndarray, " lat"],
    longitudes: Float[np.ndarray, " lon"],
    *,
    months: int = 3,
) -> Float[Array, "..."]:
    """The Niño3.4 index of monthly anomalies, a mean over each month and those after it.

    Args:
        sst: anomalies of the sea-surface temperature in K.
        latitudes: degrees north.
        longitudes: degrees east, from 0 to 360.
        months: number of months that are averaged.

    Returns:
        Array of shape (*leading, time − months + 1), in K.

    Raises:
        ValueError: coordinates that do not fit the field or miss the region, or too few months.
    """
    rows = np.flatnonzero(np.abs(np.asarray(latitudes)) <= 5.0)
    columns = np.flatnonzero((np.asarray(longitudes) >= 190.0) & (np.asarray(longitudes) <= 240.0))
    if sst.ndim < 3 or sst.shape[-2:] != (len(latitudes), len(longitudes)):
        raise ValueError(
            f"nino34_index expected a field of shape (..., time, {len(latitudes)}, {len(longitudes)}), "
            f"got {sst.shape}; put time, latitude and longitude last."
        )
    if not (rows.size and columns.size and 1 <= months <= sst.shape[-3]):
        raise ValueError(
            "nino34_index expected points between 5°S and 5°N and between 190°E and 240°E and at least "
            f"{months} months, got {rows.size} latitudes, {columns.size} longitudes and "
            f"{sst.shape[-3]} months; give degrees east from 0 to 360, and longer series."
        )
    region = sst[..., rows, :][..., columns].mean(axis=(-2, -1))
    length = region.shape[-1] - months + 1
    return jnp.stack([region[..., k : k + length] for k in range(months)]).mean(axis=0)


def correlation_skill(
    prediction: Float[Array, "samples leads"], target: Float[Array, "..."]
) -> Float[Array, " leads"]:
    """Correlation over the forecasts of a test set, at every lead time.

    Returns:
        C_k; NaN where the prediction or the target is the same in all forecasts, and has none.

    Raises:
        ValueError: shapes that differ, or fewer than two forecasts.
    """
    prediction, target = checked_pair("correlation_skill", prediction, target)
    if prediction.ndim != 2 or prediction.shape[0] < 2:
        raise ValueError(
            "correlation_skill expected at least 2 forecasts of shape (samples, leads), got "
            f"{prediction.shape}; gather those of the whole test set first."
        )
    p, y = prediction - prediction.mean(axis=0), target - target.mean(axis=0)
    return jnp.sum(p * y, axis=0) / jnp.sqrt(jnp.sum(p**2, axis=0) * jnp.sum(y**2, axis=0))


def lead_weights(leads: int) -> Float[np.ndarray, " leads"]:
    """The weights b_k ln k of C-WM, for k from 1 on."""
    k = np.arange(1, leads + 1)
    return np.select([k <= 4, k <= 11, k <= 18], [1.5, 2.0, 3.0], 4.0) * np.log(k)


def mean_skill(skill: Float[Array, " leads"]) -> Float[Array, ""]:
    """C-M, the mean of the correlations of all leads."""
    return jnp.mean(skill)


def weighted_mean_skill(skill: Float[Array, " leads"]) -> Float[Array, ""]:
    """C-WM, their weighted mean; long leads count more."""
    return jnp.mean(jnp.asarray(lead_weights(skill.shape[0]), skill.dtype) * skill)
