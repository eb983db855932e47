r"""Coverage of prediction intervals, (1/n) Σ_i 1[ l_i ≤ y_i ≤ u_i ]."""

from jaxtyping import Float, Shaped

from solvers import Grid

from .._numeric import AnyArray, namespace, numeric
from ._checks import checked_pair, mean_over, shares


@numeric("lower", "upper", "target")
def interval_coverage(
    lower: Float[AnyArray, "*field"],
    upper: Float[AnyArray, "..."],
    target: Float[AnyArray, "..."],
    *,
    weights: Grid | Shaped[AnyArray, "..."] | None = None,
) -> Float[AnyArray, ""]:
    """Share of the points of one field that lie in their interval, ends included.

    An interval whose ends are crossed, or NaN, holds nothing and counts as a miss. What
    came must be known: a NaN in it makes the share NaN.

    Args:
        lower: lower ends of the intervals.
        upper: upper ends.
        target: the truth, of the same shape.
        weights: as for `relative_l2`.

    Raises:
        ValueError: shapes that differ, or weights that do not fit.
    """
    lower, upper = checked_pair("interval_coverage", lower, upper)
    lower, target = checked_pair("interval_coverage", lower, target)
    inside = ((lower <= target) & (target <= upper)).astype(target.dtype)
    inside = namespace(target).where(target == target, inside, target)
    return mean_over(inside, shares("interval_coverage", target, weights))
