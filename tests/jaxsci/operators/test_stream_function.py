"""Curls on the staggered grid: no divergence, and every velocity that has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxsci.operators import StreamFunction
from solvers import Grid
from solvers.incompressible import StaggeredGrid, project

pytestmark = pytest.mark.usefixtures("x64")

PERIODIC = [(True, False), pytest.param((True, False, True), marks=pytest.mark.slow)]


def staggered(periodic, cells=4):
    ndim = len(periodic)
    lengths = (1.0, 2.0, 0.7)[:ndim]
    shape = tuple(cells + d for d in range(ndim))
    return StaggeredGrid(Grid.uniform((0.0,) * ndim, lengths, shape), periodic=periodic)


def identity(x):
    return x


def potentials(grid, key):
    return jax.random.normal(key, (1 if grid.ndim == 2 else 3, *grid.cells.shape))


@pytest.mark.parametrize("periodic", PERIODIC)
def test_no_divergence_and_nothing_through_walls(periodic, key):
    grid = staggered(periodic)
    layer = StreamFunction(identity, grid)
    mean = jnp.where(jnp.asarray(periodic), 0.3, 0.0)
    velocity = jax.jit(layer)(potentials(grid, key), mean)
    grid.check(velocity)
    # Potentials of order one over cells of a seventh: ε / h².
    assert jnp.abs(grid.divergence(velocity)).max() < 1e-13 * max(1 / h**2 for h in grid.spacings)
    for d, component in enumerate(velocity):
        np.testing.assert_array_equal(component, grid.pin(component, d))
        np.testing.assert_allclose(component.mean(), mean[d], atol=1e-14)


@pytest.mark.parametrize(
    "periodic",
    [
        (True, True),
        pytest.param((True, False), marks=pytest.mark.slow),
        pytest.param((False, False, False), marks=pytest.mark.slow),
        pytest.param((True, False, True), marks=pytest.mark.slow),
    ],
)
def test_every_velocity_without_divergence_is_a_curl(periodic):
    """The rank of the layer is the dimension of the space: faces less walls less independent cells."""
    grid = staggered(periodic)
    layer = StreamFunction(identity, grid)
    ndim = grid.ndim
    shape = (1 if ndim == 2 else 3, *grid.cells.shape)
    flat = lambda p, m: ravel_pytree(
        layer(p.reshape(shape), jnp.where(jnp.asarray(periodic), m, 0.0))
    )[0]
    size = int(np.prod(shape))
    jacobian = np.concatenate(
        jax.jit(jax.jacfwd(flat, (0, 1)))(jnp.zeros(size), jnp.zeros(ndim)), axis=1
    )
    inner = sum(int(grid.pin(jnp.ones(s), d).sum()) for d, s in enumerate(grid.face_shapes))
    assert np.linalg.matrix_rank(jacobian) == inner - (np.prod(grid.cells.shape) - 1)


def test_second_order_on_a_smooth_flow():
    """ψ = sin x sin y has u = sin x cos y: the curl at the faces' centres is second-order accurate."""
    errors = []
    for n in (16, 32):
        grid = StaggeredGrid(
            Grid.uniform((0.0, 0.0), (2 * np.pi,) * 2, (n, n)), periodic=(True, True)
        )
        corners = np.ix_(*(faces[:-1] for faces in grid.cells.faces))
        psi = jnp.asarray(np.sin(corners[0]) * np.sin(corners[1]))[None]
        velocity = jax.jit(StreamFunction(identity, grid))(psi)
        exact = grid.sample(
            lambda x: (jnp.sin(x[0]) * jnp.cos(x[1]), -jnp.cos(x[0]) * jnp.sin(x[1]))
        )
        errors.append(
            max(float(jnp.abs(a - b).max()) for a, b in zip(velocity, exact, strict=True))
        )
    assert 3.9 < errors[0] / errors[1] < 4.1


def test_the_layout_is_that_of_the_solver(key):
    """A solver's velocity is met by a ψ that is summed from it along its faces."""
    grid = StaggeredGrid(Grid.uniform((0.0, 0.0), (2 * np.pi,) * 2, (8, 8)), periodic=(True, True))
    u, v = jax.jit(project)(grid, tuple(jax.random.normal(key, (2, 8, 8))))[0]
    mean = jnp.stack([u.mean(), v.mean()])
    hx, hy = grid.spacings
    column = jnp.concatenate([jnp.zeros(1), -jnp.cumsum(v[:, 0] - mean[1])[:-1] * hx])
    rows = jnp.cumsum(u - mean[0], axis=1)[:, :-1] * hy
    psi = column[:, None] + jnp.concatenate([jnp.zeros((8, 1)), rows], axis=1)
    again = jax.jit(StreamFunction(identity, grid))(psi[None], mean)
    for a, b in zip(again, (u, v), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused(key):
    grid = staggered((True, False))
    with pytest.raises(TypeError, match="a StaggeredGrid, got function and Grid"):
        StreamFunction(identity, grid.cells)
    layer = StreamFunction(identity, grid)
    with pytest.raises(ValueError, match=r"potential of shape \(1, 4, 5\), got \(3, 4, 5\)"):
        layer(jnp.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match=r"mean of shape \(2,\), got \(3,\)"):
        layer(jnp.zeros((1, 4, 5)), jnp.zeros(3))
    with pytest.raises(Exception, match="a mean velocity of zero across walls"):
        layer(jnp.zeros((1, 4, 5)), jnp.ones(2))
