import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.incompressible import StaggeredGrid

pytestmark = pytest.mark.usefixtures("x64")


def staggered(shape, periodic):
    upper = tuple(1.0 + 0.5 * axis for axis in range(len(shape)))
    return StaggeredGrid(Grid.uniform((0.0,) * len(shape), upper, shape), periodic)


def test_places_of_velocities():
    grid = staggered((4, 6), (False, True))
    assert grid.face_shapes == ((5, 6), (4, 6))
    np.testing.assert_allclose(grid.positions(0)[0][:, 0], [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(grid.positions(0)[1][0], grid.cells.centers[1])
    np.testing.assert_allclose(grid.positions(1)[1][0], [0.0, 0.25, 0.5, 0.75, 1.0, 1.25])


@pytest.mark.parametrize(
    ("shape", "periodic"), [((5, 4), (False, True)), ((4, 5, 6), (True, False, False))]
)
def test_gradient_is_minus_the_adjoint_of_divergence(shape, periodic):
    grid = staggered(shape, periodic)
    rng = np.random.default_rng(0)
    u = grid.sample(
        lambda x: [rng.normal(size=np.broadcast_shapes(*(a.shape for a in x)))] * len(x)
    )
    p = jnp.asarray(rng.normal(size=shape))
    inner = sum(jnp.sum(a * b) for a, b in zip(u, grid.gradient(p), strict=True))
    # Round-off of some hundred terms of size h⁻¹.
    np.testing.assert_allclose(inner, -jnp.sum(p * grid.divergence(u)), rtol=1e-12)


def test_divergence_and_means_are_exact_for_linear_velocities():
    grid = staggered((4, 6), (False, False))
    x, y = grid.positions(0), grid.positions(1)
    u = (jnp.asarray(2.0 * x[0] + 0.0 * x[1]), jnp.asarray(3.0 * y[1] + 0.0 * y[0]))
    np.testing.assert_allclose(grid.divergence(u), 5.0, rtol=1e-14)
    a, b = np.meshgrid(*grid.cells.centers, indexing="ij")
    np.testing.assert_allclose(grid.centered(u), np.stack([2.0 * a, 3.0 * b]), rtol=1e-14)


def test_sampled_velocities_do_not_cross_walls():
    u, v = staggered((4, 6), (False, True)).sample(lambda x: (1.0, x[0]))
    np.testing.assert_array_equal(u[:, 0], [0.0, 1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(v[:, 0], [0.125, 0.375, 0.625, 0.875])
    assert u.dtype == v.dtype == jnp.float64


def test_energy_of_a_uniform_velocity():
    grid = staggered((4, 6), (True, True))
    # ½ · (2² + 1²) · area 1.5.
    np.testing.assert_allclose(grid.energy(grid.sample(lambda x: (2.0, -1.0))), 3.75, rtol=1e-14)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid.uniform(0.0, 1.0, 8), r"2 or more dimensions .* shape \(8,\)"),
        (Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 3)), r"at least 4 cells an axis.*\(8, 3\)"),
        (Grid(np.linspace(0, 1, 9) ** 2, np.linspace(0, 1, 9)), "a stretched grid"),
    ],
)
def test_unfit_grids_are_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        StaggeredGrid(grid, (True,) * grid.ndim)


def test_other_mistakes_are_refused():
    grid = staggered((4, 4), (False, True))
    with pytest.raises(ValueError, match=r"2 entries in periodic, got \(True,\)"):
        StaggeredGrid(grid.cells, (True,))
    with pytest.raises(ValueError, match=r"\(\(5, 4\), \(4, 4\)\), got \(\(4, 4\), \(4, 4\)\)"):
        grid.check((jnp.zeros((4, 4)), jnp.zeros((4, 4))))
    with pytest.raises(ValueError, match="one floating-point type, got float32, float64"):
        grid.check((jnp.zeros((5, 4), jnp.float32), jnp.zeros((4, 4))))
    with pytest.raises(ValueError, match="expected to have 2 components, got 3"):
        grid.sample(lambda x: (0.0, 0.0, 0.0))
