"""One scheme on one case: its errors on finer and finer grids, and the order they fall with.

The error is the L1 norm over the domain's volume, Σ |C_i| |u_i − ū_i| / Σ |C_i|, of cell averages; the
order between two grids is log(e₁/e₂) / log(n₂/n₁).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.verification.references import REFERENCES
from solvers import Grid

UPWIND = "first-order upwind"
DEVIATION = "largest deviation"


class Profile(NamedTuple):
    """What is drawn of a case: few computed points, and the exact solution as a fine line."""

    x: np.ndarray
    computed: np.ndarray
    x_exact: np.ndarray
    exact: np.ndarray
    quantity: str
    coordinate: str = "x"


class Study(NamedTuple):
    """Errors of a scheme.

    Attributes:
        case: the problem.
        scheme: what solves it.
        cells: cells an axis, from coarse to fine.
        errors: the error on each grid.
        profile: a picture of the solution, for some.
        converges: whether an order means anything.
    """

    case: str
    scheme: str
    cells: tuple[int, ...]
    errors: tuple[float, ...]
    profile: Profile | None = None
    converges: bool = True

    @property
    def name(self) -> str:
        """Its row in the table."""
        return f"{self.case}, {self.scheme}"

    @property
    def row(self) -> dict[str, float]:
        """Finest grid, the error there and that of others, the order of the two finest and of all grids."""
        row: dict[str, float] = {"cells": self.cells[-1], "error": self.errors[-1]}
        grids = len(self.errors) if self.converges else 0
        if grids > 1:
            row["order"] = self._order(-2)
        if grids > 2:
            row["mean order"] = self._order(0)
        reference = REFERENCES.get(self.name, {}).get(self.cells[-1])
        if reference is not None:
            row["reference"] = reference
        return row

    def _order(self, first: int) -> float:
        growth = self.cells[-1] / self.cells[first]
        return float(np.log(self.errors[first] / self.errors[-1]) / np.log(growth))


Solved = tuple[Grid, Float[Array, "*space"], Float[Array, "*space"]]
"""Grid, computed and exact cell averages of one field."""


def mean_error(grid: Grid, computed: Array, exact: Array) -> float:
    """L1 norm of the difference over the volume of the domain."""
    return float(grid.integrate(jnp.abs(computed - exact)) / np.sum(grid.volumes))


def study(
    case: str,
    scheme: str,
    cells: Sequence[int],
    solve_on: Callable[[int], Solved],
    *,
    quantity: str,
) -> Study:
    """Solve a case on every grid and compare.

    Args:
        case: the problem.
        scheme: what solves it.
        cells: cells an axis, from coarse to fine.
        solve_on: solves with that many cells.
        quantity: the field that is compared, and when.
    """
    solved = [solve_on(n) for n in cells]
    errors = tuple(mean_error(*one) for one in solved)
    (coarse, computed, _), (fine, _, exact) = solved[0], solved[-1]
    profile = None
    if coarse.ndim == 1:
        x, x_exact = np.asarray(coarse.centers[0]), np.asarray(fine.centers[0])
        profile = Profile(x, np.asarray(computed), x_exact, np.asarray(exact), quantity)
    return Study(case, scheme, tuple(cells), errors, profile)
