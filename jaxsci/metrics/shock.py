r"""Position of a shock or a front: the first point where the profile is no longer above a level.

    x_s = min { x_i : u(x_i) ≤ level }

Of an uncertain field it is a random variable, and its histogram is that of the sampled profiles.

Reference: Hansen et al. (ProbConserv), ICML 2023, arXiv:2302.11002, section 4. Its published
code draws the samples of three of the four models with the standard deviation in the place of the
variance; here the distribution draws its own.
"""

import numpyro.distributions as dist
from jax.core import Tracer
from jaxtyping import Float, PRNGKeyArray

from .._arrays import check_finite, numbers
from .._checks import check_key, whole
from .._numeric import AnyArray, namespace, numeric
from ..probabilistic.marginal import check_distribution


@numeric("x", "profile")
def shock_position(
    x: Float[AnyArray, " points"], profile: Float[AnyArray, "..."], level: float = 0.0
) -> Float[AnyArray, "..."]:
    """First x where the profile is at or below the level.

    Args:
        x: increasing coordinates.
        profile: values of shape (..., points).
        level: the level, in the unit of the profile.

    Returns:
        The position of every profile; NaN where it stays above the level, or is NaN before it
        reaches it.

    Raises:
        ValueError: when the last axis of the profile does not have one entry a coordinate, or the
            coordinates do not increase.
    """
    if x.ndim != 1 or not x.size or profile.shape[-1:] != x.shape:
        raise ValueError(
            f"shock_position expected one axis of coordinates and profiles of shape (..., {x.size}), got "
            f"{profile.shape} with coordinates {x.shape}; put the space axis last."
        )
    xp = namespace(x)
    check_finite("shock_position", "level", numbers("shock_position", "level", level))
    if not isinstance(x, Tracer) and not (xp.diff(x) > 0).all():
        raise ValueError(
            "shock_position expected increasing coordinates, got others; sort x, and the profile with it."
        )
    # NaN counts as an event too, so that a broken profile has no position.
    event = ~(profile > level)
    first = xp.argmax(event, axis=-1)
    reached = xp.take_along_axis(profile, first[..., None], axis=-1)[..., 0] <= level
    return xp.where(reached, x[first], xp.nan)


def shock_samples(
    distribution: dist.Distribution,
    x: Float[AnyArray, " points"],
    *,
    level: float = 0.0,
    samples: int = 500,
    key: PRNGKeyArray,
) -> Float[AnyArray, "samples ..."]:
    """Draw shock positions of an uncertain field, whose last axis is x.

    Args:
        distribution: the field. A projected one draws fields that satisfy its constraint.
        x: increasing coordinates.
        level: as in `shock_position`.
        samples: number of draws.
        key: random key.
    """
    check_distribution("shock_samples", distribution)
    check_key("shock_samples", key)
    samples = whole("shock_samples", "samples", samples)
    return shock_position(x, distribution.sample(key, (samples,)), level)
