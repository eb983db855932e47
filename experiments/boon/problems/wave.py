"""Standing waves between two walls: p_tt = c² p_xx with p_x = 0 at both ends, solved as acoustics.

p(0) = Σ_k a_k cos kπx,    p(t) = Σ_k a_k cos(kπx) cos(kπct)
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from experiments.boon.problems.problem import Problem
from jaxsci.constraints import NeumannEnds
from solvers import WENO5Z, FiniteVolume, Grid, Neumann, Wall, solve
from solvers.finite_volume.nodes import node_values
from solvers.laws import Acoustics


@dataclass(frozen=True, kw_only=True)
class StandingWaves(Problem):
    """From a pressure at rest, a_k ~ N(0, 1/k²).

    Args:
        speed: c, in length per time.
        modes: number of cosines.
    """

    speed: float = 1.0
    modes: int = 8
    time: float = 0.7

    @property
    def ends(self):
        """Derivatives, zero."""
        return NeumannEnds(length=1.0)

    def draw(self, samples, *, key):
        """a_k."""
        k = jnp.arange(1, self.modes + 1)
        return {"a": jax.random.normal(key, (samples, self.modes), jnp.float64) / k}

    def at(self, parameters, t, x):
        """The pressure."""
        kappa = jnp.pi * jnp.arange(1, self.modes + 1)
        swing = parameters["a"] * jnp.cos(kappa * self.speed * t)
        return swing @ jnp.cos(kappa[:, None] * x)

    def values(self, parameters):
        """No slope at a wall."""
        return jnp.zeros(2, parameters["a"].dtype)

    def solve(self, parameters, cells):
        """WENO faces and a CFL number of 0.4."""
        grid = Grid.uniform(0.0, 1.0, cells)
        field = FiniteVolume(
            law=Acoustics(density=1.0, sound_speed=self.speed),
            grid=grid,
            boundary=Wall(),
            reconstruction=WENO5Z(),
        )
        # Cell averages of the cosines: differences of their sines.
        kappa = jnp.pi * jnp.arange(1, self.modes + 1)
        sines = jnp.sin(kappa[:, None] * jnp.asarray(grid.faces[0])) / kappa[:, None]
        pressure = parameters["a"] @ jnp.diff(sines) * cells
        u0 = jnp.stack([pressure, jnp.zeros_like(pressure)])
        steps = int(self.time * self.speed * cells / 0.4) + 1
        state = solve(field, u0, t1=self.time, steps=steps).states[-1]
        closed = (Neumann(0.0), Neumann(0.0))
        return node_values(closed, grid.widths[0], self.time, state[:1], 0)[0]
