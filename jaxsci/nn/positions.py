"""Learned embeddings of the positions in a film, added to its tokens.

"t+h+w":  x[t, h, w] + a[t] + b[h] + c[w]          "t+hw":  x[t, h, w] + a[t] + b[h, w]
"""

from typing import Literal

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from .initial import normal

Positions = Literal["t+h+w", "t+hw"]


class PositionEmbedding(Module):
    """A vector for each frame, and for each row and column or for each point of a frame.

    Args:
        channels: channels of a token.
        shape: frames, height and width.
        kind: "t+h+w" or "t+hw".
        key: random key of the initial vectors, normal with standard deviation 0.02.

    Raises:
        ValueError: another kind.
    """

    tables: tuple[Float[Array, "..."], ...]

    def __init__(
        self, channels: int, *, shape: tuple[int, int, int], kind: Positions, key: PRNGKeyArray
    ):
        t, h, w = shape
        shapes = {
            "t+h+w": [(t, 1, 1), (1, h, 1), (1, 1, w)],
            "t+hw": [(t, 1, 1), (1, h, w)],
        }
        if kind not in shapes:
            raise ValueError(
                f"PositionEmbedding expected 't+h+w' or 't+hw', got {kind!r}; the first has fewer numbers."
            )
        keys = jax.random.split(key, len(shapes[kind]))
        self.tables = tuple(
            0.02 * normal(k, (*s, channels)) for k, s in zip(keys, shapes[kind], strict=True)
        )

    def __call__(self, x: Float[Array, "T H W channels"]) -> Float[Array, "T H W channels"]:
        """Add the position to each token."""
        for table in self.tables:
            x = x + table.astype(x.dtype)
        return x
