r"""Forecasts of a hierarchy made coherent: each method is the choice of a covariance W in one projection.

    ỹ = ŷ − W Cᵀ (C W Cᵀ)⁻¹ C ŷ  =  S (Sᵀ W⁻¹ S)⁻¹ Sᵀ W⁻¹ ŷ

    bottom_up        W = 1 for aggregates, 0 for bottom series      ỹ = S b̂
    ols              W = 1
    wls_structural   W = diag(S 1), the numbers of bottom series in each
    wls_variance     W = diag(v),  v = mean of squared residuals
    mint             W = λ diag(v) + (1 − λ) Eᵀ E / T,  E the T residuals of every series
    None             W = covariance that the forecast itself has

λ = Σ_{i≠j} Var(r_ij) / Σ_{i≠j} r_ij² shrinks the correlations r of residuals, as many as there are few times.
W is "diagonal plus T directions", so no matrix of series by series is made. Residuals are not centred: MinT's
W is their second moment, a bias is an error too, while Schäfer and Strimmer estimate covariances.

References: S. L. Wickramasuriya, G. Athanasopoulos, R. J. Hyndman, Optimal forecast reconciliation through
trace minimization (MinT), J. Am. Stat. Assoc. 114 (2019) 804, doi:10.1080/01621459.2018.1448825; J. Schäfer,
K. Strimmer, A shrinkage approach to large-scale covariance matrix estimation, Stat. Appl. Genet. Mol. Biol.
4 (2005) 32, doi:10.2202/1544-6115.1175. The projection is that of ProbConserv, arXiv:2302.11002.
"""

from typing import Any, Literal, get_args, overload

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Float

from solvers.guarded import root

from .._arrays import check_finite, floating
from ..constraints import Ensemble, ProjectedGaussian, project
from ..constraints.covariance import LowRank
from .hierarchy import Hierarchy
from .oblique import Oblique, nonnegative_bottom

Method = Literal["bottom_up", "ols", "wls_structural", "wls_variance", "mint"]
METHODS: tuple[Method, ...] = get_args(Method)
LEAST_TIMES = 3  # the least of them that tell how much a correlation varies


@overload
def reconcile(
    forecast: ArrayLike,
    hierarchy: Hierarchy,
    *,
    method: Method | None,
    residuals: ArrayLike | None = None,
    nonnegative: bool = False,
) -> Float[Array, "*batch series"]: ...
@overload
def reconcile(forecast: dist.Distribution, hierarchy: Hierarchy) -> ProjectedGaussian: ...
@overload
def reconcile(forecast: Ensemble, hierarchy: Hierarchy) -> Ensemble: ...
def reconcile(
    forecast: ArrayLike | dist.Distribution | Ensemble,
    hierarchy: Hierarchy,
    *,
    method: Method | None = None,
    residuals: ArrayLike | None = None,
    nonnegative: bool = False,
) -> Float[Array, "*batch series"] | ProjectedGaussian | Ensemble:
    """Make forecasts of all series of a hierarchy add up; the last layer of a model, or a step after it.

    Args:
        forecast: means or samples ŷ of shape (..., series), each made coherent by itself, with horizons or
            samples in front; or a Gaussian of numpyro over them, or an `Ensemble`, whose own covariance
            decides what moves.
        hierarchy: of the series.
        method: for arrays; None for distributions.
        residuals: errors y − ŷ of the base forecasts one step ahead, in sample, of shape (times, series),
            for "wls_variance" and "mint".
        nonnegative: for arrays, whether no series may fall below zero: the nearest such forecast in W, with
            which the other series move. Not with "mint", nor differentiated in reverse.

    Returns:
        What came, coherent: an array, a `ProjectedGaussian` or an `Ensemble`.

    Raises:
        ValueError: a method that is not known, missing or not used; residuals that are missing, not used,
            too few, of other series or not finite; forecasts of other series or not finite.
        RuntimeError: at run time, where an aggregate and its parts have no variance to move with, such as
            series without any error.
    """
    if isinstance(forecast, dist.Distribution | Ensemble):
        if method is not None or residuals is not None:
            raise ValueError(
                f"reconcile expected a {type(forecast).__name__} alone, whose own covariance decides, got a "
                "method or residuals beside it; leave them out, or pass its mean."
            )
        return project(forecast, hierarchy.constraint)
    mean = floating("reconcile", forecast)
    series = len(hierarchy.ids)
    if mean.shape[-1:] != (series,):
        raise ValueError(
            f"reconcile expected forecasts of {series} series as the last axis, got shape {mean.shape}; put "
            "series last, in the order of hierarchy.ids."
        )
    check_finite("reconcile", "forecast", mean)
    if method not in METHODS:
        raise ValueError(
            f"reconcile expected a method of {METHODS} for an array, got {method!r}; choose one of them."
        )
    if (residuals is not None) != (method in ("wls_variance", "mint")):
        needed = "no residuals" if residuals is not None else "residuals of shape (times, series)"
        raise ValueError(
            f"reconcile expected {needed} for {method}, got {'some' if residuals is not None else 'none'}; "
            "they are the base forecasts' errors in sample, for wls_variance and mint alone."
        )
    if nonnegative and method == "mint":
        raise ValueError(
            "reconcile expected a diagonal W with nonnegative=True, got 'mint'; choose 'wls_variance', say."
        )
    if (
        method == "bottom_up"
    ):  # the limit of W in which only aggregates move, without their round-off
        bottom = mean[..., jnp.asarray(hierarchy.bottom)]
        return hierarchy.aggregate(jnp.maximum(bottom, 0.0) if nonnegative else bottom)
    if method == "mint":
        covariance = shrunk_covariance(residuals, series)
        factor, diagonal = (x.astype(mean.dtype) for x in (covariance.factor, covariance.scale**2))
        return hierarchy.aggregate(Oblique(hierarchy, diagonal, factor).bottom(mean))
    variance = _variance(hierarchy, method, residuals, mean.dtype)
    if nonnegative:
        return hierarchy.aggregate(nonnegative_bottom(hierarchy, variance, mean))
    return hierarchy.aggregate(Oblique(hierarchy, variance).bottom(mean))


