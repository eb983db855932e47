"""The heat equation u_t = k u_xx on a circle of length 2π, from sin x: u = e^{−kt} sin x, with total zero."""

import math
from dataclasses import dataclass

import jax.numpy as jnp

from experiments.probconserv.problems.problem import Problem
from solvers import SSPRK2, FiniteVolume, Periodic, solve
from solvers.laws import Diffusion


@dataclass(frozen=True, kw_only=True)
class DecayingSine(Problem):
    """The parameter is the diffusivity k."""

    parameter: tuple[float, float] = (1.0, 5.0)
    tested: tuple[float, ...] = (1.0, 5.0)
    compared_at: float = 0.5
    horizon: float = 1.0

    @property
    def domain(self):
        """The circle, cut open."""
        return 0.0, 2 * math.pi

    def averages(self, p, t, faces):
        """Differences of −cos x."""
        return -jnp.diff(jnp.cos(faces)) / jnp.diff(faces) * jnp.exp(-p * t)

    def total(self, p, t):
        """Nothing enters or leaves."""
        return jnp.zeros_like(p * t)

    def solved(self, p):
        """Explicit finite volumes."""
        faces = jnp.asarray(self.grid.faces[0])
        field = FiniteVolume(law=Diffusion(p), grid=self.grid, boundary=Periodic())
        width = 2 * math.pi / self.cells
        states = solve(
            field,
            self.averages(p, jnp.zeros_like(p), faces)[None],
            t1=self.horizon,
            save_at=self.output_times,
            steps=self._steps(2 * self.parameter[1] / width**2),
            stepper=SSPRK2(),
        ).states
        return states[:, 0]
