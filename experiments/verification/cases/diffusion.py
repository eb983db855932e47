"""Diffusion, linear and degenerate: a decaying mode, an oscillating plate, fronts in porous media, melting."""

from collections.abc import Callable, Iterator
from math import ceil

import jax.numpy as jnp
import numpy as np

from experiments.verification.config import VerificationConfig
from experiments.verification.study import Solved, Study, study
from solvers import (
    SSPRK1,
    Dirichlet,
    FiniteVolume,
    Grid,
    Neumann,
    Periodic,
    cell_averages,
    solve,
)
from solvers.laws import Diffusion, PorousMedium, Stefan

# Masses for which the constant C of the Barenblatt profile is one.
_MASSES = {2: 8.0 / np.sqrt(3.0), 3: np.pi * np.sqrt(3.0)}


def diffusion(config: VerificationConfig) -> Iterator[Study]:
    """All of them with differences of the potential; there is nothing to reconstruct."""
    potential = "differences of Φ"
    yield study("heat, decay of a mode", "central", config.heat, heat_mode, quantity="u, t = 0.1")
    n = config.heat[-1]
    deviation = discrete_decay(n)
    yield Study(
        "heat, decay rate of the grid", "forward Euler", (n,), (deviation,), converges=False
    )
    yield study(
        "Stokes' oscillating plate", "central", config.plate, oscillating_plate, quantity="u, t = 1"
    )
    for power in (2, 3):
        run = _with(barenblatt, power)
        yield study(
            f"Barenblatt, m = {power}", potential, config.barenblatt, run, quantity="u, t = 2"
        )
    for m in (1, 2, 3, 6):
        run = _with(travelling_front, m)
        yield study(
            f"porous medium front, m = {m}", potential, config.porous, run, quantity="u, t = 0.5"
        )
    yield study("Stefan, u* = 0.5", potential, config.stefan, melting, quantity="u, t = 0.1")


def _with(solve_on: Callable[[int, int], Solved], power: int) -> Callable[[int], Solved]:
    return lambda n: solve_on(n, power)


def heat_mode(n: int) -> Solved:
    """e^{−kκ²t} sin κx, κ = 2π, k = 0.3, until it has lost two thirds."""
    law, grid = Diffusion(0.3), Grid.uniform(0.0, 1.0, n)
    field = FiniteVolume(law=law, grid=grid, boundary=Periodic())
    mode = lambda t: lambda x: law.sine_mode(t, x, wavenumber=2.0 * np.pi)
    u0, u1 = (cell_averages(mode(t), grid) for t in (0.0, 0.1))
    # Steps ∝ n²: the third order of the stepper is far below the second of the grid.
    return grid, solve(field, u0[None], t1=0.1, steps=ceil(0.2 * n**2)).states[-1, 0], u1


def discrete_decay(n: int) -> float:
    """How far a mode is from (1 − λ Δt)^steps of itself, λ = 4k sin²(κh/2)/h²."""
    k, steps, time = 0.3, n**2, 0.1
    grid = Grid.uniform(0.0, 1.0, n)
    field = FiniteVolume(law=Diffusion(k), grid=grid, boundary=Periodic())
    mode = jnp.asarray(np.sin(2.0 * np.pi * grid.centers[0]))[None]
    u = solve(field, mode, t1=time, steps=steps, stepper=SSPRK1()).states[-1]
    rate = 4.0 * k * np.sin(np.pi / n) ** 2 * n**2
    return float(jnp.max(jnp.abs(u - (1.0 - rate * time / steps) ** steps * mode)))


def oscillating_plate(n: int) -> Solved:
    """Stokes' second problem on [0, 1], ν = 0.1, ω = 4, with the exact values at both ends."""
    law, grid = Diffusion(0.1), Grid.uniform(0.0, 1.0, n)
    plate = lambda t, y: law.oscillating_plate(t, y, amplitude=2.0, frequency=4.0)
    ends = tuple(Dirichlet(lambda t, y=y: plate(t, jnp.array(y))) for y in (0.0, 1.0))
    field = FiniteVolume(law=law, grid=grid, boundary=ends)
    u0, u1 = (cell_averages(lambda y, t=t: plate(t, y), grid) for t in (0.0, 1.0))
    return grid, solve(field, u0[None], t1=1.0).states[-1, 0], u1


def barenblatt(n: int, power: int) -> Solved:
    """The point mass of u_t = (u^m)_xx with C = 1 on [−6, 6], from t = 1 to 2."""
    law, grid = PorousMedium(power - 1.0), Grid.uniform(-6.0, 6.0, n)
    field = FiniteVolume(law=law, grid=grid, boundary=Dirichlet(0.0))
    profile = lambda t: lambda x: law.barenblatt(t, x, mass=_MASSES[power])
    # The law's clock runs `power` times slower than that of (u^m)_xx. Many points: the front is a root.
    times = (1.0 * power, 2.0 * power)
    u0, u1 = (cell_averages(profile(t), grid, points=12) for t in times)
    u = solve(field, u0[None], t0=times[0], t1=times[1], cfl=0.9).states[-1, 0]
    return grid, u, u1


def travelling_front(n: int, m: int) -> Solved:
    """The front u = (m (t − x)₊)^{1/m} of u_t = (u^m u_x)_x on [0, 1], from t = 0.1 to 0.5."""
    law, grid = PorousMedium(float(m)), Grid.uniform(0.0, 1.0, n)
    ends = (Dirichlet(lambda t: law.travelling_wave(t, jnp.array(0.0))), Dirichlet(0.0))
    field = FiniteVolume(law=law, grid=grid, boundary=ends)
    u0, u1 = (law.travelling_wave_averages(t, jnp.asarray(grid.faces[0])) for t in (0.1, 0.5))
    return grid, solve(field, u0[None], t0=0.1, t1=0.5, cfl=0.9).states[-1, 0], u1


def melting(n: int) -> Solved:
    """The similarity solution of the Stefan problem on [0, 1], from t = 0.02 to 0.1."""
    law, grid = Stefan(0.5), Grid.uniform(0.0, 1.0, n)
    field = FiniteVolume(law=law, grid=grid, boundary=(Dirichlet(1.0), Neumann(0.0)))
    u0, u1 = (law.similarity_averages(t, jnp.asarray(grid.faces[0])) for t in (0.02, 0.1))
    return grid, solve(field, u0[None], t0=0.02, t1=0.1, cfl=0.9).states[-1, 0], u1
