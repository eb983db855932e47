"""Rows of boundary conditions and of control volumes: exact for parabolas, of their order beyond."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.constraints import (
    AffineConstraint,
    conservation,
    dirichlet,
    neumann,
    periodic,
    project,
    robin,
    stack,
)
from solvers import Grid

STRETCHED = Grid(np.array([0.0, 0.1, 0.25, 0.3, 0.6, 1.0]))
pytestmark = pytest.mark.usefixtures("x64")


def averages(faces, antiderivative):
    return np.diff(antiderivative(faces)) / np.diff(faces)


def test_rows_are_exact_for_parabolas_on_a_stretched_grid():
    faces = np.asarray(STRETCHED.axes[0])
    u = averages(faces, lambda x: x**3 - x**2 + 2 * x)  # of 3x² − 2x + 2
    values = {"lower": (2.0, -2.0), "upper": (3.0, 4.0)}
    for side, (value, slope) in values.items():
        for constraint in (
            dirichlet(STRETCHED, value, side=side),
            neumann(STRETCHED, slope, side=side),
            robin(STRETCHED, 2.0, -0.5, 2 * value - 0.5 * slope, side=side),
        ):
            # Weights of size 1/h times round-off.
            np.testing.assert_allclose(constraint.residual(u), 0.0, atol=1e-12)


def test_orders():
    errors = []
    for cells in (20, 40, 80):
        grid = Grid.uniform(0.0, 1.0, cells)
        u = averages(np.asarray(grid.axes[0]), np.exp)
        errors.append(
            [
                abs(float(dirichlet(grid, np.e, side="upper").residual(u)[0])),
                abs(float(neumann(grid, 1.0, side="lower").residual(u)[0])),
            ]
        )
    orders = np.log2(np.asarray(errors[:-1]) / np.asarray(errors[1:]))
    np.testing.assert_allclose(orders[-1], [3, 2], atol=0.1)


def test_a_wave_is_periodic_and_a_ramp_is_not():
    grid = Grid.uniform(0.0, 1.0, 200)
    faces = np.asarray(grid.axes[0])
    wave = averages(faces, lambda x: np.sin(2 * np.pi * x))
    constraint = periodic(grid)
    # Errors of the parabola: (2πh)³ in the value and (2πh)² · 2π in the slope, constants below 1.
    assert np.all(np.abs(constraint.residual(wave)) < [3e-5, 6e-3])
    np.testing.assert_allclose(
        constraint.residual(averages(faces, lambda x: x**2)), [-2, 0], atol=1e-9
    )
    out = project(dist.Normal(averages(faces, lambda x: x**2), 0.1), constraint)
    np.testing.assert_allclose(constraint.residual(out.mean), 0.0, atol=1e-11)


@pytest.mark.parametrize("axis", [0, 1])
def test_sides_of_a_plane(axis):
    grid = Grid.uniform((0.0, -1.0), (1.0, 1.0), (4, 5))
    x, y = np.meshgrid(*grid.centers, indexing="ij")
    u = 2.0 * x + 3.0 * y + x * y  # averages of a bilinear function are its values at the centres
    along = grid.centers[1 - axis]
    exact = (2.0 + 4.0 * along, 3.0 * 1.0 + 2.0 * along + along)[axis]
    constraint = dirichlet(grid, exact, side="upper", axis=axis)
    assert constraint.rows.shape == (len(along), 20)
    np.testing.assert_allclose(constraint.residual(u), 0.0, atol=1e-13)
    slope = (2.0 + along, 3.0 + along)[axis]
    np.testing.assert_allclose(
        neumann(grid, slope, side="lower", axis=axis).residual(u), 0, atol=1e-12
    )


def test_everything_at_once():
    """Totals of control volumes, two ends, and a batch: all hold after one projection."""
    grid = Grid.uniform(0.0, 1.0, 12)
    constraint = stack(
        conservation(grid, np.array([0.1, 0.2, 0.3]), blocks=3),
        dirichlet(grid, np.array([[0.0], [1.0]]), side="lower"),
        neumann(grid, 0.5, side="upper"),
    )
    assert constraint.values.shape == (2, 5)
    out = project(dist.Normal(jnp.ones((2, 12)), jnp.linspace(0.1, 1.0, 12)), constraint)
    np.testing.assert_allclose(constraint.residual(out.mean), 0.0, atol=1e-12)
    np.testing.assert_allclose(out.mean.reshape(2, 3, 4).sum(-1) / 12, [[0.1, 0.2, 0.3]] * 2)
    assert np.all(out.variance >= 0)


def test_control_volumes_of_a_plane():
    grid = Grid((0.0, 0.1, 0.4, 0.5, 1.0), np.linspace(0.0, 1.0, 7))
    u = np.random.default_rng(0).uniform(size=(4, 6))
    mass = u * np.asarray(grid.volumes).reshape(4, 6)
    totals = mass.reshape(2, 2, 3, 2).sum((1, 3)).ravel()
    constraint = conservation(grid, totals, blocks=(2, 3))
    np.testing.assert_allclose(constraint.residual(u), 0.0, atol=1e-14)
    np.testing.assert_allclose(totals.sum(), conservation(grid, 0.0).residual(u)[0], rtol=1e-13)


def test_the_exact_mass_is_that_of_cell_averages_not_of_the_trapezoid_rule():
    """A jump has its mass exactly in cell averages; the trapezoid rule misses it by O(h)."""
    cells, front = 50, 0.4321
    grid = Grid.uniform(0.0, 1.0, cells)
    u = averages(np.asarray(grid.axes[0]), lambda x: np.minimum(x, front))
    np.testing.assert_allclose(conservation(grid, front).residual(u), 0.0, atol=1e-15)
    x = np.linspace(0.0, 1.0, cells)
    weights = np.full(cells, 1.0 / (cells - 1))
    weights[[0, -1]] /= 2
    bias = abs(weights @ (x < front) - front)
    assert 0.1 / cells < bias < 1.0 / cells


def test_noise_reaches_the_rows():
    grid = Grid.uniform(0.0, 1.0, 6)
    both = stack(conservation(grid, 1.0, noise=0.1), dirichlet(grid, 0.0, side="lower", noise=0.2))
    np.testing.assert_allclose(both.noise, [0.1, 0.2])


def test_what_does_not_fit_is_refused():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 6))
    for blocks in (2, (3, 3), (0, 2), (2, 2, 2)):
        with pytest.raises(ValueError, match="blocks that divide the cells"):
            conservation(grid, np.ones(4), blocks=blocks)
    with pytest.raises(ValueError, match=r"totals of 4 blocks as the last axis, got shape \(3,\)"):
        conservation(grid, np.ones(3), blocks=(2, 2))
    with pytest.raises(ValueError, match="an axis from 0 to 1, got 'lower' and 2"):
        dirichlet(grid, 0.0, side="lower", axis=2)
    with pytest.raises(ValueError, match="at least 3 cells along axis 0, got 2"):
        neumann(Grid.uniform(0.0, 1.0, 2), 0.0, side="upper")
    with pytest.raises(ValueError, match="each of the 6 cells of the side"):
        dirichlet(grid, np.ones(4), side="lower")
    for alpha, beta in ((0.0, 0.0), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="robin expected finite coefficients"):
            robin(grid, alpha, beta, 0.0, side="lower")
    line = Grid.uniform(0.0, 1.0, 4)
    with pytest.raises(ValueError, match="over the same cells, got cells"):
        stack(conservation(grid, 1.0), conservation(line, 1.0))
    with pytest.raises(ValueError, match="all rows exact or all with noise"):
        stack(conservation(line, 1.0), dirichlet(line, 1.0, side="lower", noise=0.1))
    with pytest.raises(
        ValueError, match=r"row 1, which is nearly a combination of rows \[0\] and contra"
    ):
        stack(conservation(line, 1.0), conservation(line, 2.0))


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_another_kind_are_refused():
    line = Grid.uniform(0.0, 1.0, 4)
    with pytest.raises(TypeError, match="stack expected AffineConstraints, got int"):
        stack(conservation(line, 1.0), 3)
    with pytest.raises(TypeError, match=r"dirichlet expected a solvers\.Grid, got NoneType"):
        dirichlet(None, 1.0, side="lower")
    for side, axis in (("left", 0), (("lower",), 0), ("lower", 0.0), ("lower", -1)):
        with pytest.raises(ValueError, match="side 'lower' or 'upper'"):
            dirichlet(line, 1.0, side=side, axis=axis)
    with pytest.raises(TypeError, match="robin expected two numbers"):
        robin(line, "a", 1.0, 0.0, side="lower")
    with pytest.raises(TypeError, match=r"whole numbers of blocks, got 2\.0"):
        conservation(line, np.ones(2), blocks=2.0)
    assert conservation(line, np.ones(2), blocks=np.int64(2)).rows.shape == (2, 4)
    with pytest.raises(ValueError, match=r"values of one batch, got batches \[\(5,\), \(3,\)\]"):
        stack(conservation(line, np.ones(5)), dirichlet(line, np.ones((3, 1)), side="lower"))
    assert isinstance(stack(conservation(line, 1.0)), AffineConstraint)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_totals_of_half_precision_are_summed_in_single(dtype):
    """4096 cells of 100 and volume 1: in half precision the sum is infinite, or stops growing."""
    total = conservation(Grid.uniform(0.0, 4096.0, 4096), 4096 * 100.0)
    residual = total.residual(jnp.full(4096, 100, dtype))
    assert residual.dtype == jnp.float32
    np.testing.assert_array_equal(residual, [0.0])
