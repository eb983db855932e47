r"""Skill of El Niño forecasts: the Niño3.4 index and its correlation with the truth by lead time.

    index_t = mean over 5°S–5°N, 170°–120°W of the sea-surface temperature anomaly, and over t, t+1, t+2
    C_k = Σ_n (p − p̄)(y − ȳ) / √(Σ_n (p − p̄)² Σ_n (y − ȳ)²)     at lead k, over forecasts n

    C-M = (1/K) Σ_k C_k,     C-WM = (1/K) Σ_k b_k ln k C_k,     b = 1.5 (k ≤ 4), 2 (≤ 11), 3 (≤ 18), 4 beyond

A perfect forecast of twelve leads has C-M = 1 and C-WM = 3.40586; the first lead has no weight in C-WM.

Reference: Y.-G. Ham, J.-H. Kim, J.-J. Luo, Nature 573 (2019) 568, doi:10.1038/s41586-019-1559-7; Z. Gao
et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, for the weights, those of the ICAR-ENSO competition.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from .._arrays import check_finite, numbers
from .._checks import whole
from .._numeric import AnyArray, namespace, numeric
from ._checks import checked_pair


@numeric("sst")
def nino34_index(
    sst: Float[AnyArray, "*leading time lat lon"],
    latitudes: Float[np.ndarray, " lat"],
    longitudes: Float[np.ndarray, " lon"],
    *,
    months: int = 3,
) -> Float[AnyArray, "..."]:
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
    months = whole("nino34_index", "months", months)
    lat = np.asarray(numbers("nino34_index", "latitudes", latitudes))
    lon = np.asarray(numbers("nino34_index", "longitudes", longitudes))
    check_finite("nino34_index", "latitudes", lat)
    check_finite("nino34_index", "longitudes", lon)
    rows = np.flatnonzero(np.abs(lat) <= 5.0)
    columns = np.flatnonzero((lon >= 190.0) & (lon <= 240.0))
    if sst.ndim < 3 or lat.ndim != 1 or lon.ndim != 1 or sst.shape[-2:] != (lat.size, lon.size):
        raise ValueError(
            f"nino34_index expected a field of shape (..., time, {lat.size}, {lon.size}), "
            f"got {sst.shape}; put time, latitude and longitude last."
        )
    if not (rows.size and columns.size and months <= sst.shape[-3]):
        raise ValueError(
            "nino34_index expected points between 5°S and 5°N and between 190°E and 240°E and at least "
            f"{months} months, got {rows.size} latitudes, {columns.size} longitudes and "
            f"{sst.shape[-3]} months; give degrees east from 0 to 360, and longer series."
        )
    region = sst[..., rows, :][..., columns].mean(axis=(-2, -1))
    length = region.shape[-1] - months + 1
    parts = [region[..., k : k + length] for k in range(months)]
    return namespace(region).stack(parts).mean(axis=0)


@numeric("prediction", "target")
def correlation_skill(
    prediction: Float[AnyArray, "samples leads"], target: Float[AnyArray, "..."]
) -> Float[AnyArray, " leads"]:
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
    sizes = namespace(p).sqrt((p**2).sum(axis=0) * (y**2).sum(axis=0))
    return (p * y).sum(axis=0) / sizes


def lead_weights(leads: int) -> Float[np.ndarray, " leads"]:
    """The weights b_k ln k of C-WM, for k from 1 on."""
    k = np.arange(1, whole("lead_weights", "leads", leads) + 1)
    return np.select([k <= 4, k <= 11, k <= 18], [1.5, 2.0, 3.0], 4.0) * np.log(k)


@numeric("skill")
def mean_skill(skill: Float[AnyArray, " leads"]) -> Float[AnyArray, ""]:
    """C-M, the mean of the correlations of all leads."""
    return _of_leads("mean_skill", skill).mean()


@numeric("skill")
def weighted_mean_skill(skill: Float[AnyArray, " leads"]) -> Float[AnyArray, ""]:
    """C-WM, their weighted mean; long leads count more."""
    skill = _of_leads("weighted_mean_skill", skill)
    return (namespace(skill).asarray(lead_weights(skill.size), dtype=skill.dtype) * skill).mean()


def _of_leads(who: str, skill: Any) -> Any:
    if skill.ndim != 1 or not skill.size:
        raise ValueError(
            f"{who} expected one correlation for each lead time, got shape {skill.shape}; give those of "
            "correlation_skill."
        )
    return skill
