"""Scalar conservation laws and sound: advection, Burgers' equation without and with viscosity, acoustics."""

from collections.abc import Callable, Iterator
from math import ceil

import jax
import jax.numpy as jnp
import numpy as np

from experiments.verification.config import VerificationConfig
from experiments.verification.study import UPWIND, Solved, Study, study
from solvers import (
    MUSCL,
    WENO5JS,
    WENO5Z,
    Dirichlet,
    FiniteVolume,
    Grid,
    Periodic,
    PiecewiseConstant,
    cell_averages,
    exact,
    mc,
    minmod,
    solve,
    van_leer,
)
from solvers.finite_volume import AbstractReconstruction
from solvers.laws import Acoustics, Advection, Burgers

Scheme = AbstractReconstruction
SCHEMES: dict[str, Scheme] = {
    UPWIND: PiecewiseConstant(),
    "minmod": MUSCL(minmod),
    "van Leer": MUSCL(van_leer),
    "MC": MUSCL(mc),
    "WENO5-JS": WENO5JS(),
    "WENO5-Z": WENO5Z(),
}


def transport(config: VerificationConfig) -> Iterator[Study]:
    """Advection with every scheme; the others with the schemes that tell most."""
    for name, scheme in SCHEMES.items():
        run = _with(advected_sine, scheme)
        yield study("advection of a sine", name, config.advection, run, quantity="u, t = 1")
    for name in (UPWIND, "van Leer", "WENO5-Z"):
        case = "Burgers before the shock"
        run = _with(breaking_sine, SCHEMES[name])
        yield study(case, name, config.burgers, run, quantity="u, t = 1")
    case = "viscous Burgers wave"
    yield study(case, "van Leer", config.viscous, viscous_wave, quantity="u, t = 0.3")
    for name in ("van Leer", "WENO5-Z"):
        run = _with(standing_wave, SCHEMES[name])
        yield study("standing sound wave", name, config.sound, run, quantity="pressure, t = 1/3")


def _with(solve_on: Callable[[int, Scheme], Solved], scheme: Scheme) -> Callable[[int], Solved]:
    return lambda n: solve_on(n, scheme)


def equal_steps(n: int, coarsest: int, scheme: Scheme) -> int:
    """Steps at a CFL number of 0.4; with a fifth-order scheme Δt ∝ Δx^{5/3}, for a third-order stepper."""
    fifth = isinstance(scheme, WENO5JS | WENO5Z)
    return ceil(n / 0.4 * ((n / coarsest) ** (2 / 3) if fifth else 1.0))


def advected_sine(n: int, scheme: Scheme) -> Solved:
    """The sine u = sin 2πx, at speed one, once around [0, 1]."""
    grid = Grid.uniform(0.0, 1.0, n)
    field = FiniteVolume(law=Advection(1.0), grid=grid, boundary=Periodic(), reconstruction=scheme)
    u0 = cell_averages(lambda x: jnp.sin(2.0 * jnp.pi * x), grid)
    u = solve(field, u0[None], t1=1.0, steps=equal_steps(n, 32, scheme)).states[-1, 0]
    return grid, u, u0


def breaking_sine(n: int, scheme: Scheme) -> Solved:
    """From u₀ = 1 + ½ sin x on [0, 2π] at t = 1; it breaks at t = 2."""
    initial = lambda x: 1.0 + 0.5 * jnp.sin(x)
    grid = Grid.uniform(0.0, 2.0 * np.pi, n)
    field = FiniteVolume(law=Burgers(), grid=grid, boundary=Periodic(), reconstruction=scheme)
    # The fastest wave has speed 3/2, on a domain 2π long.
    steps = ceil(equal_steps(n, 32, scheme) * 1.5 / (2.0 * np.pi))
    u = solve(field, cell_averages(initial, grid)[None], t1=1.0, steps=steps).states[-1, 0]
    solution = lambda x: exact.by_characteristics(initial, 1.0, x)
    return grid, u, jax.jit(lambda: cell_averages(solution, grid))()


def viscous_wave(n: int) -> Solved:
    """The viscous shock from 1 down to 0 with ν = 0.05 between Dirichlet ends."""
    law, grid = Burgers(viscosity=0.05), Grid.uniform(0.0, 1.0, n)
    wave = lambda t, x: law.travelling_wave(t, x, left=1.0, right=0.0, center=0.4)
    ends = tuple(Dirichlet(lambda t, x=x: wave(t, jnp.array(x))) for x in (0.0, 1.0))
    field = FiniteVolume(law=law, grid=grid, boundary=ends)
    u0, u1 = (cell_averages(lambda x, t=t: wave(t, x), grid) for t in (0.0, 0.3))
    return grid, solve(field, u0[None], t1=0.3).states[-1, 0], u1


def standing_wave(n: int, scheme: Scheme) -> Solved:
    """The pressure cos 2πx cos 2πct, c = 1, after a third of a period."""
    law, grid, time = Acoustics(1.0), Grid.uniform(0.0, 1.0, n), 1.0 / 3.0
    field = FiniteVolume(law=law, grid=grid, boundary=Periodic(), reconstruction=scheme)

    @jax.jit
    def state(t):
        wave = lambda c: lambda x: law.standing_wave(t, x, wavenumbers=2.0 * np.pi)[c]
        return jnp.stack([cell_averages(wave(c), grid) for c in (0, 1)])

    steps = ceil(equal_steps(n, 16, scheme) * time)
    u = solve(field, state(0.0), t1=time, steps=steps).states[-1]
    return grid, u[0], state(time)[0]
