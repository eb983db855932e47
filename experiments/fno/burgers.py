"""Viscous Burgers on the unit circle: from the initial flow to the flow at time 1.

    u_t + (u²/2)_x = ν u_xx,    u(0) ~ N(0, 625 (−Δ + 25)⁻²),    u(0) -> u(1)

Solved exactly by the Cole-Hopf transformation. The mean is left out of the random field, as the released
generator does: it would only carry the solution around the circle.

Reference: Li et al., ICLR 2021, arXiv:2010.08895, section 5.1 and appendix A.3.1.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.fno.samples import Samples, check_strides
from solvers import GaussianRandomField
from solvers.exact import cole_hopf


@dataclass(frozen=True)
class Burgers:
    """The data set.

    Args:
        viscosity: ν.
        time: when the solution is asked for.
        points: of the finest resolution.
        strides: resolutions that are tested, as every s-th point.
        training_stride: the resolution that is trained on.
    """

    viscosity: float = 0.1
    time: float = 1.0
    points: int = 2048
    strides: tuple[int, ...] = (2,)
    training_stride: int = 2

    def __post_init__(self):
        check_strides("Burgers", self.points, self.strides, self.training_stride)

    def generate(self, samples: int, *, key: PRNGKeyArray) -> Samples:
        """Draw and solve `samples` functions in double precision."""
        with jax.enable_x64(True):
            field = GaussianRandomField((self.points,), alpha=2, tau=5, sigma=25, zero_mean=True)

            def pair(k) -> tuple[Array, Array]:
                u0 = field(key=k, dtype=jnp.dtype("float64"))
                return u0, cole_hopf(u0, self.time, viscosity=self.viscosity)

            x, y = jax.jit(jax.vmap(pair))(jax.random.split(key, samples))
            return Samples(x[:, None].astype(jnp.float32), y[:, None].astype(jnp.float32))

    def coarse(
        self, fields: Float[Array, "samples 1 points"], stride: int
    ) -> Float[Array, "samples 1 fewer"]:
        """Every s-th point."""
        return fields[..., ::stride]
