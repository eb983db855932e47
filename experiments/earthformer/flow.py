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

    Films are cut from a flow one after the other, so that most of what is solved is also seen; those to test on
    are of flows of their own.

    Args:
        size: cells of the films along each axis.
        refinement: cells of the solver for each of them.
        interval: time between frames.
        viscosity: ν.
        wavenumber: k of the force sin k y.
        scale: unit of the vorticity.
        spin_up: time before the first frame, in which the random start is forgotten.
        cuts: films of each flow.
    """

    QUANTITY: ClassVar[str] = "scaled vorticity"

    size: int = 32
    refinement: int = 2
    interval: float = 0.25
    viscosity: float = 0.02
    wavenumber: int = 4
    scale: float = 3.0
    spin_up: float = 10.0
    cuts: int = 10

    def __post_init__(self):
        super().__post_init__()
        if self.cuts < 1:
            raise ValueError(
                f"Kolmogorov expected at least one cut, got cuts={self.cuts}; each flow gives that many films."
            )

    def films(self, count: int, *, key: PRNGKeyArray) -> Float[Array, "films time 1 size size"]:
        """Solve for flows, a few at a time."""
        frames = self.time_in + self.time_out
        flow = KolmogorovFlow(
            cells=self.size * self.refinement,
            frames=self.cuts * frames,
            interval=self.interval,
            viscosity=self.viscosity,
            wavenumber=self.wavenumber,
            spin_up=self.spin_up,
        )

        def films(key):
            u, v = jnp.moveaxis(flow(key=key), 1, 0)
            width = 2 * jnp.pi / u.shape[-1]
            # At the lower corner of each cell, between the faces on both sides of it.
            vorticity = (v - jnp.roll(v, 1, -2)) - (u - jnp.roll(u, 1, -1))
            vorticity = vorticity / (width * self.scale)
            blocks = vorticity.reshape(-1, self.size, self.refinement, self.size, self.refinement)
            return blocks.mean((2, 4)).reshape(self.cuts, frames, 1, self.size, self.size)

        flows = jax.jit(lambda keys: jax.lax.map(films, keys, batch_size=10))(
            jax.random.split(key, -(-count // self.cuts))
        )
        return jnp.concatenate(flows)[:count]

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
