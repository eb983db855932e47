"""Stefan's problem, u_t = (1[u ≥ u*] u_x)_x on [0, 1] with u(t, 0) = 1 and u(0, x) = 0."""

from dataclasses import dataclass

import jax.numpy as jnp

from experiments.probconserv.problems.problem import Problem
from solvers import SSPRK2, Dirichlet, FiniteVolume, Neumann, solve
from solvers.laws import Stefan


@dataclass(frozen=True, kw_only=True)
class Melting(Problem):
    """The parameter is the threshold u*, which is also the height of the jump; 0.5 is out of range."""

    parameter: tuple[float, float] = (0.55, 0.7)
    tested: tuple[float, ...] = (0.6, 0.5)
    compared_at: float = 0.05
    horizon: float = 0.1

    @property
    def symbol(self):
        """u*."""
        return "u*"

    def averages(self, p, t, faces):
        """The similarity solution."""
        return Stefan(p).similarity_averages(t, faces)

    def total(self, p, t):
        """2c₁√(t/π)."""
        return Stefan(p).similarity_mass(t)

    def front(self, p, t):
        """α√t."""
        return Stefan(p).front(t)

    def level(self, p):
        """Half the jump."""
        return p / 2

    def solved(self, p):
        """Explicit finite volumes."""
        field = FiniteVolume(law=Stefan(p), grid=self.grid, boundary=(Dirichlet(1.0), Neumann(0.0)))
        states = solve(
            field,
            jnp.zeros((1, self.cells)),
            t1=self.horizon,
            save_at=self.output_times,
            steps=self._steps(2 * self.cells**2),
            stepper=SSPRK2(),
        ).states
        return states[:, 0]
