"""Checks of what a head reads, the channels that an operator puts out, and of its floor."""

import math

from jaxtyping import Array, Float

from .._arrays import check_finite


def check_floor(who: str, floor: float) -> None:
    """Refuse a smallest standard deviation that bounds nothing."""
    if not (math.isfinite(floor) and floor > 0):
        raise ValueError(
            f"{who} expected a positive, finite floor, got {floor}; without one the likelihood is "
            "unbounded, 1e-3 suits fields of order 1."
        )


def check_raw(who: str, raw: Float[Array, "..."], outputs: int) -> None:
    """Refuse an operator output of other channels than the head reads."""
    if raw.ndim < 1 or raw.shape[0] != outputs:
        raise ValueError(
            f"{who} expected an output of shape ({outputs}, *space), got {raw.shape}; give the operator "
            f"out_channels={outputs}, and use jax.vmap for batches."
        )
    check_finite(who, "raw", raw)
