r"""Deterministic errors of a field.

    relative L2 = ‖u − v‖ / ‖v‖,      ‖u‖² = Σ_i w_i |u_i|²,      MSE = Σ_i w_i |u_i − v_i|² / Σ_i w_i

over channels and points together, real or complex. The weights w are those of the points: all alike, as the
Fourier neural operator is trained and scored, or the volumes of cells, which make the sums integrals.

Reference: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
arXiv:2010.08895.
"""

from typing import Any

from jax.core import Tracer
from jaxtyping import Float, Inexact, Shaped

from solvers import Grid

from .._numeric import AnyArray, frozen, namespace, numeric
from ._checks import checked_pair, mean_over, shares, squared


@numeric("prediction", "target", complex_too=True)
def relative_l2(
    prediction: Inexact[AnyArray, "*field"],
    target: Inexact[AnyArray, "..."],
    *,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """‖prediction − target‖ / ‖target‖ of one sample, over channels and points together.

    The gradient at ``prediction == target`` is 0, the subgradient of least norm, so that the metric
    can be a loss. Fields of any magnitude are safe: nothing is squared before it is scaled.

    Args:
        prediction: the field.
        target: the truth, of the same shape.
        weights: the grid, whose cells count by their volume, or weights that broadcast against the last
            axes, such as `latitude_weights`; all alike by default.

    Raises:
        ValueError: shapes that differ, weights that do not fit, or a target that is zero everywhere. Inside
            jit, vmap or grad a zero target gives NaN instead, which a training loop stops at.
    """
    prediction, target = checked_pair("relative_l2", prediction, target)
    # The ratio does not depend on the scale, so its derivative must not pass through it.
    scale = frozen(abs(target).max())
    share = shares("relative_l2", target, weights)
    if not isinstance(scale, Tracer) and scale == 0:
        raise ValueError(
            "relative_l2 expected a target that is not zero everywhere, got zeros; use mse, which "
            "needs no reference size."
        )
    return _norm((prediction - target) / scale, share) / _norm(target / scale, share)


@numeric("prediction", "target", complex_too=True)
def mse(
    prediction: Inexact[AnyArray, "*field"],
    target: Inexact[AnyArray, "..."],
    *,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """Mean squared error of one sample over channels and points, in the square of their unit.

    Args:
        prediction: the field.
        target: the truth, of the same shape.
        weights: as for `relative_l2`.

    Raises:
        ValueError: shapes that differ, or weights that do not fit.
    """
    prediction, target = checked_pair("mse", prediction, target)
    return mean_over(squared(prediction - target), shares("mse", target, weights))


def _norm(x: Any, share: Any) -> Float[AnyArray, ""]:
    """The root of the mean of |x|², whose derivative at 0 is 0; scaled, so that no square leaves the range."""
    xp = namespace(x)
    one = xp.ones((), x.real.dtype)
    size = frozen(abs(x).max())
    size = xp.where(size == 0, one, size)
    square = mean_over(squared(x / size), share)
    zero = square == 0
    return xp.where(zero, 0 * one, size * xp.sqrt(xp.where(zero, one, square)))
