import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid, cell_averages, trapezoid_weights
from solvers.laws import PorousMedium, Stefan

pytestmark = pytest.mark.usefixtures("x64")


def test_cell_averages_are_exact_for_polynomials_of_degree_nine():
    grid = Grid.from_faces(np.array([-1.0, -0.2, 0.5, 2.0]))
    faces = grid.faces[0]
    exact = np.diff(faces**10) / 10 / np.diff(faces)
    # Five Gauss points are exact to degree 9; round-off on values up to 2⁹.
    np.testing.assert_allclose(cell_averages(lambda x: x**9, grid), exact, rtol=1e-13)
    assert not np.allclose(cell_averages(lambda x: x**9, grid, points=2), exact, rtol=1e-3)


def test_cell_averages_in_two_dimensions():
    grid = Grid.uniform((0.0, 0.0), (1.0, 2.0), (3, 4))
    fx, fy = grid.faces
    exact = np.outer(np.diff(fx**3) / 3 * 3, np.diff(fy**2) / 2 * 2)  # widths 1/3 and 1/2
    np.testing.assert_allclose(cell_averages(lambda x, y: x**2 * y, grid), exact, rtol=1e-13)


def test_cell_averages_differentiate_with_respect_to_parameters():
    grid = Grid.uniform(0.0, 1.0, 2)
    slope = jax.grad(lambda a: cell_averages(lambda x: a * x, grid)[1])(2.0)
    np.testing.assert_allclose(slope, 0.75, rtol=1e-14)


def test_trapezoid_weights_are_half_cells_at_the_ends():
    weights = trapezoid_weights(np.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(weights, [0.5, 1.5, 1.0])


@pytest.mark.parametrize(
    ("kind", "parameter", "time", "bias"),
    [
        (PorousMedium, 1.0, 0.5, 0.0),
        (PorousMedium, 2.0, 0.5, -1.01860e-4),
        (PorousMedium, 3.0, 0.5, -3.40404e-4),
        (PorousMedium, 6.0, 0.5, -1.032459e-3),
        (Stefan, 0.5, 0.05, 1.05439e-4),
        (Stefan, 0.6, 0.05, 1.449226e-3),
    ],
)
def test_bias_of_the_trapezoid_rule_on_fronts(kind, parameter, time, bias):
    law, x = kind(parameter), jnp.linspace(0.0, 1.0, 201)
    if isinstance(law, Stefan):
        values, mass = law.similarity(time, x), law.similarity_mass(time)
    else:
        values, mass = law.travelling_wave(time, x), law.travelling_wave_mass(time)
    # The reference values are quoted to eight decimals.
    np.testing.assert_allclose(values @ trapezoid_weights(x) - mass, bias, atol=1e-8)


@pytest.mark.parametrize("nodes", [[0.0], [0.0, 0.0], [0.0, np.nan], [1.0, 0.0]])
def test_bad_nodes_are_refused(nodes):
    with pytest.raises(ValueError, match="at least 2 finite, strictly increasing nodes"):
        trapezoid_weights(np.asarray(nodes))
