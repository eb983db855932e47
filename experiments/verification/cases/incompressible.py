"""Incompressible flow by projection on a staggered grid: Taylor-Green vortices and the lid-driven cavity.

Reference: U. Ghia, K. N. Ghia, C. T. Shin, J. Comput. Phys. 48 (1982) 387,
doi:10.1016/0021-9991(82)90058-4.
"""

from collections.abc import Iterator, Sequence
from math import ceil

import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from experiments.verification.config import VerificationConfig
from experiments.verification.study import DEVIATION, Profile, Study
from solvers import Grid
from solvers.incompressible import NavierStokes, cavity, solve, taylor_green

# Table I of Ghia et al.: y, and u(½, y) at Re = 100 and 1000.
GHIA = np.array(
    [
        (1.0000, 1.00000, 1.00000),
        (0.9766, 0.84123, 0.65928),
        (0.9688, 0.78871, 0.57492),
        (0.9609, 0.73722, 0.51117),
        (0.9531, 0.68717, 0.46604),
        (0.8516, 0.23151, 0.33304),
        (0.7344, 0.00332, 0.18719),
        (0.6172, -0.13641, 0.05702),
        (0.5000, -0.20581, -0.06080),
        (0.4531, -0.21090, -0.10648),
        (0.2813, -0.15662, -0.27805),
        (0.1719, -0.10150, -0.38289),
        (0.1016, -0.06434, -0.29730),
        (0.0703, -0.04775, -0.22220),
        (0.0625, -0.04192, -0.20196),
        (0.0547, -0.03717, -0.18109),
        (0.0000, 0.00000, 0.00000),
    ]
)


def incompressible(config: VerificationConfig) -> Iterator[Study]:
    """Central differences."""
    cells = config.taylor_green
    errors, decays, leaks = zip(*(decaying_vortices(n) for n in cells), strict=True)
    yield Study("Taylor-Green, velocity", "central", cells, errors)
    yield Study("Taylor-Green, energy", "central", cells, decays)
    yield Study("Taylor-Green, divergence", "central", cells, leaks, converges=False)
    for reynolds, cells in ((100, config.cavity_100), (1000, config.cavity_1000)):
        if cells:
            yield lid_driven(reynolds, cells)


def decaying_vortices(n: int) -> tuple[float, float, float]:
    """At t = 2, ν = 0.1: mean error of the velocity, relative one of the energy e^{−4νt}, max|∇·u|."""
    nu, time, side = 0.1, 2.0, 2.0 * np.pi
    flow = NavierStokes(grid=Grid.uniform((0.0, 0.0), (side, side), (n, n)), viscosity=nu)
    start, end = (
        flow.grid.sample(lambda x, t=t: taylor_green(t, (x[0], x[1]), nu)) for t in (0.0, time)
    )
    # Steps ∝ n²: the third order of the stepper is far below the second of the grid.
    last = solve(flow, start, t1=time, steps=max(8, ceil(n**2 / 8))).at(-1)
    error = np.mean([float(jnp.mean(jnp.abs(a - b))) for a, b in zip(last, end, strict=True)])
    decay = flow.grid.energy(last) / flow.grid.energy(start)
    leak = float(jnp.max(jnp.abs(flow.grid.divergence(last))))
    return float(error), abs(float(decay) / np.exp(-4.0 * nu * time) - 1.0), leak


def lid_driven(reynolds: int, cells: Sequence[int]) -> Study:
    """The largest deviation of u(½, y) from the table; both have errors, so it has no order."""
    table = GHIA[:, 1 if reynolds == 100 else 2]
    errors, profiles = [], []
    for n in cells:
        y, u = cavity(reynolds=float(reynolds), cells=n).vertical_profile
        profiles.append((y, np.asarray(u)))
        errors.append(float(np.max(np.abs(CubicSpline(y, u)(GHIA[:, 0]) - table))))
    y = np.linspace(0.0, 1.0, 201)
    published = CubicSpline(GHIA[::-1, 0], table[::-1])(y)
    at, computed = profiles[0]
    profile = Profile(at, computed, y, published, "u(½, y), steady", coordinate="y")
    case, scheme = f"cavity, Re = {reynolds}", f"central, {DEVIATION}"
    return Study(case, scheme, tuple(cells), tuple(errors), profile, converges=False)
