"""The times of a solve: an interval, and save times that increase within it, up to rounding.

Numbers of different precision that mean the same time are not equal: 0.1 in single precision is
larger than 0.1 in double precision, and 3 · 0.1 is larger than 0.3. So a save time beyond an end by
a few roundings of the coarsest of the numbers, single precision at least, is that end.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float

Time = Float[Array, ""]
Times = Float[Array, " time"]

# Roundings of a time that was computed, as in `jnp.linspace`, and not written down.
_ROUNDINGS = 4.0


def checked_times(
    caller: str,
    t0: ArrayLike,
    t1: ArrayLike,
    save_at: ArrayLike | Sequence[float] | None,
) -> tuple[Time, Time, Times]:
    """t0, t1 and the save times (t1 alone by default) in the default precision, within [t0, t1].

    What is traced is not refused here but by `in_order`.

    Raises:
        ValueError: for times that are not real, not finite, of wrong shapes or out of order.
    """
    given = (t0, t1, t1 if save_at is None else save_at)
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(given))
    xp: Any = jnp if traced else np
    arrays = [xp.asarray(part) for part in given]
    kinds = [array.dtype for array in arrays]
    if not all(_is_floating(kind) or jnp.issubdtype(kind, jnp.integer) for kind in kinds):
        raise ValueError(
            f"{caller} expected t0, t1 and save_at to be real numbers, got {given}; give times in "
            "the unit of the solve."
        )
    dtype = jnp.result_type(float)
    with np.errstate(over="ignore"):  # infinity is refused below
        start, stop, times = (array.astype(dtype) for array in arrays)
    if start.ndim or stop.ndim or times.ndim > 1 or times.size == 0:
        raise ValueError(
            f"{caller} expected scalars t0 and t1 and one axis of one or more save times, got shapes "
            f"{start.shape}, {stop.shape} and {times.shape}; use jax.vmap for batches."
        )
    times = xp.atleast_1d(times)
    # A list may have been an array of single precision.
    floating = [jnp.float32, *(kind for kind in kinds if _is_floating(kind))]
    rounding = max(float(jnp.finfo(kind).eps) for kind in floating)
    slack = _ROUNDINGS * rounding * xp.maximum(xp.abs(start), xp.abs(stop))
    times = xp.where((times < start) & (times >= start - slack), start, times)
    times = xp.where((times > stop) & (times <= stop + slack), stop, times)
    if not traced:
        _check(caller, start, stop, times)
    return jnp.asarray(start), jnp.asarray(stop), jnp.asarray(times)


def in_order(t0: Time, t1: Time, times: Times) -> Bool[Array, ""]:
    """Whether times that may be traced are finite and in order."""
    ends = jnp.isfinite(t0) & jnp.isfinite(t1) & (t0 < t1)
    return ends & jnp.all(jnp.diff(times) > 0) & (times[0] >= t0) & (times[-1] <= t1)


def _is_floating(kind: Any) -> bool:
    return jnp.issubdtype(kind, jnp.floating)


def _check(caller: str, start: np.ndarray, stop: np.ndarray, times: np.ndarray) -> None:
    if not (np.isfinite(start) and np.isfinite(stop) and start < stop):
        raise ValueError(
            f"{caller} expected finite times t0 < t1, got t0={start} and t1={stop} in {start.dtype}; "
            "order them, and count from zero where they are large and close."
        )
    if not (np.all(np.diff(times) > 0) and start <= times[0] and times[-1] <= stop):
        raise ValueError(
            f"{caller} expected strictly increasing save_at within [{start}, {stop}], got {times}; "
            "sort them, remove duplicates and NaN, and stay within [t0, t1]."
        )
