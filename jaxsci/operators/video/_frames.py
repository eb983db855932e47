"""Checks of video that all models here share: `(time, channels, height, width)` in floating point."""

from jaxtyping import Array, ArrayLike

from ..._arrays import as_jax, check_floating


def checked_frames(
    who: str,
    x: ArrayLike,
    *,
    channels: int | None = None,
    time: int | None = None,
    multiple: int = 1,
    name: str = "x",
) -> Array:
    """`x` as an array, or one sentence about what it should have been."""
    x = as_jax(who, name, x)
    expected = f"(time{_is(time)}, channels{_is(channels)}, height, width)"
    fits = x.ndim == 4 and channels in (None, x.shape[1]) and time in (None, x.shape[0])
    if not fits or 0 in x.shape:
        raise ValueError(
            f"{who} expected {name} of shape {expected}, got {x.shape}; use jax.vmap for batches."
        )
    check_floating(who, name, x)
    height, width = x.shape[2:]
    if height % multiple or width % multiple:
        raise ValueError(
            f"{who} expected height and width to be multiples of {multiple}, got {height} and {width}; "
            "pad or crop the frames."
        )
    return x


def _is(size: int | None) -> str:
    return "" if size is None else f"={size}"
