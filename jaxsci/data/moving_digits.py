"""Moving MNIST: digits that cross a canvas in straight lines and bounce off its border.

Each digit starts anywhere, moves in a random direction by a tenth of its room a frame, and stands at whole
pixels; the brightest wins where they overlap. `(key=...)` draws a sequence on the device; `MovingMNIST`
reads the 10,000 fixed sequences that the literature scores.

Reference: N. Srivastava, E. Mansimov, R. Salakhutdinov, Unsupervised Learning of Video Representations using
LSTMs, ICML 2015, arXiv:1502.04681.
"""

import math
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci._checks import whole

from .checks import DatasetError
from .nbody import bounce
from .sprites import Sprites


class MovingDigits(eqx.Module):
    """A distribution of sequences of digits in uniform motion.

    Args:
        sprites: the digits, `Sprites.whole(pictures)` as published.
        frames: length of a sequence.
        size: side of the frames.
        bodies: number of digits.
        speed: distance a frame, as a share of the room that a digit has.

    Raises:
        ValueError: sizes below one, digits larger than a frame, or a speed outside [0, 1].
    """

    sprites: Sprites
    frames: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    bodies: int = eqx.field(static=True)
    speed: float = eqx.field(static=True)

    def __init__(
        self,
        sprites: Sprites,
        *,
        frames: int = 20,
        size: int = 64,
        bodies: int = 2,
        speed: float = 0.1,
    ):
        self.sprites = sprites
        self.frames = whole("MovingDigits", "frames", frames)
        self.size = whole("MovingDigits", "size", size)
        self.bodies = whole("MovingDigits", "bodies", bodies)
        self.speed = float(speed)
        if max(sprites.pixels.shape[1:]) > size or not 0 <= speed <= 1:
            raise ValueError(
                f"MovingDigits expected digits of at most {size} pixels and 0 <= speed <= 1, got "
                f"{max(sprites.pixels.shape[1:])} pixels and {speed}; enlarge the frames or slow down."
            )

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, "frames 1 size size"]:
        """Draw one sequence, with brightness in [0, 1]."""
        dtype = self.sprites.pixels.dtype
        choose, draw = jax.random.split(key)
        which = jax.random.randint(choose, (self.bodies,), 0, self.sprites.count)
        x, y, turn = jax.random.uniform(draw, (3, self.bodies), dtype)
        start, angle = jnp.stack([x, y], axis=-1), 2.0 * math.pi * turn
        velocity = self.speed * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        room = self.size - self.sprites.sizes[which]

        def step(state: tuple[Array, Array], _: None):
            x, v = bounce(state[0] + state[1], state[1], 0.0, 1.0)
            return (x, v), self.sprites.draw(which, jnp.floor(x * room), self.size)[None]

        return lax.scan(step, (start, velocity), None, length=self.frames)[1]


class MovingMNIST:
    """The fixed sequences of Moving MNIST, split 8100/900/1000: a random-access source for grain.

    Items are dictionaries of "input" and "target", float32 in [0, 1] of shape (time, 1, 64, 64).

    Args:
        path: ``mnist_test_seq.npy``, uint8 of shape (20, 10000, 64, 64); it is mapped, not read.
        split: the last 1000 sequences are the test set, the 900 before them are for validation.
        inputs: frames that are given; the others are to be predicted.

    Raises:
        DatasetError: another file, or as many inputs as frames.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        split: Literal["train", "validation", "test"] = "train",
        inputs: int = 10,
    ):
        self.path, self.split = Path(path), split
        self.inputs = whole("MovingMNIST", "inputs", inputs)
        frames = self._mapped()
        shape, kind = frames.shape, frames.dtype
        if len(shape) != 4 or shape[0] <= self.inputs or shape[1] < 10 or kind != np.uint8:
            raise DatasetError(
                f"MovingMNIST expected uint8 of shape (time > {self.inputs}, sequences, height, "
                f"width), got {kind} of shape {shape}; pass mnist_test_seq.npy."
            )
        tenth = shape[1] // 10
        validation = (shape[1] - tenth) // 10
        train = shape[1] - tenth - validation
        parts = {
            "train": range(train),
            "validation": range(train, train + validation),
            "test": range(shape[1] - tenth, shape[1]),
        }
        if split not in parts:
            raise DatasetError(
                f"MovingMNIST expected split in {list(parts)}, got {split!r}; choose one."
            )
        self._indices = parts[split]

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._indices)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """One sequence."""
        frames = self._mapped()[:, self._indices[index]].astype(np.float32) / np.float32(255)
        return {"input": frames[: self.inputs, None], "target": frames[self.inputs :, None]}

    def __repr__(self) -> str:
        return f"MovingMNIST({str(self.path)!r}, split={self.split!r}, inputs={self.inputs})"

    def _mapped(self) -> np.ndarray:
        """The file in memory, anew each time: a map that is kept would be sent to workers as a copy."""
        try:
            return np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(
                f"MovingMNIST expected an array at {self.path}, got {error}; check the path, or fetch the "
                "file again."
            ) from error
