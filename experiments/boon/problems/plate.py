"""Stokes' second problem: a fluid above a plate that swings in its own plane.

    u_t = ν u_yy,  u(t, 0) = U cos ωt,    u = U e^{−κy} cos(κy − ωt),  κ = √(ω/2ν)

The interval ends at y = 1, where the value of the half space's solution is prescribed.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.boon.problems.problem import Problem
from jaxsci.constraints import DirichletEnds
from solvers import Dirichlet, FiniteVolume, Grid, solve
from solvers.laws import Diffusion


class PlateFlow(eqx.Module):
    """The exact solution at one place, as a function of time."""

    law: Diffusion
    y: float
    amplitude: float
    omega: Float[Array, ""]

    def __call__(self, t):
        """U at time t."""
        y = jnp.asarray(self.y, self.omega.dtype)
        return self.law.oscillating_plate(t, y, amplitude=self.amplitude, frequency=self.omega)


@dataclass(frozen=True, kw_only=True)
class Plate(Problem):
    """From the swinging flow at time 0.

    Args:
        viscosity: ν, in length² per time.
        amplitude: U.
        frequency: range of ω.
    """

    viscosity: float = 0.1
    amplitude: float = 2.0
    frequency: tuple[float, float] = (2.0, 8.0)
    time: float = 1.2
    cells: int = 128

    @property
    def ends(self):
        """Velocities."""
        return DirichletEnds()

    def draw(self, samples, *, key):
        """ω."""
        return {"omega": jax.random.uniform(key, (samples,), jnp.float64, *self.frequency)}

    def at(self, parameters, t, x):
        """The swinging flow."""
        law = Diffusion(self.viscosity)
        return law.oscillating_plate(t, x, amplitude=self.amplitude, frequency=parameters["omega"])

    def values(self, parameters):
        """The velocities at the plate and at the other end."""
        return self.at(parameters, self.time, jnp.array([0.0, 1.0]))

    def solve(self, parameters, cells):
        """Explicit steps at 0.6 of dt = dx²/(2ν), within what a Dirichlet end allows."""
        law, grid = Diffusion(self.viscosity), Grid.uniform(0.0, 1.0, cells)
        ends = (PlateFlow(law, y, self.amplitude, parameters["omega"]) for y in (0.0, 1.0))
        field = FiniteVolume(law=law, grid=grid, boundary=tuple(Dirichlet(end) for end in ends))
        u0 = self.initial(parameters, jnp.asarray(grid.centers[0]))[None]
        steps = int(self.time * 2 * self.viscosity * cells**2 / 0.6) + 1
        solution = solve(field, u0, t1=self.time, steps=steps)
        return field.node_values(self.time, solution.states[-1])[0]
