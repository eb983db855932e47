r"""Multi-head attention within square windows of an image.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d + B) V,     B_{pq} = table(position of p − position of q)

Without a shift the windows tile the image. With one, the tiling is moved by that many points, the image going
on periodically, and points that are no neighbours without the wrapping do not see each other.

Reference: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV 2021,
arXiv:2103.14030, section 3.2; the bias is equation 4, one table for all heads as in Rainformer.
"""

from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from .conv import Conv
from .initial import normal


class WindowAttention(Module):
    """Self-attention of the points of a window, for all windows of an image.

    Args:
        width: channels of the image.
        heads: number of heads.
        head_size: channels d of a head.
        window: points of a window on each axis.
        shift: how far the windows are moved, less than `window`.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, or a shift by a window or more.
        TypeError: a key that is none.
    """

    qkv: Conv
    out: Conv
    bias: Float[Array, "offsets offsets"]
    heads: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    shift: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        head_size: int,
        window: int,
        shift: int = 0,
        key: PRNGKeyArray,
    ):
        who = "WindowAttention"
        width = whole(who, "width", width)
        self.heads = whole(who, "heads", heads)
        inner = self.heads * whole(who, "head_size", head_size)
        self.window = whole(who, "window", window)
        self.shift = whole(who, "shift", shift, 0)
        if shift >= window:
            raise ValueError(
                f"WindowAttention expected a shift of less than window={window}, got {shift}; take half a "
                "window."
            )
        check_key(who, key)
        qkv_key, out_key, bias_key = jax.random.split(key, 3)
        self.qkv = Conv(
            in_channels=width, out_channels=3 * inner, kernel=(1, 1), bias=False, key=qkv_key
        )
        self.out = Conv(in_channels=inner, out_channels=width, kernel=(1, 1), key=out_key)
        offsets = 2 * window - 1
        # Small as in Swin; a standard deviation of 1, as in Rainformer, drowns the scores at first.
        self.bias = 0.02 * normal(bias_key, (offsets, offsets))

    def __call__(self, x: Float[Array, "rows columns width"]) -> Float[Array, "rows columns width"]:
        """Attend in every window.

        Raises:
            ValueError: an image that the windows do not tile.
        """
        rows, columns, _ = x.shape
        w, s = self.window, self.shift
        if rows % w or columns % w:
            raise ValueError(
                f"WindowAttention expected rows and columns to be multiples of window={w}, got {rows} and "
                f"{columns}; choose another window or pad the image."
            )
        tiles = (rows // w, w, columns // w, w, 3, self.heads, -1)
        qkv = jnp.roll(self.qkv(x), (-s, -s), axis=(0, 1)).reshape(tiles)
        # To (q k v, windows, heads, points, d).
        q, k, v = qkv.transpose(4, 0, 2, 5, 1, 3, 6).reshape(
            3, -1, self.heads, w * w, qkv.shape[-1]
        )
        scores = jnp.einsum("nhqd,nhkd->nhqk", q / q.shape[-1] ** 0.5, k)
        i, j = _offsets(w)
        scores = scores + self.bias[i, j].astype(x.dtype)
        if s:
            scores = jnp.where(_neighbours(rows, columns, w, s)[:, None], scores, -jnp.inf)
        y = jnp.einsum("nhqk,nhkd->nhqd", jax.nn.softmax(scores, axis=-1), v)
        y = y.reshape(rows // w, columns // w, self.heads, w, w, -1).transpose(0, 3, 1, 4, 2, 5)
        return self.out(jnp.roll(y.reshape(rows, columns, -1), (s, s), axis=(0, 1)))


@lru_cache(maxsize=64)
def _offsets(window: int) -> tuple[np.ndarray, np.ndarray]:
    """Offset of every point of a window from every other, per axis, counted from the most negative."""
    i, j = np.divmod(np.arange(window**2), window)
    return i[:, None] - i + window - 1, j[:, None] - j + window - 1


@lru_cache(maxsize=64)
def _neighbours(rows: int, columns: int, window: int, shift: int) -> np.ndarray:
    """Which points of each shifted window are together without the wrapping: (windows, points, points)."""
    # What is rolled in from the other side is a region of its own.
    row, column = (np.arange(n) >= n - shift for n in (rows, columns))
    region = 2 * row[:, None] + column
    region = region.reshape(rows // window, window, columns // window, window)
    region = region.swapaxes(1, 2).reshape(-1, window**2)
    return region[:, :, None] == region[:, None, :]
