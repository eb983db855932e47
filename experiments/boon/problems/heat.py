"""The driven rod: insulated at 0, heated at 1, u_t = k u_xx with u_x(t, 0) = 0 and u_x(t, 1) = U sin πt."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.boon.problems.problem import Problem, uniform
from jaxsci.constraints import NeumannEnds
from solvers import FiniteVolume, Grid, Neumann, solve
from solvers.laws import Diffusion


class SineFlux(eqx.Module):
    """u_x = U sin πt, a boundary value whose amplitude is traced."""

    amplitude: Float[Array, ""]

    def __call__(self, t):
        """The derivative at time t."""
        return self.amplitude * jnp.sin(jnp.pi * t)


@dataclass(frozen=True, kw_only=True)
class Rod(Problem):
    """From u_0 = cos(ωπx).

    Args:
        diffusivity: k, in length² per time.
        frequency: range of ω.
        flux: range of the amplitude U, in u per length. The paper has U = 5 for every sample.
    """

    diffusivity: float = 0.01
    frequency: tuple[float, float] = (2.01, 3.99)
    flux: tuple[float, float] = (2.5, 7.5)
    time: float = 0.5

    @property
    def ends(self):
        """Derivatives."""
        return NeumannEnds(length=1.0)

    def draw(self, samples, *, key):
        """ω and U."""
        ranges = {"omega": self.frequency, "amplitude": self.flux}
        return uniform(samples, ranges, key=key)

    def initial(self, parameters, x):
        """cos(ωπx), which the series only tends to."""
        return jnp.cos(parameters["omega"] * jnp.pi * x)

    def values(self, parameters):
        """Nothing, and U sin πt."""
        flux = SineFlux(parameters["amplitude"])(self.time)
        return jnp.stack([jnp.zeros_like(flux), flux])

    def at(self, parameters, t, x):
        """The cosine series."""
        omega, amplitude = parameters["omega"], parameters["amplitude"]
        law = Diffusion(self.diffusivity)
        return law.driven_rod(t, x, omega=omega, amplitude=amplitude)

    def solve(self, parameters, cells):
        """Explicit steps at 0.8 of their limit dt = dx²/(2k)."""
        omega = parameters["omega"]
        grid = Grid.uniform(0.0, 1.0, cells)
        field = FiniteVolume(
            law=Diffusion(self.diffusivity),
            grid=grid,
            boundary=(Neumann(0.0), Neumann(SineFlux(parameters["amplitude"]))),
        )
        # Cell averages of cos(ωπx), exactly: differences of sin(ωπx)/(ωπ).
        faces = jnp.asarray(grid.faces[0], omega.dtype)
        u0 = jnp.diff(jnp.sin(omega * jnp.pi * faces) / (omega * jnp.pi))[None] * cells
        steps = int(self.time * 2 * self.diffusivity * cells**2 / 0.8) + 1
        solution = solve(field, u0, t1=self.time, steps=steps)
        return field.node_values(self.time, solution.states[-1])[0]
