"""Vorticity of two-dimensional turbulence that a wave of force keeps going."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.earthformer.films import Drawn
from jaxsci.data import KolmogorovFlow
from jaxsci.metrics import relative_l2


@dataclass(frozen=True, kw_only=True)
class Kolmogorov(Drawn):
    """Kolmogorov flow; the vorticity is divided by `scale`, about its deviation.

    Args:
        size: cells of the films along each axis.
        refinement: cells of the solver for each of them.
        interval: time between frames.
        viscosity: ν.
        wavenumber: k of the force sin k y.
        scale: unit of the vorticity.
        spin_up: time before the first frame, in which the random start is forgotten.
    """

    QUANTITY: ClassVar[str] = "scaled vorticity"

    size: int = 32
    refinement: int = 2
    interval: float = 0.25
    viscosity: float = 0.02
    wavenumber: int = 4
    scale: float = 3.0
    spin_up: float = 10.0

    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Solve for films, a few at a time."""
        flow = KolmogorovFlow(
            cells=self.size * self.refinement,
            frames=self.time_in + self.time_out,
            interval=self.interval,
            viscosity=self.viscosity,
            wavenumber=self.wavenumber,
            spin_up=self.spin_up,
        )

        def film(key):
            u, v = jnp.moveaxis(flow(key=key), 1, 0)
            width = 2 * jnp.pi / u.shape[-1]
            # At the lower corner of each cell, between the faces on both sides of it.
            vorticity = (v - jnp.roll(v, 1, -2)) - (u - jnp.roll(u, 1, -1))
            vorticity = vorticity / (width * self.scale)
            blocks = vorticity.reshape(-1, self.size, self.refinement, self.size, self.refinement)
            return blocks.mean((2, 4))[:, None]

        return jax.jit(lambda keys: jax.lax.map(film, keys, batch_size=10))(
            jax.random.split(key, count)
        )

    def statistics(self, prediction, film) -> dict[str, Any]:
        """Errors relative to the fields."""
        return super().statistics(prediction, film) | {
            "relative L2": jax.vmap(relative_l2)(prediction, film["target"])
        }

    def scores(self, statistics) -> dict[str, float]:
        """Relative errors over all frames, in the first and in the last."""
        errors = statistics["relative L2"]
        return {
            "relative L2": float(errors.mean()),
            "relative L2, first frame": float(errors[:, 0].mean()),
            "relative L2, last frame": float(errors[:, -1].mean()),
        }
