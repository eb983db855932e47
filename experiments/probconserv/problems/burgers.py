"""Burgers' equation u_t + (u²/2)_x = 0 on [−1, 1]: a ramp of height a that steepens into a shock at t = 1/a.

    t ≤ 1/a    u = a for x ≤ at − 1,  a x/(at − 1) up to 0,  0 beyond
    t > 1/a    u = a for x ≤ (at − 1)/2,  0 beyond
    U(t) = min((a/2)(1 + at), 2a)

The published code leaves the minimum out, and trains on totals of shocks that have left the interval.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from experiments.probconserv.problems.problem import Problem
from solvers import MUSCL, Dirichlet, FiniteVolume, Outflow, solve
from solvers.exact import ramp_mass
from solvers.laws import Burgers


@dataclass(frozen=True, kw_only=True)
class SteepeningRamp(Problem):
    """The parameter is the height a."""

    parameter: tuple[float, float] = (1.0, 4.0)
    tested: tuple[float, ...] = (1.0, 3.0)
    compared_at: float = 0.5
    horizon: float = 1.0

    @property
    def domain(self):
        """The ramp's two feet."""
        return -1.0, 1.0

    @property
    def symbol(self):
        """A."""
        return "a"

    def averages(self, p, t, faces):
        """Differences of the primitive."""
        foot = p * t - 1
        # Outside its time the ramp's slope is guarded against the division by zero.
        below = jnp.where(foot < 0, foot, -1.0)
        along = jnp.clip(faces, below, 0.0)
        ramp = p * (jnp.minimum(faces, below) + 1) + p * (along**2 - below**2) / (2 * below)
        shock = p * (jnp.minimum(faces, foot / 2) + 1)
        return jnp.diff(jnp.where(foot < 0, ramp, shock)) / jnp.diff(faces)

    def total(self, p, t):
        """What has entered, until the interval is full."""
        return ramp_mass(t, p)

    def front(self, p, t):
        """Where u is a/2: in the middle of the ramp, then at the shock."""
        return jnp.minimum((p * t - 1) / 2, 1.0)

    def level(self, p):
        """Half the height."""
        return p / 2

    def solved(self, p):
        """MUSCL and Godunov."""
        faces = jnp.asarray(self.grid.faces[0])
        field = FiniteVolume(
            law=Burgers(),
            grid=self.grid,
            boundary=(Dirichlet(p), Outflow()),
            reconstruction=MUSCL(),
        )
        states = solve(
            field,
            self.averages(p, jnp.zeros_like(p), faces)[None],
            t1=self.horizon,
            save_at=self.output_times,
            # Half the limit of first order, which MUSCL keeps to.
            steps=self._steps(2 * self.parameter[1] * self.cells / 2),
        ).states
        return states[:, 0]
