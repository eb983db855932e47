"""Three digits that attract each other: chaos of which everything is known."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.earthformer.films import Drawn
from jaxsci.data import NBodyDigits, Sprites, handwritten_digits, mnist_digits
from jaxsci.metrics import frame_mae, frame_mse, ssim


@dataclass(frozen=True, kw_only=True)
class NBody(Drawn):
    """N-body MNIST, with scikit-learn's digits of 8 × 8 on a canvas in proportion.

    Args:
        size: side of the frames; the canvas is twice as large.
        mnist: IDX file of MNIST's digits to use instead; "" for none.
    """

    QUANTITY: ClassVar[str] = "brightness"

    size: int = 24
    mnist: str = ""

    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Draw films, a few at a time."""
        digits = mnist_digits(self.mnist) if self.mnist else handwritten_digits()
        draw = NBodyDigits.scaled(
            Sprites.crop(in_proportion(digits, 2 * self.size)),
            canvas=2 * self.size,
            size=self.size,
            frames=self.time_in + self.time_out,
        )
        keys = jax.random.split(key, count)
        return jax.jit(lambda keys: jax.lax.map(lambda k: draw(key=k), keys, batch_size=50))(keys)

    def statistics(self, prediction, film) -> dict[str, Any]:
        """Errors as the literature sums them."""
        target = film["target"]
        return super().statistics(prediction, film) | {
            "MSE": frame_mse(prediction, target),
            "MAE": frame_mae(prediction, target),
            "SSIM": ssim(prediction, target),
        }

    def scores(self, statistics) -> dict[str, float]:
        """Errors by frame, on frames scaled to 64 × 64 pixels."""
        # Sums over a frame grow with its pixels; the published ones are of 64 × 64.
        scale = (64 / self.size) ** 2
        return {
            "MSE": scale * float(np.mean(statistics["MSE"])),
            "MAE": scale * float(np.mean(statistics["MAE"])),
            "SSIM": float(np.mean(statistics["SSIM"])),
        }


def in_proportion(digits: np.ndarray, canvas: int) -> np.ndarray:
    """Digits enlarged or reduced by whole factors, next to the published 28 pixels on a canvas of 128."""
    side = digits.shape[-1]
    wanted = canvas * 28 / 128
    larger, smaller = max(1, round(wanted / side)), max(1, round(side / wanted))
    digits = digits[:, : side // smaller * smaller, : side // smaller * smaller]
    blocks = digits.reshape(len(digits), side // smaller, smaller, side // smaller, smaller)
    return blocks.mean(axis=(2, 4)).repeat(larger, axis=1).repeat(larger, axis=2)
