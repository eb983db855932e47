r"""How a space-time field is cut into cuboids: a plan made of integers, known before anything is traced.

    shape (T, H, W)  →  pad to multiples of the size b  →  roll by −shift  →  (cuboids, tokens of a cuboid)

Along a local axis ("l") a cuboid holds b neighbours, along a dilated one ("d") every (n/b)-th token: of 12
tokens, dilated cuboids of 4 hold {0, 3, 6, 9}, {1, 4, 7, 10}, {2, 5, 8, 11}. Tokens may see each other where
their region is the same: regions part what the roll has joined (as in shifted windows) and what is padding.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, section 3.1 and equation 2; the dilated
cuboids are those of the authors' code, since the printed stride would wrap around. Regions: Liu et al., Swin
Transformer, ICCV 2021, arXiv:2103.14030, section 3.2.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..._checks import whole

Triple = tuple[int, int, int]
Padding = Literal["ignore", "zeros"]


@dataclasses.dataclass(frozen=True)
class Cuboid:
    """Size, shift and strategy of the cuboids of one attention layer, along (time, height, width).

    Args:
        size: tokens of a cuboid along each axis; clipped to the field where that is smaller.
        shift: by how many tokens the cuboids are moved, less than the size; ignored where an axis is dilated
            or has only one cuboid.
        strategy: a letter per axis, "l" for local and "d" for dilated, as in "lll".

    Raises:
        ValueError: sizes that are not positive, shifts outside of [0, size), other strategies.
    """

    size: Triple
    shift: Triple = (0, 0, 0)
    strategy: str = "lll"

    def __post_init__(self):
        for name, values in (("size", self.size), ("shift", self.shift)):
            if not isinstance(values, tuple) or len(values) != 3:
                raise ValueError(
                    f"Cuboid expected {name} as a tuple (time, height, width), got {values!r}; write "
                    "for example size=(2, 4, 4)."
                )
        size = tuple(whole("Cuboid", "each size", b) for b in self.size)
        shift = tuple(whole("Cuboid", "each shift", s, 0) for s in self.shift)
        if any(s >= b for s, b in zip(shift, size, strict=True) if s > 0):
            raise ValueError(
                f"Cuboid expected shifts less than the size {size}, got {shift}; half the size is "
                "usual."
            )
        if len(self.strategy) != 3 or set(self.strategy) - set("ld"):
            raise ValueError(
                f"Cuboid expected a letter l (local) or d (dilated) per axis, got {self.strategy!r}; "
                'write for example "lll".'
            )
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "shift", shift)

    def clipped(self, shape: Triple) -> "Cuboid":
        """These cuboids on a field of this shape: not larger than it, and moved only where that has a sense."""
        size = triple(min(b, n) for b, n in zip(self.size, shape, strict=True))
        shift = triple(
            0 if letter == "d" or n <= b else s
            for s, b, n, letter in zip(self.shift, self.size, shape, self.strategy, strict=True)
        )
        return Cuboid(size, shift, self.strategy)


@dataclasses.dataclass(frozen=True)
class CuboidPlan:
    """A field's shape and its cuboids; hashable, so that traced functions can depend on it.

    Args:
        shape: tokens of the field along (time, height, width).
        cuboid: how to cut it; clipped to the shape.
        padding: "ignore" hides the tokens that fill up the last cuboids from all others; "zeros" lets
            them be attended to, as zeros.
        early: whether missing frames are filled up before the first one instead of after the last.
    """

    shape: Triple
    cuboid: Cuboid
    padding: Padding = "ignore"
    early: bool = False

    def __post_init__(self):
        if self.padding not in ("ignore", "zeros"):
            raise ValueError(
                f"CuboidPlan expected padding 'ignore' or 'zeros', got {self.padding!r}; 'ignore' is right "
                "where no published weights have to be matched."
            )
        object.__setattr__(self, "cuboid", self.cuboid.clipped(self.shape))

    @property
    def size(self) -> Triple:
        """Tokens of a cuboid along each axis."""
        return self.cuboid.size

    @property
    def pads(self) -> Triple:
        """Tokens to add along each axis."""
        return triple((-n) % b for n, b in zip(self.shape, self.size, strict=True))

    @property
    def blocks(self) -> Triple:
        """Cuboids along each axis."""
        return triple(-(-n // b) for n, b in zip(self.shape, self.size, strict=True))

    @property
    def count(self) -> int:
        """Number of cuboids."""
        return math.prod(self.blocks)

    @property
    def volume(self) -> int:
        """Tokens of a cuboid."""
        return math.prod(self.size)

    def cut(self, x: Float[Array, "T H W channels"]) -> Float[Array, "count volume channels"]:
        """The tokens of a field, cuboid by cuboid; the added ones are zero."""
        return self._cut(x, jnp)

    def join(self, y: Float[Array, "count volume channels"]) -> Float[Array, "T H W channels"]:
        """The inverse of `cut`; drops what was added."""
        order, split = self._order()
        y = y.reshape(*(split[i] for i in order), -1)
        y = y.transpose(*np.argsort(order).tolist(), 6)
        y = y.reshape(*(n + p for n, p in zip(self.shape, self.pads, strict=True)), -1)
        if any(self.cuboid.shift):
            y = jnp.roll(y, self.cuboid.shift, axis=(0, 1, 2))
        first = self.pads[0] if self.early else 0
        t, h, w = self.shape
        return y[first : first + t, :h, :w]

    def labels(self) -> Int[np.ndarray, "count volume"]:
        """A label per token; tokens of a cuboid see each other where it is the same. Padding has −1."""
        return _labels(self)

    def regions(self) -> Int[np.ndarray, "count volume"] | None:
        """The labels, or None where all tokens of each cuboid see each other."""
        labels = _labels(self)
        return None if (labels == labels[:, :1]).all() else labels

    def valid(self, *, scrambled: bool = False) -> Bool[np.ndarray, "count volume"] | None:
        """Which tokens are not padding; None where all count.

        Args:
            scrambled: in the order of the published code, which flattens the field and not the cuboids, so
                that global vectors see some padding and miss some tokens.
        """
        return _valid(self, scrambled)

    def inside(self) -> Bool[np.ndarray, "count volume"] | None:
        """Which tokens are the field's own, whatever the padding; None where all are."""
        return _valid(dataclasses.replace(self, padding="ignore"), False)

    def _order(self) -> tuple[list[int], list[int]]:
        # Every axis is split in two; the six are reordered to three of blocks and three within.
        split, outer, inner = [], [], []
        for axis, letter in enumerate(self.cuboid.strategy):
            local = letter == "l"
            n, b = self.blocks[axis], self.size[axis]
            split += [n, b] if local else [b, n]
            outer.append(2 * axis + (0 if local else 1))
            inner.append(2 * axis + (1 if local else 0))
        return outer + inner, split

    def _cut(self, x: Any, xp: Any) -> Any:
        t, h, w = self.pads
        if t or h or w:
            x = xp.pad(x, ((t, 0) if self.early else (0, t), (0, h), (0, w), (0, 0)))
        if any(self.cuboid.shift):
            x = xp.roll(x, tuple(-s for s in self.cuboid.shift), axis=(0, 1, 2))
        order, split = self._order()
        return x.reshape(*split, -1).transpose(*order, 6).reshape(self.count, self.volume, -1)


