"""Shallow water: dam breaks onto water (Stoker) and dry ground (Ritter), a lake at rest.

Reference: J. J. Stoker, Water Waves (1957), section 10.8; A. Ritter, Z. Ver. Dtsch. Ing. 36 (1892) 947.
"""

from collections.abc import Callable, Iterator

import jax.numpy as jnp

from experiments.verification.config import VerificationConfig
from experiments.verification.study import Solved, Study, study
from solvers import HLLC, FiniteVolume, Grid, Outflow, Wall, cell_averages, exact, solve
from solvers.laws import ShallowWater


def water(config: VerificationConfig) -> Iterator[Study]:
    """HLLC with van Leer's limiter."""
    scheme = "HLLC, van Leer"
    for name, depth in (("Stoker dam break", 0.001), ("Ritter dam break", 0.0)):
        yield study(name, scheme, config.dam_breaks, _onto(depth), quantity="depth, t = 6")
    speed = lake_at_rest(config.lake)
    yield Study("lake at rest, speed", scheme, (config.lake,), (speed,), converges=False)


def _onto(depth: float) -> Callable[[int], Solved]:
    return lambda n: dam_break(n, depth)


def dam_break(n: int, depth: float) -> Solved:
    """Five millimetres of water onto less, on [0, 10] at t = 6."""
    law, grid, time = ShallowWater(9.81), Grid.uniform(0.0, 10.0, n), 6.0
    field = FiniteVolume(law=law, grid=grid, boundary=Outflow(), riemann=HLLC())
    h = jnp.where(jnp.asarray(grid.centers[0]) < 5.0, 0.005, depth)
    u = solve(field, jnp.stack([h, jnp.zeros_like(h)]), t1=time).states[-1]
    flow = exact.riemann(law, (0.005, 0.0), (depth, 0.0))
    return grid, u[0], cell_averages(lambda x: flow.sample((x - 5.0) / time)[0], grid)


def lake_at_rest(n: int) -> float:
    """The largest speed after a thousand steps over a bed that rises above the water."""
    grid = Grid.uniform(0.0, 1.0, n)
    bed = cell_averages(lambda x: 0.6 * jnp.exp(-((x - 0.4) ** 2) / 0.02) + 0.1 * x, grid)
    law = ShallowWater(9.81, bathymetry=bed)
    field = FiniteVolume(law=law, grid=grid, boundary=Wall(), riemann=HLLC())
    u = solve(field, law.lake_at_rest(0.35, grid.shape), t1=4.0, steps=1000).states[-1]
    return float(jnp.max(jnp.abs(law.to_primitive(u)[1])))
