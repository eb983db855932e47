"""What all attention layers of one Earthformer have in common, and the stacks made from it."""

import dataclasses

from jaxtyping import PRNGKeyArray

from ...nn.cuboid import CuboidCrossStack, CuboidStack, cross_pattern, self_pattern
from ...nn.cuboid.self_attention import Compat

Shape = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings of the attention layers; see `Earthformer`."""

    heads: int
    pattern: str
    cross: str
    frames: int
    vectors: bool
    separate: bool
    vector_attention: bool
    vector_feed_forward: bool
    decoder_vectors: bool
    dropout: float
    compat: Compat | None
    chunk: int | None

    def self_stack(self, shape: Shape, *, vectors: bool = False, key: PRNGKeyArray) -> CuboidStack:
        """Self-attention for tokens of this shape (time, height, width, channels)."""
        return CuboidStack(
            shape[3],
            heads=self.heads,
            pattern=self_pattern(self.pattern, shape[:3]),
            vectors=vectors,
            separate=self.separate,
            vector_attention=self.vector_attention,
            vector_feed_forward=self.vector_feed_forward,
            padding=self._padding,
            dropout=self.dropout,
            compat=self.compat,
            chunk=self.chunk,
            key=key,
        )

    def cross_stack(self, shape: Shape, *, key: PRNGKeyArray) -> CuboidCrossStack:
        """Cross-attention to tokens of this shape (time, height, width, channels)."""
        return CuboidCrossStack(
            shape[3],
            heads=self.heads,
            pattern=cross_pattern(self.cross, shape[:3]),
            frames=self.frames,
            vectors=self.vectors and self.decoder_vectors,
            separate=self.separate,
            padding=self._padding,
            dropout=self.dropout,
            chunk=self.chunk,
            key=key,
        )

    @property
    def _padding(self):
        # Every published configuration lets padding be attended to.
        return "ignore" if self.compat is None else "zeros"
