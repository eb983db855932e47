"""What metrics of fields share: pairs that broadcast with nothing, and means over points, weighted or not."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from solvers import Grid

from .._arrays import numbers
from .._numeric import AnyArray, check_real, namespace


def squared(x: Any) -> Any:
    """|x|², of complex numbers too, with the derivative 0 at 0."""
    complex_ = jnp.issubdtype(x.dtype, jnp.complexfloating)
    return x.real**2 + x.imag**2 if complex_ else x**2


def checked_pair(metric: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Both, which may not broadcast: the mean over the outer product looks plausible."""
    if prediction.shape != target.shape:
        raise ValueError(
            f"{metric} expected a target of shape {prediction.shape}, that of the prediction, got "
            f"{target.shape}; use jax.vmap for batches."
        )
    if prediction.size == 0:
        raise ValueError(
            f"{metric} expected at least one value, got shape {prediction.shape}; "
            "an empty mean has no value."
        )
    return prediction, target


def shares(metric: str, field: Any, weights: Any) -> Float[AnyArray, "..."] | None:
    """The share of every point of a field in a mean, of sum 1; None where all are alike.

    Args:
        metric: whose name messages have.
        field: an array of shape (..., *space).
        weights: a `Grid`, whose cells have a volume, or an array that broadcasts against the last axes.
    """
    if weights is None:
        return None
    given = numbers(metric, "weights", weights.volumes if isinstance(weights, Grid) else weights)
    last = field.shape[max(field.ndim - given.ndim, 0) :]
    if not 0 < given.ndim <= field.ndim or any(
        n not in (1, m) for n, m in zip(given.shape, last, strict=True)
    ):
        raise ValueError(
            f"{metric} expected weights that fit the last axes of {field.shape}, got {given.shape}; give "
            "one for each cell, with axes of length 1 along which they are the same."
        )
    check_real(metric, {"weights": given})
    if not isinstance(given, Tracer):
        host = np.asarray(given, np.float64)
        if not (np.isfinite(host).all() and (host >= 0).all() and host.any()):
            raise ValueError(
                f"{metric} expected finite weights >= 0 that are not all zero, got from {host.min()} to "
                f"{host.max()}; give volumes, areas or the like."
            )
        # Of the largest weight: sums of very small or large volumes stay in single precision.
        given = host / host.max()
    xp = namespace(field)
    given = xp.broadcast_to(xp.asarray(given, dtype=field.real.dtype), field.shape)
    return given / given.sum()


def mean_over(values: Any, share: Any) -> Float[AnyArray, ""]:
    """The mean over the points of a field, by their shares where they have some."""
    if share is None:
        return namespace(values).mean(values)
    return (share * values).sum()