def triple(numbers: Iterable[int]) -> Triple:
    """Three numbers, one per axis."""
    t, h, w = numbers
    return t, h, w


@functools.lru_cache(maxsize=1024)
def _valid(plan: CuboidPlan, scrambled: bool) -> np.ndarray | None:
    if plan.padding == "zeros" or not any(plan.pads):
        return None
    inside = np.ones((*plan.shape, 1), dtype=bool)
    if not scrambled:
        return plan._cut(inside, np)[..., 0]
    inside = np.pad(inside[..., 0], [(0, p) for p in plan.pads])
    inside = np.roll(inside, tuple(-s for s in plan.cuboid.shift), axis=(0, 1, 2))
    return inside.reshape(plan.count, plan.volume)


@functools.lru_cache(maxsize=1024)
def _labels(plan: CuboidPlan) -> np.ndarray:
    padded = triple(n + p for n, p in zip(plan.shape, plan.pads, strict=True))
    label = np.zeros(padded, dtype=np.int32)
    for axis, (n, b, s) in enumerate(zip(padded, plan.size, plan.cuboid.shift, strict=True)):
        if s:
            # After the roll the last s tokens come from the other end.
            along = np.digitize(np.arange(n), [n - b, n - s]).astype(np.int32)
            label = 3 * label + np.expand_dims(along, [i for i in range(3) if i != axis])
    # The labels are those of rolled tokens: cut without rolling again.
    still = dataclasses.replace(plan.cuboid, shift=(0, 0, 0))
    label = CuboidPlan(padded, still)._cut(label[..., None], np)[..., 0]
    valid = _valid(plan, False)
    if valid is not None:
        label = np.where(valid, label, -1)
    return label.astype(np.int32)


@functools.lru_cache(maxsize=1024)
def relative_index(
    table: Triple, size: Triple, *, memory: Triple | None = None, sliced: bool = False
) -> np.ndarray:
    """Which row of a bias table belongs to each pair of tokens of a cuboid.

    Args:
        table: size of the cuboids that the table was made for, with ∏(2b − 1) rows.
        size: size of the cuboids at hand, at most that.
        memory: size of the cuboids of keys, where it is another one.
        sliced: take the first rows and columns of the table's own index, as the published code does. That
            is wrong where a clipped axis other than the first has more than one token.

    Returns:
        Integers of shape (volume, volume of the memory).
    """
    memory = size if memory is None else memory
    if sliced:
        full = relative_index(table, table)
        return full[: math.prod(size), : math.prod(memory)]
    queries, keys = (np.indices(s).reshape(3, -1) for s in (size, memory))
    offsets = queries[:, :, None] - keys[:, None, :]
    index = np.zeros(offsets.shape[1:], dtype=np.int32)
    for axis in range(3):
        index = index * (2 * table[axis] - 1) + offsets[axis] + table[axis] - 1
    return index.astype(np.int32)
