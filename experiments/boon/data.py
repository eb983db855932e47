"""The driven rod, solved with finite volumes and read off at nodes.

The operators work on nodes that include both ends, the solver on cells. Every node is a face of
the solver's finer grid; values at nodes are its face values, with the boundary condition honoured.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.boon.config import Data
from solvers import FiniteVolume, Grid, Neumann, solve
from solvers.laws import Diffusion


class Samples(eqx.Module):
    """Inputs, solutions and boundary derivatives of a set of functions.

    Attributes:
        x: initial condition at the nodes, shape (samples, 1, nodes).
        y: solution at the output time, same shape.
        values: u_x at both ends at the output time, shape (samples, 2).
        omega: ω of each sample.
        amplitude: U of each sample.
    """

    x: Float[Array, "samples 1 nodes"]
    y: Float[Array, "samples 1 nodes"]
    values: Float[Array, "samples 2"]
    omega: Float[Array, " samples"]
    amplitude: Float[Array, " samples"]


class SineFlux(eqx.Module):
    """u_x = U sin πt, a boundary value whose amplitude is traced."""

    amplitude: Float[Array, ""]

    def __call__(self, t):
        """The derivative at time t."""
        return self.amplitude * jnp.sin(jnp.pi * t)


def generate(config: Data, samples: int, *, key: PRNGKeyArray) -> Samples:
    """Draw and solve `samples` functions in double precision, returned in single precision."""
    with jax.enable_x64(True):
        omega_key, flux_key = jax.random.split(key)
        omega, amplitude = (
            jax.random.uniform(k, (samples,), jnp.float64, *limits)
            for k, limits in ((omega_key, config.frequency), (flux_key, config.flux))
        )
        refinement = config.cells // (config.nodes - 1)
        x = jnp.linspace(0.0, 1.0, config.nodes)
        field = jax.jit(jax.vmap(lambda om, u: solve_rod(config, om, u, cells=config.cells)))(
            omega, amplitude
        )
        values = jnp.stack([jnp.zeros(samples), amplitude * jnp.sin(jnp.pi * config.time)], axis=-1)
        inputs = jnp.cos(omega[:, None, None] * jnp.pi * x)
        arrays = (inputs, field[..., ::refinement], values, omega, amplitude)
        return Samples(*(array.astype(jnp.float32) for array in arrays))


def exact(config: Data, samples: Samples) -> Float[Array, "samples 1 nodes"]:
    """The series solution at the nodes, for the functions of `samples`."""
    with jax.enable_x64(True):
        x = jnp.linspace(0.0, 1.0, config.nodes)
        law = Diffusion(config.diffusivity)
        solution = jax.jit(
            jax.vmap(lambda om, u: law.driven_rod(config.time, x, omega=om, amplitude=u))
        )(samples.omega.astype(jnp.float64), samples.amplitude.astype(jnp.float64))
        return solution[:, None].astype(jnp.float32)


def solve_rod(
    config: Data, omega: Float[Array, ""], amplitude: Float[Array, ""], *, cells: int
) -> Float[Array, "1 faces"]:
    """Solution at the output time, at the faces of a grid of `cells` cells."""
    grid = Grid.uniform(0.0, 1.0, cells)
    field = FiniteVolume(
        law=Diffusion(config.diffusivity),
        grid=grid,
        boundary=(Neumann(0.0), Neumann(SineFlux(amplitude))),
    )
    # Cell averages of cos(ωπx), exactly: differences of sin(ωπx)/(ωπ).
    faces = jnp.asarray(grid.faces[0], omega.dtype)
    primitive = jnp.sin(omega * jnp.pi * faces) / (omega * jnp.pi)
    u0 = jnp.diff(primitive)[None] * cells
    # 0.8 of the explicit limit dt = dx²/(2k).
    steps = int(config.time * 2 * config.diffusivity * cells**2 / 0.8) + 1
    solution = solve(field, u0, t1=config.time, steps=steps)
    return field.node_values(config.time, solution.states[-1])
