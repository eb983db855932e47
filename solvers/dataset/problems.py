"""Problems that the operator-learning literature draws its data from, ready to generate.

Each is a function of its sizes; `PROBLEMS` lists them for the command line.

Reference: Z. Li et al., Fourier Neural Operator, ICLR 2021, arXiv:2010.08895, appendix A.3;
M. Takamoto et al., PDEBench, NeurIPS 2022, arXiv:2210.07182.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..boundary import Neumann, Periodic
from ..darcy import darcy
from ..finite_volume import FiniteVolume
from ..grid import Grid
from ..laws import Burgers, Diffusion
from ..random_fields import GaussianRandomField
from ..spectral import VorticityFlow
from ..time import SSPRK3, solve
from .problem import Problem, Variable


class Uniform(eqx.Module):
    """A number between two bounds."""

    low: float
    high: float

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw one."""
        return jax.random.uniform(key, minval=self.low, maxval=self.high)


class Contrast(eqx.Module):
    """Two values by the sign of a Gaussian field: the permeability of the Darcy data."""

    field: GaussianRandomField
    above: float
    below: float

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, " *space"]:
        """Draw one."""
        return jnp.where(self.field(key=key) >= 0, self.above, self.below)


def heat(cells: int = 256, times: int = 11, steps: int = 700) -> Problem:
    """u_t = k u_xx on an insulated rod from a smooth random profile."""
    grid = Grid.uniform(0.0, 1.0, cells)
    save_at = np.linspace(0.0, 0.5, times)[1:]

    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        field = FiniteVolume(law=Diffusion(inputs["diffusivity"]), grid=grid, boundary=Neumann(0.0))
        out = solve(field, inputs["u0"][None], t1=0.5, save_at=save_at, steps=steps, throw=False)
        return {"u": out.states[:, 0], "ok": out.status.ok}

    return Problem(
        name="heat",
        title="Heat equation on an insulated rod",
        inputs={
            "diffusivity": Uniform(0.005, 0.02),
            "u0": GaussianRandomField((cells,), alpha=2.0, tau=5.0, sigma=25.0, boundary="neumann"),
        },
        solve=run,
        variables={
            "diffusivity": Variable((), "m2 s-1", "diffusivity"),
            "u0": Variable(("x",), "K", "initial temperature"),
            "u": Variable(("time", "x"), "K", "temperature"),
        },
        coordinates={"x": (grid.centers[0], "m"), "time": (save_at, "s")},
    )


def burgers(cells: int = 256, viscosity: float = 0.01) -> Problem:
    """u_t + (u²/2)_x = ν u_xx on a periodic interval: from u(0) to u(1)."""
    grid = Grid.uniform(0.0, 1.0, cells)

    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        field = FiniteVolume(law=Burgers(viscosity), grid=grid, boundary=Periodic())
        out = solve(field, inputs["u0"][None], t1=1.0, cfl=0.8, stepper=SSPRK3(), throw=False)
        return {"u": out.states[-1, 0], "ok": out.status.ok}

    return Problem(
        name="burgers",
        title=f"Burgers' equation with viscosity {viscosity:g}, solution at t = 1",
        inputs={"u0": GaussianRandomField((cells,), alpha=2.0, tau=5.0, sigma=25.0)},
        solve=run,
        variables={
            "u0": Variable(("x",), "m s-1", "initial velocity"),
            "u": Variable(("x",), "m s-1", "velocity at t = 1 s"),
        },
        coordinates={"x": (grid.centers[0], "m")},
    )


def darcy_flow(cells: int = 64) -> Problem:
    """−∇·(a ∇u) = 1 on the unit square, u = 0 around it, a = 12 or 3."""
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (cells, cells))
    field = GaussianRandomField((cells, cells), alpha=2.0, tau=3.0, boundary="neumann")
    return Problem(
        name="darcy",
        title="Darcy flow with a permeability of two values",
        inputs={"a": Contrast(field, 12.0, 3.0)},
        solve=lambda inputs: {"u": darcy(inputs["a"], grid)},
        variables={
            "a": Variable(("x", "y"), "m2 Pa-1 s-1", "permeability over viscosity"),
            "u": Variable(("x", "y"), "Pa", "pressure"),
        },
        coordinates={"x": (grid.centers[0], "m"), "y": (grid.centers[1], "m")},
    )


def vorticity(
    points: int = 64, times: int = 20, viscosity: float = 1e-3, steps: int = 50
) -> Problem:
    """Forced flow in the periodic unit square, f = 0.1 (sin 2π(x + y) + cos 2π(x + y))."""
    flow = VorticityFlow(viscosity=viscosity, points=points, length=1.0)
    x, y = flow.coordinates
    phase = 2.0 * math.pi * (x + y)
    forced = VorticityFlow(
        viscosity=viscosity,
        points=points,
        length=1.0,
        forcing=0.1 * (np.sin(phase) + np.cos(phase)),
    )
    save_at = np.arange(1.0, times + 1.0)

    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        out = forced.solve(inputs["w0"], t1=save_at[-1], save_at=save_at, steps=steps, throw=False)
        return {"w": out.states[:, 0], "ok": out.status.ok}

    return Problem(
        name="vorticity",
        title=f"Forced two-dimensional flow with viscosity {viscosity:g}",
        inputs={
            "w0": GaussianRandomField(
                (points, points), alpha=2.5, tau=7.0, sigma=7.0**1.5, zero_mean=True
            )
        },
        solve=run,
        variables={
            "w0": Variable(("x", "y"), "s-1", "initial vorticity"),
            "w": Variable(("time", "x", "y"), "s-1", "vorticity"),
        },
        coordinates={"x": (x[:, 0], "m"), "y": (y[0], "m"), "time": (save_at, "s")},
    )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "heat": heat,
    "burgers": burgers,
    "darcy": darcy_flow,
    "vorticity": vorticity,
}
"""What `python -m solvers generate` can make, by name."""
