"""Viscous Burgers, u_t + (u²/2)_x = ν u_xx: a travelling shock, and a random flow on a circle.

shock     u = s − ½(u_L − u_R) tanh((u_L − u_R)(x − x₀ − s t)/4ν),   s = ½(u_L + u_R)
circle    u(0) ~ N(0, 625(−Δ + 25)⁻²) without its mean, solved by the Cole-Hopf transformation
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.boon.problems.problem import Problem, uniform
from jaxsci.constraints import DirichletEnds, PeriodicEnds
from solvers import Dirichlet, FiniteVolume, Grid, Periodic, solve
from solvers.exact import cole_hopf
from solvers.laws import Burgers


class Shock(eqx.Module):
    """The travelling wave at one place, as a function of time."""

    law: Burgers
    x: float
    center: float
    left: Float[Array, ""]
    right: Float[Array, ""]

    def __call__(self, t):
        """U at time t."""
        x = jnp.asarray(self.x, self.left.dtype)
        return self.law.travelling_wave(t, x, left=self.left, right=self.right, center=self.center)


@dataclass(frozen=True, kw_only=True)
class TravellingShock(Problem):
    """From the wave at time 0.

    Args:
        viscosity: ν, in length² per time.
        left: range of u_L.
        right: range of u_R, below that of u_L.
        center: x₀.
    """

    viscosity: float = 0.02
    left: tuple[float, float] = (0.8, 1.2)
    right: tuple[float, float] = (-0.2, 0.2)
    center: float = 0.4
    time: float = 0.5
    cells: int = 128

    @property
    def ends(self):
        """Values."""
        return DirichletEnds()

    def draw(self, samples, *, key):
        """u_L and u_R."""
        return uniform(samples, {"left": self.left, "right": self.right}, key=key)

    def at(self, parameters, t, x):
        """The travelling wave."""
        law = Burgers(viscosity=self.viscosity)
        return law.travelling_wave(t, x, **parameters, center=self.center)

    def values(self, parameters):
        """What the wave has at the ends."""
        return self.at(parameters, self.time, jnp.array([0.0, 1.0]))

    def solve(self, parameters, cells):
        """Explicit steps, convection and diffusion within 0.6 of their common limit."""
        law, grid = Burgers(viscosity=self.viscosity), Grid.uniform(0.0, 1.0, cells)
        ends = (Shock(law, x, self.center, **parameters) for x in (0.0, 1.0))
        field = FiniteVolume(law=law, grid=grid, boundary=tuple(Dirichlet(end) for end in ends))
        u0 = self.initial(parameters, jnp.asarray(grid.centers[0]))[None]
        fastest = max(abs(limit) for limit in self.left + self.right)
        rate = 2 * self.viscosity * cells**2 + fastest * cells
        solution = solve(field, u0, t1=self.time, steps=int(self.time * rate / 0.6) + 1)
        return field.node_values(self.time, solution.states[-1])[0]


@dataclass(frozen=True, kw_only=True)
class PeriodicBurgers(Problem):
    """From a random flow on a circle, whose first and last node are the same point.

    Args:
        viscosity: ν, in length² per time.
        modes: of the random flow; what is left out is below 1e-3 of it.
    """

    viscosity: float = 0.1
    modes: int = 32
    time: float = 1.0
    cells: int = 128

    @property
    def ends(self):
        """One point."""
        return PeriodicEnds()

    def draw(self, samples, *, key):
        """The coefficients of cosines and sines."""
        wave = 2 * jnp.pi * jnp.arange(1, self.modes + 1)
        scale = jnp.sqrt(2.0) * 25 / (wave**2 + 25)
        return {"ab": scale * jax.random.normal(key, (samples, 2, self.modes), jnp.float64)}

    def initial(self, parameters, x):
        """The flow at time 0."""
        phase = 2 * jnp.pi * jnp.arange(1, self.modes + 1)[:, None] * x
        a, b = parameters["ab"]
        return a @ jnp.cos(phase) + b @ jnp.sin(phase)

    def at(self, parameters, t, x):
        """Cole-Hopf on at least 512 points, among them the nodes."""
        intervals = x.size - 1
        stride = -(-512 // intervals)
        fine = jnp.arange(intervals * stride) / (intervals * stride)
        u = cole_hopf(self.initial(parameters, fine), t, viscosity=self.viscosity)
        return jnp.append(u[::stride], u[0])

    def solve(self, parameters, cells):
        """Explicit steps, within 0.6 of the limit for flows up to 4."""
        grid = Grid.uniform(0.0, 1.0, cells)
        field = FiniteVolume(law=Burgers(viscosity=self.viscosity), grid=grid, boundary=Periodic())
        # Cell averages: each mode at the centre, times sin(κh/2)/(κh/2).
        half = jnp.pi * jnp.arange(1, self.modes + 1) / cells
        averaged = {"ab": parameters["ab"] * jnp.sin(half) / half}
        u0 = self.initial(averaged, jnp.asarray(grid.centers[0]))[None]
        rate = 2 * self.viscosity * cells**2 + 4.0 * cells
        solution = solve(field, u0, t1=self.time, steps=int(self.time * rate / 0.6) + 1)
        return field.node_values(self.time, solution.states[-1])[0]
