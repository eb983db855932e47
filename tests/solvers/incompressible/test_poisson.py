import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.incompressible import StaggeredGrid, poisson, project

KINDS = [
    ((8, 12), (False, False)),
    ((8, 12), (True, True)),
    ((9, 7), (True, False)),
    ((9, 7), (False, True)),
    ((4, 6, 5), (True, False, True)),
    ((4, 6, 5), (False, False, False)),
]


def staggered(shape, periodic):
    upper = tuple(1.0 + 0.5 * axis for axis in range(len(shape)))
    return StaggeredGrid(Grid.uniform((0.0,) * len(shape), upper, shape), periodic)


def noise(grid, key, dtype=float):
    keys = jax.random.split(key, grid.ndim)
    pairs = zip(keys, grid.face_shapes, strict=True)
    return tuple(jax.random.normal(k, shape, dtype) for k, shape in pairs)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("shape", "periodic"), KINDS)
def test_the_solution_satisfies_the_equation(shape, periodic, key):
    grid = staggered(shape, periodic)
    source = jax.random.normal(key, shape)
    p = jax.jit(lambda s: poisson(grid, s))(source)
    # Round-off of p, of size one at most here, times the largest eigenvalue, below 10³.
    np.testing.assert_allclose(
        grid.divergence(grid.gradient(p)), source - jnp.mean(source), atol=1e-12
    )
    np.testing.assert_allclose(jnp.mean(p), 0.0, atol=1e-14)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("shape", "periodic"), KINDS)
def test_projection_removes_divergence_and_nothing_else(shape, periodic, key):
    grid = staggered(shape, periodic)
    u = noise(grid, key)
    v, potential = jax.jit(lambda u: project(grid, u))(u)
    np.testing.assert_allclose(grid.divergence(v), 0.0, atol=1e-12)
    again, _ = project(grid, v)
    for d in range(grid.ndim):
        np.testing.assert_allclose(again[d], v[d], atol=1e-13)
        inside = grid.pin(u[d], d)
        np.testing.assert_allclose(v[d] + grid.gradient(potential)[d], inside, atol=1e-13)
        np.testing.assert_array_equal(grid.pin(v[d], d), v[d])
    # Orthogonal; sums of at most some hundred terms of size one.
    inner = sum(jnp.sum(a * b) for a, b in zip(v, grid.gradient(potential), strict=True))
    np.testing.assert_allclose(inner, 0.0, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_divergence_on_a_fine_grid():
    grid = StaggeredGrid(Grid.uniform((0.0, 0.0), (1.0, 1.0), (128, 128)), (False, True))
    u = grid.sample(lambda x: (jnp.sin(3.0 * x[0]) * jnp.cos(6.28 * x[1]), x[0] ** 2))
    once, _ = project(grid, u)
    # Rounding of the potential, 1e-17, times the largest eigenvalue, 8 · 128² = 1e5, and some.
    np.testing.assert_allclose(grid.divergence(once), 0.0, atol=2e-11)
    twice, _ = project(grid, once)
    np.testing.assert_allclose(grid.divergence(twice), 0.0, atol=1e-12)


@pytest.mark.parametrize("periodic", [(False, False), (True, True), (True, False)])
def test_single_precision_under_jit_and_vmap(periodic, key):
    grid = staggered((8, 12), periodic)
    batch = jax.vmap(lambda k: noise(grid, k, jnp.float32))(jax.random.split(key, 3))
    out = jax.jit(jax.vmap(lambda u: project(grid, u)[0]))(batch)
    assert out[0].dtype == jnp.float32
    for i in range(3):
        single, _ = project(grid, tuple(component[i] for component in batch))
        # Rounding of 1e-7 times sums of a dozen terms; divergences are 10 times larger.
        np.testing.assert_allclose(out[1][i], single[1], atol=2e-6)
        np.testing.assert_allclose(grid.divergence(single), 0.0, atol=2e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("periodic", [(False, False), (True, True), (True, False)])
def test_the_solution_is_symmetric_in_the_source(periodic, key):
    grid = staggered((6, 7), periodic)
    a, b = jax.random.normal(key, (2, 6, 7))
    _, transposed = jax.vjp(lambda s: poisson(grid, s), a)
    np.testing.assert_allclose(transposed(b)[0], poisson(grid, b), atol=1e-14)


def test_a_source_of_another_shape_is_refused():
    grid = staggered((8, 12), (True, True))
    with pytest.raises(ValueError, match=r"source of shape \(8, 12\), got \(12, 8\)"):
        poisson(grid, jnp.zeros((12, 8)))
