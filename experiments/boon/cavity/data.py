"""The lid-driven cavity from rest, with a lid whose speed swings, as vorticity on the nodes.

    u_t + u·∇u = −∇p + Δu/Re,    ∇·u = 0,    u = (U (1 + a sin ωt), 0) at y = 1, u = 0 at the other walls
    ω(t₀) -> ω(t₁)

Vorticity is ∂v/∂x − ∂u/∂y at the corners of the staggered grid's cells; at a wall the velocity is mirrored, so
that the wall's own speed enters. In the two upper corners the wall counts as the one at rest.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from solvers import Grid
from solvers.incompressible import NavierStokes, NoSlip, solve

SideValues = tuple[Float[Array, "nodes 2"], Float[Array, "nodes 2"]]


@dataclass(frozen=True)
class Data:
    """The data set.

    Args:
        reynolds: Re at unit speed.
        speed: range of U.
        swing: range of a.
        frequency: range of ω.
        times: t₀ and t₁.
        cells: cells along each axis; there is one more node.
        train: samples to train on.
        test: samples to test on.
    """

    reynolds: float = 100.0
    speed: tuple[float, float] = (0.5, 1.5)
    swing: tuple[float, float] = (0.0, 0.5)
    frequency: tuple[float, float] = (1.0, 4.0)
    times: tuple[float, float] = (1.0, 2.0)
    cells: int = 32
    train: int = 300
    test: int = 100

    def __post_init__(self):
        if self.cells < 16 or self.cells % 2 or min(self.train, self.test) < 1:
            raise ValueError(
                f"Data expected an even number of at least 16 cells and positive train and test, got "
                f"{self.cells}, {self.train} and {self.test}; give larger numbers."
            )
        if not 0 < self.times[0] < self.times[1]:
            raise ValueError(
                f"Data expected two times with 0 < t0 < t1, got {self.times}; put them in order."
            )


class Lid(eqx.Module):
    """U (1 + a sin ωt), as a function of time.

    Attributes:
        parameters: (U, a, ω).
    """

    parameters: Float[Array, "3"]

    def __call__(self, t):
        """The speed at time t."""
        speed, swing, frequency = self.parameters
        return speed * (1 + swing * jnp.sin(frequency * t))


class Samples(eqx.Module):
    """Vorticity at two times, in single precision.

    Attributes:
        x: at t₀.
        y: at t₁.
        values: of y on the sides, (lower, upper) along x and along y.
        parameters: of the lid.
    """

    x: Float[Array, "samples 1 nodes nodes"]
    y: Float[Array, "samples 1 nodes nodes"]
    values: tuple[Float[Array, "samples nodes 2"], Float[Array, "samples nodes 2"]]
    parameters: Float[Array, "samples 3"]


def generate(config: Data, samples: int, *, key: PRNGKeyArray) -> Samples:
    """Draw and solve that many lids in double precision."""
    with jax.enable_x64(True):
        limits = jnp.array([config.speed, config.swing, config.frequency])
        share = jax.random.uniform(key, (samples, 3), jnp.float64)
        parameters = limits[:, 0] + share * (limits[:, 1] - limits[:, 0])
        flow = jax.jit(lambda p: jax.lax.map(lambda q: vorticities(config, q, config.cells), p))
        x, y = jnp.moveaxis(flow(parameters), 1, 0).astype(jnp.float32)[:, :, None]
        values = tuple(
            jnp.stack([jnp.take(y[:, 0], i, axis) for i in (0, -1)], -1) for axis in (1, 2)
        )
        return Samples(x, y, values, parameters.astype(jnp.float32))  # pyright: ignore[reportArgumentType]


def vorticities(
    config: Data, parameters: Float[Array, "3"], cells: int
) -> Float[Array, "2 nodes nodes"]:
    """The vorticity at both times, solved on that many cells."""
    lid = Lid(parameters)
    flow = NavierStokes(
        grid=Grid.uniform((0.0, 0.0), (1.0, 1.0), (cells, cells)),
        viscosity=jnp.asarray(1.0 / config.reynolds, parameters.dtype),
        boundary=(NoSlip(), (NoSlip(), NoSlip(lid))),
    )
    rest = tuple(jnp.zeros(shape, parameters.dtype) for shape in flow.grid.face_shapes)
    fastest = max(config.speed) * (1 + max(config.swing))
    rate = fastest * cells + 4 * cells**2 / config.reynolds
    steps = int(max(config.times[0], config.times[1] - config.times[0]) * rate / 0.7) + 1
    velocity = solve(
        flow, rest, t1=config.times[1], save_at=jnp.asarray(config.times), steps=steps
    ).velocity
    along, up = velocity
    moving = jax.vmap(lid)(jnp.asarray(config.times, parameters.dtype))
    return jax.vmap(vorticity)(along, up, moving)


def vorticity(
    u: Float[Array, "nodes cells"], v: Float[Array, "cells nodes"], lid: Float[Array, ""]
) -> Float[Array, "nodes nodes"]:
    """∂v/∂x − ∂u/∂y at the nodes, with velocities mirrored at the walls."""
    cells = v.shape[0]
    # At the side walls, where u vanishes, the lid does not move yet.
    inside = jnp.ones(cells + 1, u.dtype).at[jnp.array([0, -1])].set(0.0)
    above = 2 * lid * inside - u[:, -1]
    u = jnp.concatenate([-u[:, :1], u, above[:, None]], axis=1)
    v = jnp.concatenate([-v[:1], v, -v[-1:]])
    return (jnp.diff(v, axis=0) - jnp.diff(u, axis=1)) * cells
