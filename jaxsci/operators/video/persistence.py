"""Persistence: the last frame, again and again. y_t = x_T; what every forecast has to beat."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import whole
from ..._module import Module
from ._frames import checked_frames


class Persistence(Module):
    """Repeat the last frame.

    Args:
        time_out: number of forecast frames.

    Raises:
        ValueError: fewer than one frame.
    """

    time_out: int = eqx.field(static=True)

    def __init__(self, *, time_out: int):
        self.time_out = whole("Persistence", "time_out", time_out)

    def __call__(
        self,
        x: Float[Array, "time_in channels height width"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "time_out channels height width"]:
        """Forecast one sample.

        Args:
            x: the frames so far.
            key: not used; the interface of all forecasters of video has it.

        Raises:
            ValueError: x is not (time, channels, height, width) in floating point.
        """
        x = checked_frames("Persistence", x)
        return jnp.broadcast_to(x[-1], (self.time_out, *x.shape[1:]))
