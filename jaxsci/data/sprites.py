r"""Small pictures that move over a canvas: cropped, drawn between pixels, and reduced.

    drawn = A(y) S A(x)ᵀ,      A(x)_{ck} = max(0, 1 − |c − x − k|)        bilinear
    reduced = R canvas Rᵀ,     R_{oc} = w(scale · (o + ½) − ½ − c)           bicubic

Both are products with matrices, so that thousands of sequences are drawn on the device at a time. `w` is
the cubic kernel with a = −¾ and without smoothing, its weights beyond the border given to the pixels there.

Reference: R. Keys, IEEE Trans. Acoust. Speech Signal Process. 29 (1981) 1153,
doi:10.1109/TASSP.1981.1163711, for the kernel. OpenCV, with which the published sequences were drawn, rounds
positions to 1/32 of a pixel; here they are not rounded.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from .._checks import whole
from .checks import DatasetError


class Sprites(eqx.Module):
    """Pictures of different sizes, each in the upper left corner of a common box.

    Attributes:
        pixels: brightness in [0, 1], zero beyond a picture's own size.
        sizes: width and height of each picture, in this order, as positions are (x, y).
    """

    pixels: Float[Array, "pictures height width"]
    sizes: Float[Array, "pictures 2"]

    @classmethod
    def crop(cls, pictures: ArrayLike, *, tolerance: float = 0.0) -> "Sprites":
        """Cut pictures down to their ink.

        Args:
            pictures: (pictures, height, width), in [0, 1].
            tolerance: brightness up to which a pixel is background. The published sequences are cropped
                at 5/255, but of bytes, so that all ink is kept.

        Raises:
            DatasetError: another shape, values out of range, or a picture without ink.
        """
        array = _checked(pictures)
        ink = array > tolerance
        if not ink.any(axis=(1, 2)).all():
            raise DatasetError(
                "Sprites.crop expected ink in every picture, got none in number "
                f"{int(np.argmin(ink.any(axis=(1, 2))))}; leave it out, or lower the tolerance."
            )
        (top, height), (left, width) = _extent(ink.max(axis=2)), _extent(ink.max(axis=1))
        boxes = np.zeros((len(array), height.max(), width.max()), array.dtype)
        for box, picture, y, x, h, w in zip(boxes, array, top, left, height, width, strict=True):
            box[:h, :w] = picture[y : y + h, x : x + w]
        sizes = np.stack([width, height], axis=1).astype(boxes.dtype)
        return cls(jnp.asarray(boxes), jnp.asarray(sizes))

    @classmethod
    def whole(cls, pictures: ArrayLike) -> "Sprites":
        """Take pictures as they are, with their margins.

        Raises:
            DatasetError: another shape, or values out of range.
        """
        array = _checked(pictures)
        sizes = np.full((len(array), 2), array.shape[:0:-1], array.dtype)
        return cls(jnp.asarray(array), jnp.asarray(sizes))

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.pixels.shape[0]

    def draw(
        self, which: Int[Array, " bodies"], corners: Float[Array, "bodies 2"], canvas: int
    ) -> Float[Array, "{canvas} {canvas}"]:
        """Draw pictures on a dark canvas; the brightest wins.

        Args:
            which: number of each picture.
            corners: position (x, y) of each upper left corner, in pixels.
            canvas: side of the canvas in pixels.
        """
        pixels, dtype = self.pixels[which], self.pixels.dtype
        side = jnp.arange(canvas, dtype=dtype)[None, :, None]

        def hat(corner: Float[Array, " bodies"], length: int) -> Float[Array, "bodies canvas k"]:
            offset = side - corner[:, None, None] - jnp.arange(length, dtype=dtype)
            return jnp.maximum(0.0, 1.0 - jnp.abs(offset))

        rows, columns = hat(corners[:, 1], pixels.shape[1]), hat(corners[:, 0], pixels.shape[2])
        # In full precision, which matrix products of accelerators do not have by default.
        drawn = jnp.einsum("byk,bkl,bxl->byx", rows, pixels, columns, precision="highest")
        return drawn.max(axis=0)


def bicubic(source: int, target: int) -> Float[np.ndarray, "{target} {source}"]:
    """The matrix R that resizes an axis of `source` pixels to `target`, pixel centres at halves."""
    source, target = whole("bicubic", "source", source), whole("bicubic", "target", target)
    a = -0.75
    places = (np.arange(target) + 0.5) * source / target - 0.5
    matrix = np.zeros((target, source))
    for tap in range(-1, 3):
        pixel = np.floor(places).astype(int) + tap
        r = np.abs(places - pixel)
        near = ((a + 2) * r - (a + 3)) * r**2 + 1
        far = ((a * r - 5 * a) * r + 8 * a) * r - 4 * a
        weight = np.where(r <= 1, near, np.where(r < 2, far, 0.0))
        np.add.at(matrix, (np.arange(target), pixel.clip(0, source - 1)), weight)
    return matrix


def _checked(pictures: ArrayLike) -> Float[np.ndarray, "pictures height width"]:
    array = np.asarray(pictures)
    floating = np.issubdtype(array.dtype, np.floating)
    if array.ndim != 3 or not array.size or not floating:
        raise DatasetError(
            "Sprites expected floating-point pictures of shape (pictures, height, width), got "
            f"{array.dtype} of shape {array.shape}; stack them, and divide bytes by 255."
        )
    if not (array.min() >= 0 and array.max() <= 1):  # NaN fails both
        raise DatasetError(
            f"Sprites expected brightness in [0, 1], got values from {array.min()} to "
            f"{array.max()}; rescale the pictures."
        )
    return array


def _extent(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First pixel with ink, and length up to the last one, of each row of flags."""
    first = ink.argmax(axis=1)
    return first, ink.shape[1] - ink[:, ::-1].argmax(axis=1) - first
