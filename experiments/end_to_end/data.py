"""Shocks on a circle: Burgers' equation from random flows, whose total stays what it was.

    u_t + (u²/2)_x = 0,    u(0) = ū + N(0, σ² (−Δ + 5²)⁻²),    u(0) -> u(T),    ∫ u(T) = ∫ u(0)

Solved by finite volumes on four times as many cells, then averaged. The total is what the input has, so a
constraint needs nothing that the network is not given.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from solvers import MUSCL, FiniteVolume, GaussianRandomField, Grid, Periodic, solve
from solvers.laws import Burgers


@dataclass(frozen=True)
class Data:
    """The data set.

    Args:
        mean: range of ū.
        deviation: σ.
        time: T.
        cells: cells of the networks.
        refinement: cells of the solver for each of them.
        train: samples to train on.
        test: samples to test on.
    """

    mean: tuple[float, float] = (0.0, 1.0)
    deviation: float = 25.0
    time: float = 0.3
    cells: int = 128
    refinement: int = 4
    train: int = 500
    test: int = 200

    def __post_init__(self):
        if min(self.cells, self.refinement, self.train, self.test) < 1 or not self.time > 0:
            raise ValueError(
                f"Data expected positive sizes and a positive time, got {self}; give larger numbers."
            )

    @property
    def grid(self) -> Grid:
        """Where the networks' cell averages live."""
        return Grid.uniform(0.0, 1.0, self.cells)


class Samples(eqx.Module):
    """Cell averages at the beginning and at T, in single precision.

    Attributes:
        x: u(0).
        y: u(T).
        total: ∫ u.
    """

    x: Float[Array, "samples 1 cells"]
    y: Float[Array, "samples 1 cells"]
    total: Float[Array, " samples"]


def generate(config: Data, samples: int, *, key: PRNGKeyArray) -> Samples:
    """Draw and solve `samples` functions in double precision."""
    with jax.enable_x64(True):
        fine = config.cells * config.refinement
        field = FiniteVolume(
            law=Burgers(),
            grid=Grid.uniform(0.0, 1.0, fine),
            boundary=Periodic(),
            reconstruction=MUSCL(),
        )
        flow = GaussianRandomField((fine,), alpha=2, tau=5, sigma=config.deviation, zero_mean=True)

        def pair(k: PRNGKeyArray) -> tuple[Array, Array]:
            mean_key, flow_key = jax.random.split(k)
            mean = jax.random.uniform(mean_key, (), jnp.float64, *config.mean)
            u0 = mean + flow(key=flow_key, dtype=jnp.dtype("float64"))
            return u0, solve(field, u0[None], t1=config.time, cfl=0.4).states[-1, 0]

        fields = jax.jit(lambda keys: jax.lax.map(pair, keys, batch_size=50))(
            jax.random.split(key, samples)
        )
        x, y = (u.reshape(samples, 1, config.cells, config.refinement).mean(-1) for u in fields)
        arrays = x, y, x.mean((1, 2))
        return Samples(*(array.astype(jnp.float32) for array in arrays))
