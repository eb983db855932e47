"""Patches of an image as the channels of a coarser one, and back: x(p·i + a, p·j + b) ↔ y(i, j)_{a,b}."""

from jaxtyping import Array, Float

from .._checks import whole


def to_patches(
    x: Float[Array, "*time height width channels"], size: int
) -> Float[Array, "*time rows columns patch_channels"]:
    """Put each patch of size × size points into the channels of one."""
    size = whole("to_patches", "size", size)
    *time, height, width, channels = x.shape
    if height % size or width % size:
        raise ValueError(
            f"to_patches expected height and width to be multiples of {size}, got {height} and {width}; "
            "pad or crop the frames."
        )
    x = x.reshape(*time, height // size, size, width // size, size, channels)
    return x.swapaxes(-4, -3).reshape(*time, height // size, width // size, -1)


def from_patches(
    x: Float[Array, "*time rows columns patch_channels"], size: int
) -> Float[Array, "*time height width channels"]:
    """The inverse of `to_patches`."""
    size = whole("from_patches", "size", size)
    *time, rows, columns, channels = x.shape
    if channels % size**2:
        raise ValueError(
            f"from_patches expected the channels to be a multiple of {size**2}, got {channels}; every "
            f"point becomes {size} by {size} of them."
        )
    x = x.reshape(*time, rows, columns, size, size, channels // size**2)
    return x.swapaxes(-4, -3).reshape(*time, rows * size, columns * size, -1)
