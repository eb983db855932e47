"""Linear advection u_t + a u_x = 0 on [0, 1] of a step: u = 1[x ≤ ½ + at], U(t) = min(½ + at, 1)."""

from dataclasses import dataclass

import jax.numpy as jnp

from experiments.probconserv.problems.problem import Problem


@dataclass(frozen=True, kw_only=True)
class TransportedStep(Problem):
    """The parameter is the speed a. The training data are exact: a scheme would smear the step."""

    parameter: tuple[float, float] = (1.0, 5.0)
    tested: tuple[float, ...] = (1.0, 3.0)
    compared_at: float = 0.1
    horizon: float = 1.0

    @property
    def symbol(self):
        """A."""
        return "a"

    def averages(self, p, t, faces):
        """The share of each cell that the step has passed."""
        return jnp.clip((0.5 + p * t - faces[:-1]) / jnp.diff(faces), 0.0, 1.0)

    def total(self, p, t):
        """What has entered, until the interval is full."""
        return jnp.minimum(0.5 + p * t, 1.0)

    def front(self, p, t):
        """The step."""
        return jnp.minimum(0.5 + p * t, 1.0)

    def level(self, p):
        """Half the step."""
        del p
        return 0.5
