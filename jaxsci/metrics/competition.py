r"""Scores of point forecasts as the M4 competition has them.

    sMAPE = mean of 200 |y − f| / (|y| + |f|), in per cent,      0/0 = 0
    MASE = mean |y − f| / s,      s = mean over the history of |y_t − y_{t−m}|
    OWA = ½ (mean sMAPE / mean sMAPE of the reference + mean MASE / mean MASE of the reference)

Means are over the horizon first, and those of a set over its series. The season m is 24 for hours, 12 for
months, 4 for quarters and 1 for years, weeks and days; the reference is the seasonally adjusted naive
forecast. Smaller is better, and the reference has OWA = 1.

References: S. Makridakis, E. Spiliotis, V. Assimakopoulos, Int. J. Forecast. 36 (2020) 54,
doi:10.1016/j.ijforecast.2019.04.014; R. Hyndman, A. Koehler, Int. J. Forecast. 22 (2006) 679,
doi:10.1016/j.ijforecast.2006.03.001, for MASE.
"""

from typing import Any

from jaxtyping import Float

from .._checks import whole
from .._numeric import AnyArray, namespace, numeric
from ._checks import checked_pair
from ._forecasts import Mask, checked_observed, mean_observed


@numeric("predicted", "target", masks=("observed",))
def smape(
    predicted: Float[AnyArray, "*series horizon"],
    target: Float[AnyArray, "..."],
    observed: Mask = None,
) -> Float[AnyArray, "*series"]:
    """Symmetric mean absolute percentage error of each series, from 0 to 200.

    Args:
        predicted: point forecasts, (..., horizon).
        target: what came, of the same shape.
        observed: where the target is known; by default where it is not NaN.

    Returns:
        One number a series; NaN for a series of which no target was observed.

    Raises:
        ValueError: shapes that differ, a mask that is wrong, or no observed target at all.
    """
    predicted, target = _checked("smape", predicted, target)
    target, observed = checked_observed("smape", target, observed)
    size = abs(target) + abs(predicted)
    # A perfect forecast of zero has no error; a size of 1 keeps its derivative finite.
    error = 200 * abs(target - predicted) / namespace(size).where(size == 0, 1, size)
    return mean_observed(error, observed, axis=-1)


@numeric("predicted", "target", "history", masks=("observed", "history_observed"))
def mase(
    predicted: Float[AnyArray, "*series horizon"],
    target: Float[AnyArray, "..."],
    history: Float[AnyArray, "..."],
    *,
    season: int = 1,
    observed: Mask = None,
    history_observed: Mask = None,
) -> Float[AnyArray, "*series"]:
    """Absolute error of each series over that of the seasonal naive forecast in its history.

    Args:
        predicted: point forecasts, (..., horizon).
        target: what came, of the same shape.
        history: values before the forecast, (..., time), none later; ragged ones are padded with NaN.
        season: number of steps of a season, the m of the scale.
        observed: where the target is known; by default where it is not NaN.
        history_observed: where the history is; by default where it is not NaN. A pair y_t, y_{t−m} counts
            where both are.

    Returns:
        One number a series; NaN for a series of which no target was observed, without a pair in its
        history, or with a history that repeats itself exactly and so has no scale.

    Raises:
        ValueError: shapes that differ, masks that are wrong, no observed target or history at all, or a
            history that is no longer than a season.
    """
    season = whole("mase", "season", season)
    predicted, target = _checked("mase", predicted, target)
    if history.ndim == 0 or history.shape[:-1] != target.shape[:-1]:
        raise ValueError(
            f"mase expected a history of shape {(*target.shape[:-1], 'time')}, one for each series, got "
            f"{history.shape}; pad short ones with NaN in front."
        )
    if history.shape[-1] <= season:
        raise ValueError(
            f"mase expected a history of more than season={season} steps, got {history.shape[-1]}; "
            "give a longer one, or season=1."
        )
    target, observed = checked_observed("mase", target, observed)
    history, known = checked_observed("mase (history)", history, history_observed)
    change = abs(history[..., season:] - history[..., :-season])
    scale = mean_observed(change, known[..., season:] & known[..., :-season], axis=-1)
    error = mean_observed(abs(target - predicted), observed, axis=-1)
    xp = namespace(error)
    return xp.where(scale == 0, xp.nan, error / xp.where(scale == 0, 1, scale))


@numeric("smape", "mase", "reference_smape", "reference_mase")
def owa(
    smape: Float[AnyArray, "..."],
    mase: Float[AnyArray, "..."],
    reference_smape: Float[AnyArray, "..."],
    reference_mase: Float[AnyArray, "..."],
) -> Float[AnyArray, ""]:
    """Overall weighted average of a set of series, relative to a reference forecast.

    The means over the series come before the ratios, as in M4.

    Args:
        smape: that of the forecast, of any shape.
        mase: that of the forecast.
        reference_smape: that of the reference, of the same series.
        reference_mase: that of the reference.

    Returns:
        The average; NaN where a series has none of the scores, infinite where the reference is perfect.

    Raises:
        ValueError: shapes that differ, or no series.
    """
    smape, reference_smape = checked_pair("owa", smape, reference_smape)
    mase, reference_mase = checked_pair("owa", mase, reference_mase)
    smape, mase = checked_pair("owa", smape, mase)
    return 0.5 * (smape.mean() / reference_smape.mean() + mase.mean() / reference_mase.mean())


def _checked(metric: str, predicted: Any, target: Any) -> tuple[Any, Any]:
    predicted, target = checked_pair(metric, predicted, target)
    if predicted.ndim == 0:
        raise ValueError(
            f"{metric} expected forecasts of shape (..., horizon), got one number; give it an axis."
        )
    return predicted, target
