r"""Split conformal bands of fields, from the errors of a model on data that it was not trained on.

    simultaneous    s_j = max_i |y_ij − μ_ij| / σ_ij     (or the ⌈p N⌉-th smallest of the N points)
    pointwise       s_ij = |y_ij − μ_ij| / σ_ij          at every point i on its own
    radius          q = the ⌈(n + 1)(1 − α)⌉-th smallest of the scores s_1, …, s_n
    band            μ ± q σ

The coverage of a new field that is exchangeable with the n calibration fields is 1 − α at least, and less
than 1 − α + 1/(n + 1) where the scores do not tie, whatever the model: averaged over calibration sets, for
a whole field (simultaneous) or at each point (pointwise).

References: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-Free Predictive Inference for
Regression, J. Am. Stat. Assoc. 113 (2018) 1094, arXiv:1604.04173; Diquigiovanni, Fontana, Vantini,
Conformal prediction bands for multivariate functional data, J. Multivar. Anal. 189 (2022) 104879,
arXiv:2106.01792, for fields; Ma, Pitt, Azizzadenesheli, Anandkumar, Calibrated Uncertainty Quantification
for Operator Learning via Conformal Prediction, TMLR 2024, arXiv:2402.01960, for a share of the points.
"""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from .._arrays import check_finite
from .._checks import number
from .._module import Module
from .._numeric import AnyArray, namespace, numeric


class ConformalBand(Module):
    """A band of half width q σ around a prediction.

    Attributes:
        radius: q; one number for a simultaneous band, else one for each point of a field. Without scales,
            in the unit of the field.
        scaled: whether it was calibrated with scales, and has to be called with one.
        field: shape of a field.
    """

    radius: Float[Array, "..."]
    scaled: bool = eqx.field(static=True)
    field: tuple[int, ...] = eqx.field(static=True)

    @numeric("mean", "scale", who="ConformalBand")
    def __call__(
        self, mean: Float[AnyArray, "..."], scale: Float[AnyArray, "..."] | None = None
    ) -> tuple[Float[AnyArray, "*field"], Float[AnyArray, "*field"]]:
        """Lower and upper end of the band of one field.

        Args:
            mean: the prediction, its centre.
            scale: σ, where the band was calibrated with scales.

        Raises:
            ValueError: shapes that are not those of the calibration, a scale too many or too few, or one
                that is not positive.
        """
        if (scale is not None) != self.scaled:
            raise ValueError(
                f"ConformalBand expected {'a scale' if self.scaled else 'no scale'}, as it was calibrated, "
                f"got {'none' if scale is None else 'one'}; pass what conformal was given."
            )
        xp = namespace(mean)
        sigma: Any = xp.ones_like(mean) if scale is None else scale
        if mean.shape != self.field or sigma.shape not in ((), self.field):
            raise ValueError(
                f"ConformalBand expected a mean and a scale of the shape that it was calibrated for, "
                f"{self.field}, got {mean.shape} and {sigma.shape}; use jax.vmap for batches."
            )
        _check_scale("ConformalBand", sigma)
        half = xp.asarray(self.radius, dtype=mean.dtype) * sigma
        return mean - half, mean + half


@numeric("mean", "target", "scale")
def conformal(
    mean: Float[AnyArray, "samples *field"],
    target: Float[AnyArray, "..."],
    scale: Float[AnyArray, "..."] | None = None,
    *,
    level: float = 0.9,
    simultaneous: bool = True,
    share: float = 1.0,
) -> ConformalBand:
    """Calibrate a band on pairs of predictions and truths that the model was not trained on.

    The guarantee is that of whatever produced `mean` and `scale`, if it is one fixed function. So a model
    whose predictions are projected is calibrated on projected predictions, each with its own total; a band
    that was calibrated before still is one, of the centre that it was calibrated with, and moving the centre
    afterwards leaves no guarantee.

    Args:
        mean: predictions of n calibration fields.
        target: the truths, of the same shape.
        scale: predicted standard deviations, positive, of the same shape; None for a band of the same width
            everywhere.
        level: 1 − α, the wanted coverage.
        simultaneous: whether the band is to hold whole fields, else every point on its own.
        share: p, the least share of the points of a field that a simultaneous band has to hold for the
            field to count as held.

    Raises:
        ValueError: shapes that differ, fewer calibration fields than the level needs, scales that are not
            positive, numbers that are not finite, or a level or a share out of range. Inside jit, a scale
            that is not positive gives NaN or an infinite band.
    """
    scaled, xp = scale is not None, namespace(mean)
    sigma: Any = xp.ones_like(mean) if scale is None else scale
    level, share = number("conformal", "level", level), number("conformal", "share", share)
    if mean.ndim < 1 or mean.size == 0 or not mean.shape == target.shape == sigma.shape:
        raise ValueError(
            "conformal expected mean, target and scale of one shape (samples, *field) that holds points, got "
            f"{mean.shape}, {target.shape} and {sigma.shape}; stack the calibration fields in front."
        )
    if not 0 < level < 1 or not 0 < share <= 1:
        raise ValueError(
            f"conformal expected 0 < level < 1 and 0 < share <= 1, got level={level} and share={share}; "
            "write 0.9 for 90 %."
        )
    if share < 1 and not simultaneous:
        raise ValueError(
            f"conformal expected share=1 for a band of every point on its own, got {share}; ask for "
            "simultaneous=True, or leave share out."
        )
    n = mean.shape[0]
    # Rounded before the ceiling: (n + 1) · 0.9 of n = 9 is 9, not 9 + ε, in exact arithmetic.
    rank = math.ceil(round((n + 1) * level, 9))
    if rank > n:
        least = math.ceil(round(1 / (1 - level), 9)) - 1
        raise ValueError(
            f"conformal expected at least {least} calibration fields for level={level}, got {n}; give more "
            "of them, or ask for a lower level."
        )
    for name, array in (("mean", mean), ("target", target), ("scale", sigma)):
        check_finite("conformal", name, array)
    _check_scale("conformal", sigma)
    scores = abs(target - mean) / sigma
    if simultaneous:
        scores = xp.sort(scores.reshape(n, -1), axis=1)
        scores = scores[:, math.ceil(round(share * scores.shape[1], 9)) - 1]
    return ConformalBand(jnp.asarray(xp.sort(scores, axis=0)[rank - 1]), scaled, mean.shape[1:])


def _check_scale(who: str, scale: Any) -> None:
    if not isinstance(scale, Tracer) and not (np.asarray(scale) > 0).all():
        raise ValueError(
            f"{who} expected positive scales, got {np.asarray(scale).min()}; give a floor to cells that "
            "a constraint fixes, as in jnp.maximum(scale, 1e-6)."
        )
