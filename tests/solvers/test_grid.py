import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid


def test_uniform_grid_in_one_dimension():
    grid = Grid.uniform(-1.0, 1.0, 8)
    assert grid.ndim == 1
    assert grid.shape == (8,)
    assert grid.faces[0].shape == (9,)
    # 1/4 and its multiples are exact in binary, so equality is fair.
    np.testing.assert_array_equal(grid.faces[0], np.arange(-4, 5) / 4)
    np.testing.assert_array_equal(grid.centers[0], np.arange(-3.5, 4) / 4)
    np.testing.assert_array_equal(grid.volumes, np.full(8, 0.25))
    np.testing.assert_array_equal(grid.quadrature_weights, grid.volumes)


def test_uniform_widths_are_equal_to_the_last_bit():
    widths = Grid.uniform(0.1, 0.7, 1000).widths[0]
    assert np.unique(widths).size == 1


def test_grid_in_three_dimensions():
    grid = Grid.uniform((0.0, 0.0, -1.0), (1.0, 2.0, 1.0), (2, 4, 5))
    assert grid.shape == (2, 4, 5)
    assert grid.volumes.shape == (2, 4, 5)
    # 40 additions of numbers below 1: a few units in the last place of 4.
    np.testing.assert_allclose(grid.volumes.sum(), 4.0, rtol=1e-14)


def test_stretched_grid():
    faces = np.array([0.0, 0.1, 0.3, 1.0])
    grid = Grid.from_faces(faces)
    assert grid.spacings == (None,)
    np.testing.assert_array_equal(grid.faces[0], faces)
    np.testing.assert_array_equal(grid.widths[0], np.diff(faces))
    np.testing.assert_array_equal(grid.centers[0], 0.5 * (faces[1:] + faces[:-1]))


@pytest.mark.usefixtures("x64")
def test_integrate_is_exact_for_averages_of_a_linear_function():
    grid = Grid.from_faces(np.linspace(0.0, 1.0, 11) ** 2, np.linspace(0.0, 2.0, 4))
    x, y = np.meshgrid(*grid.centers, indexing="ij")  # the average of a linear function
    field = jnp.asarray(np.stack([1.0 + 2.0 * x - y, np.ones_like(x)]))
    # ∫₀¹∫₀² (1 + 2x − y) = 2; round-off of 30 terms.
    np.testing.assert_allclose(grid.integrate(field), [2.0, 2.0], rtol=1e-14)
    assert grid.integrate(field[None, None]).shape == (1, 1, 2)


@pytest.mark.usefixtures("x64")
def test_integrate_keeps_single_precision():
    assert Grid.uniform(0.0, 1.0, 4).integrate(jnp.ones((1, 4), jnp.float32)).dtype == jnp.float32


def test_grid_is_a_static_jit_argument_that_compiles_once():
    traces = []

    @jax.jit
    def mass(grid, u):
        traces.append(None)
        return grid.integrate(u)

    u = jnp.ones((1, 4))
    for _ in range(2):  # equal grids, built twice
        assert mass(Grid.uniform(0.0, 1.0, 4), u).item() == 1.0
    assert len(traces) == 1
    mass(Grid.uniform(0.0, 2.0, 4), u)
    assert len(traces) == 2
    assert jax.tree.leaves(Grid.uniform(0.0, 1.0, 4)) == []


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        ([0.0, 1.0, 0.5], r"increasing faces on axis 0, got 1.0 followed by 0.5; sort"),
        ([0.0, 1.0, 1.0], r"remove duplicates"),
        ([0.0, np.nan, 1.0], r"finite face coordinates on axis 0"),
        ([0.0, np.inf], r"finite face coordinates"),
        ([0.0], r"at least 2 face coordinates .* got shape \(1,\)"),
        (np.zeros((2, 2)), r"got shape \(2, 2\)"),
    ],
)
def test_bad_faces_are_refused(faces, message):
    with pytest.raises(ValueError, match=message):
        Grid.from_faces(np.asarray(faces))


@pytest.mark.parametrize(
    ("lower", "upper", "cells", "message"),
    [
        (1.0, 0.0, 4, "lower < upper, got 1.0 and 0.0"),
        (0.0, float("nan"), 4, "finite ends"),
        (0.0, 1.0, 0, "whole number of cells >= 1, got 0"),
        (0.0, 1.0, -3, "whole number of cells >= 1, got -3"),
        ((0.0, 0.0), (1.0, 1.0), (4,), "got 2, 2 and 1"),
    ],
)
def test_bad_uniform_grids_are_refused(lower, upper, cells, message):
    with pytest.raises(ValueError, match=message):
        Grid.uniform(lower, upper, cells)


def test_grid_without_axes_is_refused():
    with pytest.raises(ValueError, match="at least one axis"):
        Grid()


def test_integrating_a_field_of_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"trailing axes \(4,\), got a field of shape \(4, 1\)"):
        Grid.uniform(0.0, 1.0, 4).integrate(jnp.ones((4, 1)))