def _variance(
    hierarchy: Hierarchy, method: Method, residuals: Any, dtype: Any
) -> Float[Array, " series"]:
    """The diagonal of W."""
    series = len(hierarchy.ids)
    if method == "ols":
        return jnp.ones(series, dtype)
    if method == "wls_structural":
        return hierarchy.aggregate(jnp.ones(len(hierarchy.bottom), dtype))
    return jnp.mean(check_residuals(residuals, series) ** 2, 0).astype(dtype)


def shrunk_covariance(residuals: ArrayLike | None, series: int) -> LowRank:
    """W of MinT."""
    errors = check_residuals(residuals, series)
    times = errors.shape[0]
    variance = jnp.mean(errors**2, 0)
    unit = errors / jnp.where(variance > 0, root(variance), 1.0)  # a series without errors has no r
    # Sums over all pairs of series: of squared means of products, and of means of squared products.
    products = unit @ unit.T if times <= series else unit.T @ unit
    first = jnp.sum((products / times) ** 2)
    second = jnp.sum(jnp.sum(unit**2, 1) ** 2) / times
    own = jnp.mean(unit**2, 0)
    first, second = first - jnp.sum(own**2), second - jnp.sum(jnp.mean(unit**4, 0))
    spread = (second - first) / (times - 1)
    share = jnp.clip(spread / jnp.where(first > 0, first, 1.0), 0.0, 1.0)
    share = jnp.where(first > 0, share, 1.0)
    factor = errors if times <= series else jnp.linalg.qr(errors, mode="r")
    return LowRank(root(share * variance), root((1 - share) / times) * factor.T)


def check_residuals(residuals: ArrayLike | None, series: int) -> Float[Array, "times series"]:
    """Residuals that are enough."""
    errors = floating("reconcile", residuals)  # pyright: ignore[reportArgumentType]
    if errors.ndim != 2 or errors.shape[1] != series or errors.shape[0] < LEAST_TIMES:
        raise ValueError(
            f"reconcile expected residuals of shape (times >= {LEAST_TIMES}, series={series}), got "
            f"{errors.shape}; pass more times, or a method without residuals."
        )
    check_finite("reconcile", "residuals", errors)
    return errors
