import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import GaussianRandomField, Grid, darcy
from solvers.darcy import minus_divergence

pytestmark = pytest.mark.usefixtures("x64")


def contrast(n, key=0):
    """The coefficient of the operator-learning data: 12 or 3 by the sign of a random field."""
    field = GaussianRandomField((n, n), alpha=2.0, tau=3.0, boundary="neumann")
    return jnp.where(field(key=jax.random.key(key)) >= 0, 12.0, 3.0)


def grid_of(n):
    return Grid.uniform((0.0, 0.0), (1.0, 1.0), (n, n))


def test_second_order_with_a_smooth_coefficient():
    errors = []
    for n in (16, 32, 64):
        grid = grid_of(n)
        x, y = jnp.meshgrid(*map(jnp.asarray, grid.centers), indexing="ij")
        pi = jnp.pi
        exact = jnp.sin(pi * x) * jnp.sin(2 * pi * y)
        # −∇·((1 + x) ∇u) = 5π² (1 + x) u − u_x.
        source = 5 * pi**2 * (1 + x) * exact - pi * jnp.cos(pi * x) * jnp.sin(2 * pi * y)
        errors.append(float(jnp.abs(darcy(1 + x, grid, source=source) - exact).max()))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(orders > 1.9)


def test_layers_along_the_faces_are_exact_in_the_flux():
    grid = Grid.uniform(0.0, 1.0, 20)
    a = jnp.where(grid.centers[0] < 0.5, 1.0, 10.0)
    u = darcy(a, grid, source=1.0)
    x = np.asarray(grid.centers[0])
    # q = x − c with c fixed by u(1) = 0; u = −∫ q/a. Two-point values carry the h²/8a of a parabola.
    left, right = lambda c: 0.125 - 0.5 * c, lambda c: (0.375 - 0.5 * c) / 10.0
    c = (0.125 + 0.0375) / (0.5 + 0.05)
    assert abs(left(c) + right(c)) < 1e-15
    start = c * x - x**2 / 2
    end = -(c * (1 - x) - (1 - x**2) / 2) / 10
    exact = np.where(x < 0.5, start, end)
    np.testing.assert_allclose(u, exact, atol=0.05**2 / 8 * 1.01)


def test_the_residual_vanishes_whatever_the_grid():
    for n in (16, 64):
        a = contrast(n)
        residual = minus_divergence(a, darcy(a, grid_of(n)), grid_of(n)) - 1.0
        # The iteration stops at 1e-10 of the right-hand side.
        assert float(jnp.abs(residual).max()) < 1e-8


def test_gradients_agree_with_finite_differences():
    n = 12
    a, grid = contrast(n), grid_of(n)
    direction = jax.random.normal(jax.random.key(5), a.shape)
    total = jax.jit(lambda e: jnp.sum(darcy(a + e * direction, grid, rtol=1e-13)))
    slope = jax.grad(total)(0.0)
    difference = (total(1e-4) - total(-1e-4)) / 2e-4
    # Central differences of step 1e-4, and a residual of 1e-13.
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_three_dimensions_and_single_precision():
    grid = Grid.uniform((0.0,) * 3, (1.0,) * 3, (8, 8, 8))
    a = jnp.ones(grid.shape, jnp.float32)
    u = darcy(a, grid)
    assert u.dtype == jnp.float32
    residual = minus_divergence(a, u, grid) - 1
    # Five digits of single precision.
    assert float(jnp.abs(residual).max()) < 1e-3


@pytest.mark.parametrize(
    ("a", "grid", "message"),
    [
        (np.ones((4, 4)), grid_of(8), r"shape \(8, 8\), got \(4, 4\)"),
        (-np.ones((8, 8)), grid_of(8), "positive, finite permeability"),
        (np.ones(3), Grid.from_faces([0.0, 0.1, 0.3, 1.0]), "uniform along each axis"),
    ],
)
def test_bad_input_is_refused(a, grid, message):
    with pytest.raises(ValueError, match=message):
        darcy(jnp.asarray(a), grid)


def test_a_source_that_is_not_finite_is_refused():
    """Conjugate gradients stop at once with NaN, at the guess u = 0, which looks like a solution."""
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))
    source = np.ones((4, 4), np.float32)
    source[1, 2] = np.nan
    with pytest.raises(Exception, match="darcy expected a finite source"):
        darcy(jnp.ones((4, 4)), grid, source=source)
    with pytest.raises(ValueError, match=r"a number or of shape \(4, 4\), got \(4,\)"):
        darcy(jnp.ones((4, 4)), grid, source=source[0])
