"""Flows with known truth as space-time sequences: every frame obeys equations that can be checked.

Shallow water on a periodic square conserves the volume of water and its momentum; Kolmogorov flow is free of
divergence and gains and loses energy by known terms. `(key=...)` draws one sequence on the device:

    sequences = jax.vmap(lambda key: flow(key=key))(jax.random.split(key, 64))
    windows = Windows(ArrayEvents(sequences), inputs=10, targets=10)
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import solvers
from jaxsci._checks import whole
from solvers import GaussianRandomField, Grid, incompressible


class ShallowWaterFlow(eqx.Module):
    """Waves on shallow water: channels depth h and discharges h u, h v, as cell averages.

    The water is still at first, its depth the mean plus a smooth random field. Units are those of gravity and
    length, say m and s.

    Args:
        cells: on each side.
        frames: length of a sequence, the initial state first.
        interval: time between frames.
        depth: mean depth.
        amplitude: standard deviation of the initial depth, well below its mean.
        gravity: g.
        length: side of the periodic square.
        cfl: CFL number at the speed of the waves of twice the mean depth, of which the steps are made.

    Raises:
        ValueError: numbers that are not positive, or an amplitude that dries the ground.
    """

    field: solvers.FiniteVolume
    initial: GaussianRandomField
    frames: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    interval: float = eqx.field(static=True)
    depth: float = eqx.field(static=True)
    amplitude: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        cells: int = 64,
        frames: int = 20,
        interval: float = 0.02,
        depth: float = 1.0,
        amplitude: float = 0.1,
        gravity: float = 9.81,
        length: float = 1.0,
        cfl: float = 0.4,
    ):
        self.frames = whole("ShallowWaterFlow", "frames", frames, 2)
        whole("ShallowWaterFlow", "cells", cells, 4)
        _positive("ShallowWaterFlow", interval=interval, length=length, cfl=cfl, depth=depth)
        # Of 10⁵ cells none is likely to lie 4.5 standard deviations below the mean.
        if not 0 < 4.5 * amplitude < depth:
            raise ValueError(
                f"ShallowWaterFlow expected 0 < amplitude < depth/4.5 = {depth / 4.5:g}, got "
                f"{amplitude}; larger waves would dry the ground."
            )
        grid = Grid.uniform((0.0, 0.0), (length, length), (cells, cells))
        law = solvers.laws.ShallowWater(gravity)
        self.field = solvers.FiniteVolume(law=law, grid=grid, boundary=solvers.Periodic())
        # τ sets waves of about a fifth of the side; the scale of the field does not matter, see __call__.
        self.initial = GaussianRandomField(
            (cells, cells), alpha=4.0, tau=20.0 / length, lengths=length, zero_mean=True
        )
        self.interval, self.depth, self.amplitude = float(interval), float(depth), float(amplitude)
        fastest = 2.0 * math.sqrt(2.0 * gravity * depth)  # along the two axes together
        self.steps = math.ceil(interval * fastest * cells / (length * cfl))

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, "frames 3 cells cells"]:
        """Draw one sequence; NaN from where the solver failed, which sources of batches refuse."""
        relief = self.initial(key=key)
        depth = self.depth + self.amplitude * relief / jnp.std(relief)
        state = jnp.stack([depth, jnp.zeros_like(depth), jnp.zeros_like(depth)])
        times = self.interval * np.arange(1, self.frames)
        solution = solvers.solve(
            self.field, state, t1=times[-1], save_at=times, steps=self.steps, throw=False
        )
        frames = jnp.concatenate([state[None], solution.states])
        return jnp.where(solution.status.ok, frames, jnp.nan)


class KolmogorovFlow(eqx.Module):
    """Two-dimensional turbulence on a periodic square of side 2π: the velocity on the faces of its cells.

    Channel d is component d on the lower face along axis d of every cell, as `solvers.incompressible` has it,
    so that differences of neighbours give the divergence, zero to round-off. In units in which the force has
    amplitude one.

    Args:
        cells: on each side.
        frames: length of a sequence.
        interval: time between frames.
        viscosity: ν; the laminar flow is unstable where 1/(ν² k³) exceeds √2.
        wavenumber: k of the force sin k y.
        spin_up: time before the first frame, in which the random start is forgotten.
        cfl: CFL number at speed `fastest`, of which the steps are made.
        fastest: bound of the speeds along both axes together; where steps become unstable beyond it, the
            sequence is NaN.

    Raises:
        ValueError: numbers that are not positive, or a wave that the cells cannot hold.
    """

    flow: incompressible.NavierStokes
    frames: int = eqx.field(static=True)
    interval: float = eqx.field(static=True)
    warm: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        cells: int = 64,
        frames: int = 20,
        interval: float = 0.25,
        viscosity: float = 0.01,
        wavenumber: int = 4,
        spin_up: float = 10.0,
        cfl: float = 1.0,
        fastest: float = 12.0,
    ):
        self.frames = whole("KolmogorovFlow", "frames", frames, 2)
        _positive("KolmogorovFlow", interval=interval, cfl=cfl, fastest=fastest, spin_up=spin_up)
        self.flow = incompressible.kolmogorov(
            viscosity=viscosity, cells=cells, wavenumber=wavenumber
        )
        width = 2.0 * math.pi / cells
        rate = fastest / width + 4.0 * viscosity / width**2
        self.steps = math.ceil(interval * rate / cfl)
        self.warm = math.ceil(spin_up / interval)
        self.interval = float(interval)

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, "frames 2 cells cells"]:
        """Draw one sequence; NaN where the solver failed, which sources of batches refuse."""
        start = incompressible.random_velocity(self.flow, key=key)
        times = self.interval * np.arange(1, self.warm + self.frames + 1)
        solution = incompressible.solve(
            self.flow, start, t1=times[-1], save_at=times, steps=self.steps, throw=False
        )
        frames = jnp.stack([u[self.warm :] for u in solution.velocity], axis=1)
        return jnp.where(solution.status.ok, frames, jnp.nan)


def _positive(who: str, **numbers: float) -> None:
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(
                f"{who} expected {name} > 0, got {value}; the defaults are a place to start."
            )
