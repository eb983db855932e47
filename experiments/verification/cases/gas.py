"""Gas dynamics: shock tubes, the shock that meets a sine, a vortex that drifts. The field is the density.

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), section 4.3.3;
C.-W. Shu, S. Osher, J. Comput. Phys. 83 (1989) 32, doi:10.1016/0021-9991(89)90222-2, example 8.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from experiments.verification.config import VerificationConfig
from experiments.verification.study import UPWIND, Solved, Study, study
from solvers import (
    HLLC,
    MUSCL,
    WENO5Z,
    FiniteVolume,
    Grid,
    Outflow,
    Periodic,
    PiecewiseConstant,
    cell_averages,
    exact,
    solve,
)
from solvers.finite_volume import AbstractReconstruction
from solvers.laws import Euler


class Tube(NamedTuple):
    """States (ρ, u, p) on the left and right of x = ½, and the final time."""

    left: tuple[float, float, float]
    right: tuple[float, float, float]
    time: float


TUBES = {
    "Sod": Tube((1.0, 0.0, 1.0), (0.125, 0.0, 0.1), 0.2),
    "Lax": Tube((0.445, 0.698, 3.528), (0.5, 0.0, 0.571), 0.14),
    "123": Tube((1.0, -2.0, 0.4), (1.0, 2.0, 0.4), 0.15),
    "Toro 3": Tube((1.0, 0.0, 1000.0), (1.0, 0.0, 0.01), 0.012),
}


def gas(config: VerificationConfig) -> Iterator[Study]:
    """HLLC with van Leer's limiter, beside the first-order scheme and WENO5-Z where it matters."""
    first_order = f"HLLC, {UPWIND}"
    schemes = [("Sod", first_order, PiecewiseConstant())]
    schemes += [(name, "HLLC, van Leer", MUSCL()) for name in TUBES]
    for name, scheme, reconstruction in schemes:
        shown = f"density, t = {TUBES[name].time:g}"
        yield study(name, scheme, config.tubes, _tube(name, reconstruction), quantity=shown)
    if config.shu_osher:
        # There is no exact solution: compared with our own WENO5-Z on a fine grid.
        fine = _shu_osher(config.shu_osher_fine, WENO5Z())
        for name, scheme in (("van Leer", MUSCL()), ("WENO5-Z", WENO5Z())):
            run = _against(fine, scheme)
            shown = "density, t = 1.8"
            yield study("Shu-Osher", f"HLLC, {name}", config.shu_osher, run, quantity=shown)
    if config.vortex:
        case, shown = "isentropic vortex", "density, t = 20"
        yield study(case, "HLLC, van Leer", config.vortex, vortex, quantity=shown)


def _tube(name: str, scheme: AbstractReconstruction) -> Callable[[int], Solved]:
    return lambda n: shock_tube(n, TUBES[name], scheme)


def shock_tube(n: int, tube: Tube, scheme: AbstractReconstruction) -> Solved:
    """A Riemann problem on [0, 1]."""
    law, grid = Euler(), Grid.uniform(0.0, 1.0, n)
    field = FiniteVolume(
        law=law, grid=grid, boundary=Outflow(), reconstruction=scheme, riemann=HLLC()
    )
    sides = [jnp.asarray(side)[:, None] for side in (tube.left, tube.right)]
    w = jnp.where(jnp.asarray(grid.centers[0]) < 0.5, *sides)
    u = solve(field, law.to_conserved(w), t1=tube.time).states[-1]
    flow = exact.riemann(law, tube.left, tube.right)
    return grid, u[0], cell_averages(lambda x: flow.sample((x - 0.5) / tube.time)[0], grid)


def _shu_osher(n: int, scheme: AbstractReconstruction) -> Array:
    """Density at t = 1.8 on [−5, 5]: a Mach 3 shock from x = −4 into ρ = 1 + ⅕ sin 5x."""
    law, grid = Euler(), Grid.uniform(-5.0, 5.0, n)
    field = FiniteVolume(
        law=law, grid=grid, boundary=Outflow(), reconstruction=scheme, riemann=HLLC()
    )
    wavy = cell_averages(lambda x: 1.0 + 0.2 * jnp.sin(5.0 * x), grid)
    ahead = jnp.stack([wavy, jnp.zeros(n), jnp.ones(n)])
    behind = jnp.array([3.857143, 2.629369, 10.33333])[:, None]
    w = jnp.where(jnp.asarray(grid.centers[0]) < -4.0, behind, ahead)
    return solve(field, law.to_conserved(w), t1=1.8).states[-1, 0]


def _against(fine: Array, scheme: AbstractReconstruction) -> Callable[[int], Solved]:
    def run(n: int) -> Solved:
        merged = jnp.mean(fine.reshape(n, -1), axis=1)
        return Grid.uniform(-5.0, 5.0, n), _shu_osher(n, scheme), merged

    return run


def vortex(n: int) -> Solved:
    """Once across the periodic square [−10, 10]², back to where it was."""
    law, grid = Euler(), Grid.uniform((-10.0, -10.0), (10.0, 10.0), (n, n))
    field = FiniteVolume(law=law, grid=grid, boundary=Periodic(), riemann=HLLC())

    @jax.jit
    def state():
        flow = lambda x, y: law.to_conserved(law.isentropic_vortex(0.0, x, y, period=20.0))
        return jnp.stack(
            [cell_averages(lambda x, y, c=c: flow(x, y)[c], grid, points=3) for c in range(4)]
        )

    u0 = state()
    return grid, solve(field, u0, t1=20.0).states[-1, 0], u0[0]
