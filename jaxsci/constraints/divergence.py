r"""Incompressibility as rows: no divergence in any cell, nothing through any wall.

    Σ_d (u_{d,upper} − u_{d,lower})/h_d = 0 in every cell but the last,      u·n = 0 in the walls

The divergences of all cells sum to what flows out through the walls, which is zero: that of the last cell
follows from the others and is left out, or the rows would not be independent.

Reference: F. H. Harlow, J. E. Welch, Phys. Fluids 8 (1965) 2182, doi:10.1063/1.1761178.
"""

import numpy as np
from jaxtyping import ArrayLike

from solvers.incompressible import StaggeredGrid

from .affine import AffineConstraint


def divergence_free(grid: StaggeredGrid, *, noise: ArrayLike | None = None) -> AffineConstraint:
    """Rows on a velocity on the faces of a staggered grid, which is free of divergence then.

    The n faces are those of all components, flattened one after the other, as
    `jax.flatten_util.ravel_pytree` flattens a velocity. There is about one row a cell, and they are dense:
    this is for small grids, where faces differ in their variances or depend on each other. Where all
    are independent and equally uncertain, `solvers.incompressible.project` gives the same mean on any
    grid, by fast diagonalisation.

    Args:
        grid: where the velocity lives.
        noise: variance of the divergences and of the flow through walls; None where they vanish exactly.

    Raises:
        TypeError: for something other than a staggered grid.
    """
    if not isinstance(grid, StaggeredGrid):
        raise TypeError(
            f"divergence_free expected a StaggeredGrid, got {type(grid).__name__}; make one, as in "
            "StaggeredGrid(cells, periodic=(True, True))."
        )
    shapes = grid.face_shapes
    sizes = [int(np.prod(shape)) for shape in shapes]
    numbers = [
        start + np.arange(size).reshape(shape)
        for start, size, shape in zip(np.cumsum([0, *sizes]), sizes, shapes, strict=False)
    ]
    cells = np.arange(np.prod(grid.cells.shape)).reshape(grid.cells.shape)
    divergence = np.zeros((cells.size, sum(sizes)))
    walls = []
    for d, (faces, h) in enumerate(zip(numbers, grid.spacings, strict=True)):
        count = grid.cells.shape[d]
        divergence[cells, faces.take(range(count), d)] -= 1 / h
        divergence[cells, faces.take(range(1, count + 1), d, mode="wrap")] += 1 / h
        if not grid.periodic[d]:
            walls += [*faces.take([0, -1], d).ravel()]
    through = np.zeros((len(walls), sum(sizes)))
    through[np.arange(len(walls)), walls] = 1.0
    rows = np.concatenate([through, divergence[:-1]])
    return AffineConstraint(rows, np.zeros(len(rows)), noise)
