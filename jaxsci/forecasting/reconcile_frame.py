r"""Frames of quantiles, means or samples made coherent.

    μ + σ z_q ≈ y_q  (least squares over the levels q, z_q normal scores),     y_q ← μ̃ + (y_q − μ) σ̃ / σ

Quantiles of a sum are not sums of quantiles, so quantiles cannot add up, nor should they. What is made
coherent is their location μ, the mean over the columns where levels are symmetric about a half. The shape of
each series' quantiles is kept, and Gaussian ones stay Gaussian. The spread is that of the reconciled Gaussian,
σ̃² = diag(P D R D Pᵀ), if residuals say how errors are correlated, D = diag(σ); without them a spread from
independent errors would be too narrow, and σ̃ = σ. Samples and means add up column by column.

Reference: S. L. Wickramasuriya, Probabilistic forecast reconciliation under the Gaussian framework, J. Bus.
Econ. Stat. 42 (2024) 272, doi:10.1080/07350015.2023.2181176.
"""

from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pandas as pd
from jaxtyping import ArrayLike
from scipy.special import ndtri

from ..constraints import project
from .hierarchy import Hierarchy
from .reconcile import Method, reconcile, shrunk_covariance

# Columns of a projection that are made at a time.
_COLUMNS = 256


def reconcile_frame(
    frame: pd.DataFrame,
    hierarchy: Hierarchy,
    *,
    method: Method | None = None,
    residuals: ArrayLike | None = None,
    nonnegative: bool = False,
) -> pd.DataFrame:
    """Make the forecasts of a frame coherent, date by date, in double precision.

    Args:
        frame: `unique_id`, `ds`, perhaps `cutoff` and `y`, which is left as it is, and forecasts: columns
            named by their levels ("0.1", "0.5"), or else means or samples, each column one coherent field.
        hierarchy: of exactly the series in the frame.
        method: as in `reconcile`; None, for quantiles alone, moves most what is least certain.
        residuals: as in `reconcile`, a column for each of `hierarchy.ids`; with quantiles any method takes
            them, for the spread.
        nonnegative: whether locations, means or samples may not fall below zero, as in `reconcile`; what is
            below zero of the quantiles is zero then.

    Returns:
        A copy of the frame with its forecasts moved, rows and columns in their order.

    Raises:
        TypeError: for something that is no frame.
        ValueError: columns that are missing, neither all levels nor none, or a single level; series that
            are missing, given twice or not in the hierarchy; missing or decreasing quantiles; and what
            `reconcile` refuses.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"reconcile_frame expected a pandas DataFrame, got {type(frame).__name__}; use reconcile for "
            "arrays."
        )
    columns = [c for c in frame.columns if c not in ("unique_id", "ds", "cutoff", "y")]
    if not columns or not {"unique_id", "ds"} <= set(frame.columns):
        raise ValueError(
            "reconcile_frame expected unique_id, ds and columns of forecasts, got "
            f"{list(frame.columns)}; rename them."
        )
    levels = [q for q in map(_level, columns) if q is not None]
    if levels and (len(levels) < max(2, len(columns)) or np.any(np.diff(levels) <= 0)):
        raise ValueError(
            "reconcile_frame expected two or more increasing levels, or no level, among the forecasts, got "
            f"{columns}; pass means and samples in a frame of their own."
        )
    order, dates = _positions(frame, hierarchy)
    table = frame[columns].to_numpy(np.float64)[order]
    if not np.isfinite(table).all():
        row = order[np.argwhere(~np.isfinite(table))[0, 0]]
        raise ValueError(
            f"reconcile_frame expected finite forecasts, got {frame[columns].iloc[row].to_list()} for "
            f"{frame['unique_id'].iloc[row]!r}; fill them in or remove the date."
        )
    table = table.reshape(dates, len(hierarchy.ids), len(columns))
    with jax.enable_x64(True):
        if levels:
            moved = _move_quantiles(
                table, np.asarray(levels), hierarchy, method, residuals, nonnegative
            )
        else:
            fields = reconcile(
                np.swapaxes(table, 1, 2),
                hierarchy,
                method=method,
                residuals=residuals,
                nonnegative=nonnegative,
            )
            moved = np.swapaxes(np.asarray(fields), 1, 2)
    values = np.empty((len(frame), len(columns)))
    values[order] = moved.reshape(-1, len(columns))
    return frame.assign(**{name: values[:, k] for k, name in enumerate(columns)})


def _move_quantiles(table, levels, hierarchy, method, residuals, nonnegative) -> np.ndarray:
    """The formulas above; table of shape (dates, series, levels)."""
    if (np.diff(table) < 0).any():
        date, series, _ = np.argwhere(np.diff(table) < 0)[0]
        raise ValueError(
            "reconcile_frame expected quantiles that do not decrease, got "
            f"{table[date, series].tolist()} for {hierarchy.ids[series]!r}; sort them."
        )
    scores = ndtri(levels)
    spread = scores - scores.mean()
    scale = table @ spread / (spread @ spread)
    location = table.mean(-1) - scale * scores.mean()
    wide = scale[..., None] > 0
    shape = np.where(
        wide, (table - location[..., None]) / np.where(wide, scale[..., None], 1.0), scores
    )
    n = len(hierarchy.ids)
    own, shared = np.ones(n), np.zeros((n, 1))
    if residuals is not None:  # their correlations R, as diagonal and directions
        covariance = shrunk_covariance(residuals, n)
        size = np.sqrt(np.asarray(covariance.diagonal()))
        known = size > 0
        own = np.where(known, np.asarray(covariance.scale) / np.where(known, size, 1.0), 1.0)
        shared = np.asarray(covariance.factor) / np.where(known, size, 1.0)[:, None]
    if method is None and nonnegative:
        raise ValueError(
            "reconcile_frame expected a method with nonnegative=True, got None; choose 'wls_structural', say."
        )
    if method is None:
        factor, diagonal = scale[..., None] * shared, (scale * own) ** 2
        prior = dist.LowRankMultivariateNormal(location, factor, diagonal, validate_args=False)
        out = project(prior, hierarchy.constraint)
        mean, variance = np.asarray(out.mean), np.asarray(out.variance)
    else:
        weighs = residuals if method in ("wls_variance", "mint") else None
        options: dict[str, Any] = {"method": method, "residuals": weighs}
        mean = np.asarray(reconcile(location, hierarchy, nonnegative=nonnegative, **options))
        variance = None
        if residuals is not None:
            # The columns of P, some at a time: all of them are a matrix of series by series.
            variance, joint = np.zeros_like(scale), np.zeros((*scale.shape, shared.shape[1]))
            for start in range(0, n, _COLUMNS):
                here = slice(start, min(start + _COLUMNS, n))
                columns = np.asarray(reconcile(np.eye(n)[here], hierarchy, **options))
                weight = scale[:, here]
                variance += (weight * own[here]) ** 2 @ columns**2
                joint += np.einsum("dk,kn,ks->dns", weight, columns, shared[here], optimize=True)
            variance += (joint**2).sum(-1)
    if residuals is not None and variance is not None:
        scale = np.sqrt(variance)
    out = mean[..., None] + scale[..., None] * shape
    return np.maximum(out, 0.0) if nonnegative else out


def _positions(frame: pd.DataFrame, hierarchy: Hierarchy) -> tuple[np.ndarray, int]:
    """The rows of the frame, date by date, in the order of the hierarchy; and the number of dates."""
    ids = pd.Index(hierarchy.ids)
    code = ids.get_indexer(pd.Index(frame["unique_id"]))
    if (code < 0).any():
        raise ValueError(
            "reconcile_frame expected the series of the hierarchy alone, got "
            f"{frame['unique_id'].iloc[int(np.argmin(code))]!r}; remove it, or add it to the hierarchy."
        )
    keys = [name for name in ("cutoff", "ds") if name in frame.columns]
    date = frame.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    dates = int(date.max(initial=-1)) + 1
    count = np.bincount(date * len(ids) + code, minlength=dates * len(ids))
    if dates == 0 or (count != 1).any():
        what = "an empty frame"
        if dates:
            wrong = int(np.argmax(count != 1))
            when = frame.loc[date == wrong // len(ids), keys].iloc[0].to_list()
            what = f"{count[wrong]} rows of {hierarchy.ids[wrong % len(ids)]!r} at {when}"
        raise ValueError(
            f"reconcile_frame expected every series of the hierarchy once at every date, got {what}; complete "
            "the frame."
        )
    return np.argsort(date * len(ids) + code), dates


def _level(name: object) -> float | None:
    """A column's level, or None for another column."""
    try:
        level = float(str(name))
    except ValueError:
        return None
    return level if 0 < level < 1 else None
