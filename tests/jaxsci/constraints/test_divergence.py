"""Rows of the divergence: the solver's own, independent, and its projection."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.flatten_util import ravel_pytree

from jaxsci.constraints import divergence_free, project
from solvers import Grid, incompressible
from solvers.incompressible import StaggeredGrid

pytestmark = pytest.mark.usefixtures("x64")


def velocity(grid, key):
    keys = jax.random.split(key, grid.ndim)
    return tuple(jax.random.normal(k, s) for k, s in zip(keys, grid.face_shapes, strict=True))


@pytest.mark.parametrize(
    "periodic",
    [
        (True, False),
        pytest.param((True, True), marks=pytest.mark.slow),
        pytest.param((False, True, False), marks=pytest.mark.slow),
    ],
)
def test_equal_variances_give_the_projection_of_the_solver(periodic, key):
    ndim = len(periodic)
    cells = Grid.uniform((0.0,) * ndim, (1.0, 2.0, 0.7)[:ndim], (4, 5, 4)[:ndim])
    grid = StaggeredGrid(cells, periodic=periodic)
    rows = divergence_free(grid)
    flat, unravel = ravel_pytree(velocity(grid, key))
    assert rows.rows.shape[1] == flat.size
    out = jax.jit(project)(dist.Normal(flat, 0.3), rows)
    center, variance = out.mean, out.variance
    mean = unravel(center)
    # The divergence of every cell, that of the last among them, which has no row.
    assert jnp.abs(grid.divergence(mean)).max() < 1e-12
    expected, _ = jax.jit(incompressible.project)(grid, unravel(flat))
    for a, b in zip(mean, expected, strict=True):
        # Two solutions of Poisson's equation with a condition number of about a hundred.
        np.testing.assert_allclose(a, b, atol=1e-12)
    # The trace of a projection is its rank.
    rank = flat.size - rows.rows.shape[0]
    np.testing.assert_allclose(variance.sum(), 0.3**2 * rank, rtol=1e-12)


def test_certain_faces_stay_and_the_others_make_up(key):
    cells = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))
    grid = StaggeredGrid(cells, periodic=(True, False))
    flat, unravel = ravel_pytree(velocity(grid, key))
    flat = ravel_pytree(tuple(grid.pin(c, d) for d, c in enumerate(unravel(flat))))[0]
    scale = jnp.ones_like(flat).at[5].set(1e-5)
    out = jax.jit(project)(dist.Normal(flat, scale), divergence_free(grid)).mean
    assert jnp.abs(out[5] - flat[5]) < 1e-9
    assert jnp.abs(grid.divergence(unravel(out))).max() < 1e-12


@pytest.mark.usefixtures("unchecked")
def test_a_grid_without_faces_is_refused():
    with pytest.raises(TypeError, match="a StaggeredGrid, got Grid"):
        divergence_free(Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4)))
