r"""Volatility of the forecasts of one target, made again and again as it comes nearer.

The forecasts m_0, …, m_T of one Z that use all that is known at each time, m_t = E[Z | F_t], are a martingale:
their revisions are uncorrelated, and can only add up to what was learned,

    E Σ_t (m_{t+1} − m_t)² = E (m_0 − Z)² − E (m_T − Z)²        realised = allowed
    E Σ_t (p_{t+1} − p_t)² = E p_0 (1 − p_0) − E p_T (1 − p_T)    for p_t = P(event | F_t)

What is realised beyond the allowed is noise of the forecaster: noise of variance τ² that is independent in each
of m_0, …, m_{T−1} adds (2T − 1) τ² to the realised volatility and τ² to the allowed one. The identity is one of
means and of probabilities of events; quantiles are in general no martingale.

Reference: N. Augenblick, M. Rabin, Q. J. Econ. 136 (2021) 933, doi:10.1093/qje/qjaa043, for beliefs;
C. Eisenach, Y. Patel, D. Madeka, MQTransformer (2020), arXiv:2009.14799, for demand forecasts.
"""

from typing import Any

from jax.core import Tracer
from jaxtyping import Float

from .._numeric import AnyArray, namespace, numeric
from ._forecasts import Mask, checked_observed, mean_observed


@numeric("path")
def martingale_volatility(path: Float[AnyArray, "*targets dates"]) -> Float[AnyArray, "*targets"]:
    """Realised volatility: the sum of the squared revisions of each path.

    Args:
        path: forecasts of one target in the order of their creation, (..., dates).

    Returns:
        One sum a target, in the square of its unit; NaN where a forecast is.

    Raises:
        ValueError: paths of fewer than two forecasts.
    """
    path = _checked("martingale_volatility", path)
    return (namespace(path).diff(path, axis=-1) ** 2).sum(axis=-1)


@numeric("path", "target", masks=("observed",))
def allowed_volatility(
    path: Float[AnyArray, "*targets dates"],
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, ""]:
    """What the accuracy that is gained allows: MSE of the first forecasts less that of the last.

    A mean over targets, exact in expectation only; of few targets it may be negative.

    Args:
        path: forecasts of one target in the order of their creation, (..., dates).
        target: what came, (...).
        observed: which targets are known; by default those that are not NaN.

    Returns:
        The mean over the observed targets, in the square of their unit.

    Raises:
        ValueError: paths of fewer than two forecasts, shapes that differ, or no observed target.
    """
    path, target, observed = _with_target("allowed_volatility", path, target, observed)
    return mean_observed(_gain(path, target), observed)


@numeric("path", "target", masks=("observed",))
def excess_volatility(
    path: Float[AnyArray, "*targets dates"],
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, ""]:
    """Realised less allowed volatility, mean over the observed targets: 0 for ideal forecasts.

    Negative for forecasts that react too little. For events the path is one of probabilities, and the target 0
    or 1.

    Args:
        path: forecasts of one target in the order of their creation, (..., dates).
        target: what came, (...).
        observed: which targets are known; by default those that are not NaN.

    Returns:
        The mean, in the square of the target's unit.

    Raises:
        ValueError: paths of fewer than two forecasts, shapes that differ, or no observed target.
    """
    path, target, observed = _with_target("excess_volatility", path, target, observed)
    realised = martingale_volatility(path)
    return mean_observed(realised - _gain(path, target), observed)


@numeric("path")
def allowed_event_volatility(
    path: Float[AnyArray, "*targets dates"],
) -> Float[AnyArray, "*targets"]:
    """What the forecaster's own probabilities of an event allow, p_0 (1 − p_0) − p_T (1 − p_T).

    That is p_0 (1 − p_0) where the path ends with what came. It needs no outcome but trusts p_0 and p_T to be
    calibrated, which `allowed_volatility` with outcomes 0 and 1 does not.

    Args:
        path: probabilities of one event in the order of their creation, (..., dates).

    Returns:
        One number a path; its mean over many is that of `martingale_volatility`.

    Raises:
        ValueError: paths of fewer than two forecasts, or what is no probability. Inside jit such a path
            gives NaN.
    """
    path = _checked("allowed_event_volatility", path)
    probable = ((path >= 0) & (path <= 1)).all(axis=-1)
    if not isinstance(probable, Tracer) and not probable.all():
        raise ValueError(
            "allowed_event_volatility expected probabilities in [0, 1], got others; use "
            "allowed_volatility for means."
        )
    uncertainty = path * (1 - path)
    xp = namespace(path)
    return xp.where(probable, uncertainty[..., 0] - uncertainty[..., -1], xp.nan)


def _gain(path: Any, target: Any) -> Any:
    """Squared error of the first forecast less that of the last, without cancellation of large offsets."""
    first, last = path[..., 0] - target, path[..., -1] - target
    return (first - last) * (first + last)


def _checked(metric: str, path: Any) -> Any:
    if path.ndim == 0 or path.shape[-1] < 2:
        raise ValueError(
            f"{metric} expected at least 2 forecasts of each target on the last axis, got shape "
            f"{path.shape}; put creation dates last."
        )
    return path


def _with_target(metric: str, path: Any, target: Any, observed: Any):
    path = _checked(metric, path)
    target, observed = checked_observed(metric, target, observed)
    if path.shape[:-1] != target.shape:
        raise ValueError(
            f"{metric} expected a target of shape {path.shape[:-1]}, one for each path, got "
            f"{target.shape}; put creation dates last."
        )
    return path, target, observed
