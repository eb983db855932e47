"""Steady flow through a medium of two materials: from the permeability to the pressure.

    −∇·(a ∇u) = 1 in the unit square, u = 0 on its boundary,
    a = 12 where N(0, (−Δ + 9)⁻²) with zero slope at the boundary is positive, and 3 elsewhere

Solved by finite volumes (`solvers.darcy`).

Reference: Li et al., ICLR 2021, arXiv:2010.08895, section 5.2 and appendix A.3.2. The released data have 4
instead of 3.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.fno.samples import Samples, check_strides
from solvers import GaussianRandomField, Grid, darcy


@dataclass(frozen=True)
class Darcy:
    """The data set.

    Args:
        high: permeability where the random field is positive.
        low: permeability elsewhere.
        cells: along each axis, of the finest resolution, which is solved.
        strides: resolutions that are tested, as the middle cell of s by s; odd numbers.
        training_stride: the resolution that is trained on.
    """

    high: float = 12.0
    low: float = 3.0
    cells: int = 129
    strides: tuple[int, ...] = (3,)
    training_stride: int = 3

    def __post_init__(self):
        check_strides("Darcy", self.cells, self.strides, self.training_stride)
        if any(s % 2 == 0 for s in self.strides):
            raise ValueError(
                f"Darcy expected odd strides, whose blocks have a middle cell, got {self.strides}; "
                "choose odd divisors."
            )

    def generate(self, samples: int, *, key: PRNGKeyArray) -> Samples:
        """Draw and solve `samples` functions in double precision."""
        with jax.enable_x64(True):
            shape = (self.cells, self.cells)
            field = GaussianRandomField(shape, alpha=2, tau=3, boundary="neumann")
            grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), shape)

            def pair(k) -> tuple[Array, Array]:
                a = jnp.where(field(key=k, dtype=jnp.dtype("float64")) > 0, self.high, self.low)
                return a, darcy(a, grid, rtol=1e-7)

            # One after the other: the iterations of a sample stay in the cache.
            solve = jax.jit(lambda keys: jax.lax.map(pair, keys))
            x, y = solve(jax.random.split(key, samples))
            return Samples(x[:, None].astype(jnp.float32), y[:, None].astype(jnp.float32))

    def coarse(
        self, fields: Float[Array, "samples 1 nx ny"], stride: int
    ) -> Float[Array, "samples 1 fewer fewer"]:
        """The middle cell of every s by s block."""
        start = stride // 2
        return fields[..., start::stride, start::stride]
