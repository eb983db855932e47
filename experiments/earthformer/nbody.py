"""Three digits that attract each other: chaos of which everything is known."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.earthformer.films import Data
from jaxsci.data import NBodyDigits, Sprites, handwritten_digits, mnist_digits
from jaxsci.metrics import frame_mae, frame_mse, ssim


@dataclass(frozen=True, kw_only=True)
class NBody(Data):
    """N-body MNIST, with scikit-learn's digits of 8 × 8 on a canvas in proportion.

    Args:
        size: side of the frames; the canvas is twice as large.
        mnist: IDX file of MNIST's digits to use instead; "" for none.
    """

    size: int = 24
    mnist: str = ""

    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Draw films, a few at a time."""
        digits = mnist_digits(self.mnist) if self.mnist else handwritten_digits()
        draw = NBodyDigits.scaled(
            Sprites.crop(digits),
            canvas=2 * self.size,
            size=self.size,
            frames=self.time_in + self.time_out,
        )
        keys = jax.random.split(key, count)
        return jax.jit(lambda keys: jax.lax.map(lambda k: draw(key=k), keys, batch_size=50))(keys)

    def scores(self, prediction, target) -> dict[str, float]:
        """Errors by frame, as the literature sums them, on frames scaled to 64 × 64 pixels."""
        # Sums over a frame grow with its pixels; the published ones are of 64 × 64.
        scale = (64 / self.size) ** 2

        def mean(score) -> float:
            return float(jnp.mean(jax.lax.map(lambda pair: score(*pair), (prediction, target))))

        return {
            "MSE": scale * mean(frame_mse),
            "MAE": scale * mean(frame_mae),
            "SSIM": mean(ssim),
        }
