"""The lid-driven cavity: steady flow in the unit square, whose upper wall slides at speed one.

    u = (1, 0) at y = 1, u = 0 at the other walls, ν = 1/Re.

The benchmark of incompressible solvers. The speed of the wall jumps in the two upper corners, so the
error falls with h² only away from them.

Reference: U. Ghia, K. N. Ghia, C. T. Shin, J. Comput. Phys. 48 (1982) 387,
doi:10.1016/0021-9991(82)90058-4; O. Botella, R. Peyret, Comput. Fluids 27 (1998) 421,
doi:10.1016/S0045-7930(98)00002-4.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..grid import Grid
from ..laws.law import check_parameter, parameter
from .navier_stokes import NavierStokes, NoSlip
from .steady import SteadyFlow, steady


class Cavity(eqx.Module):
    """A steady cavity flow.

    Attributes:
        flow: the equations and their grid.
        solution: velocity on the faces, pressure, residual, steps and outcome.
    """

    flow: NavierStokes
    solution: SteadyFlow

    @property
    def grid(self) -> Grid:
        """The cells; `StaggeredGrid.positions` of ``flow.grid`` are those of the face velocities."""
        return self.flow.grid.cells

    @property
    def velocity(self) -> Float[Array, "2 x y"]:
        """The velocity at the cell centres, ``grid.centers``."""
        return self.flow.grid.centered(self.solution.velocity)

    @property
    def pressure(self) -> Float[Array, "x y"]:
        """The pressure over density at the cell centres, of zero mean."""
        return self.solution.pressure

    @property
    def vertical_profile(self) -> tuple[Float[np.ndarray, " y"], Float[Array, " y"]]:
        """Y and u(½, y) at the centres of the cells and in the two walls."""
        u = self.solution.velocity[0]
        return self._with_walls(1), jnp.pad(_middle(u), (1, 1), constant_values=(0.0, 1.0))

    @property
    def horizontal_profile(self) -> tuple[Float[np.ndarray, " x"], Float[Array, " x"]]:
        """X and v(x, ½) at the centres of the cells and in the two walls."""
        v = self.solution.velocity[1]
        return self._with_walls(0), jnp.pad(_middle(v.T), (1, 1))

    def _with_walls(self, axis: int) -> np.ndarray:
        return np.concatenate([[0.0], self.grid.centers[axis], [1.0]])


def cavity(
    *,
    reynolds: ArrayLike,
    cells: int = 64,
    tolerance: float | None = None,
    max_steps: int = 500_000,
    throw: bool = True,
) -> Cavity:
    """The steady lid-driven cavity flow at a Reynolds number.

    Re = 100 wants about 64 cells, Re = 1000 about 128; beyond Re ≈ 8000 there is no steady flow. The
    precision is that of `reynolds`. Works under ``jax.vmap`` and differentiates with respect to the
    Reynolds number, see `steady`.

    Args:
        reynolds: Reynolds number Re > 0.
        cells: cells an axis, at least 4.
        tolerance: bound of max|du/dt|; by default 1e-6, or round-off if that is higher.
        max_steps: most time steps.
        throw: raise when the flow does not become steady; otherwise ``solution.outcome`` says so.

    Raises:
        ValueError: for a Reynolds number that is not positive, or too few cells.
        equinox.EquinoxRuntimeError: when the flow does not become steady, where `throw`.
    """
    number = parameter(reynolds)
    check_parameter("cavity: reynolds", number, above=0.0)
    if not isinstance(cells, int | np.integer) or cells < 4:
        raise ValueError(
            f"cavity expected a whole number of cells >= 4, got {cells}; refine the grid, for "
            "example to 64."
        )
    flow = NavierStokes(
        grid=Grid.uniform((0.0, 0.0), (1.0, 1.0), (cells, cells)),
        viscosity=1.0 / number,
        boundary=(NoSlip(), (NoSlip(), NoSlip(1.0))),
    )
    return Cavity(flow, steady(flow, tolerance=tolerance, max_steps=max_steps, throw=throw))


def _middle(u: Float[Array, "n_plus_1 n"]) -> Float[Array, " n"]:
    """The row of faces in the middle; between two of them, their mean."""
    n = u.shape[0] - 1
    return 0.5 * (u[n // 2] + u[(n + 1) // 2])
