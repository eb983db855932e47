import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid
from solvers.laws import Stefan

pytestmark = pytest.mark.usefixtures("x64")

GOLDEN = [
    (0.5, 0.620062633314, 0.807155166909, 0.277300439679, 0.203655945195),
    (0.6, 0.525669799640, 0.736965673918, 0.235086681143, 0.185946205948),
    (0.7, 0.434355446678, 0.650810073266, 0.194249661034, 0.164208006152),
]


@pytest.mark.parametrize(("threshold", "z", "amplitude", "front", "mass"), GOLDEN)
def test_golden_values(threshold, z, amplitude, front, mass):
    law = Stefan(threshold)
    # The golden values carry twelve decimals.
    np.testing.assert_allclose(law.front_coefficient(), z, atol=1e-12)
    np.testing.assert_allclose(law.amplitude(), amplitude, atol=1e-12)
    np.testing.assert_allclose(law.front(0.05), front, atol=1e-12)
    np.testing.assert_allclose(law.similarity_mass(0.05), mass, atol=1e-12)


@pytest.mark.parametrize(("threshold", "z"), [(0.2, 0.9957266334), (0.8, 0.3400822454)])
def test_front_coefficient_far_from_the_middle(threshold, z):
    np.testing.assert_allclose(Stefan(threshold).front_coefficient(), z, atol=1e-10)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7])
@pytest.mark.parametrize("conductivity", [1.0, 2.5])
def test_jump_condition_and_heat_equation_behind_the_front(threshold, conductivity):
    law = Stefan(threshold, conductivity)
    t = jnp.array(0.05)
    front, speed = law.front(t), jax.grad(law.front)(t)
    behind = front * (1 - 1e-12)
    np.testing.assert_allclose(law.similarity(t, behind), threshold, rtol=1e-10)
    assert law.similarity(t, front * (1 + 1e-12)) == 0.0
    slope = jax.grad(law.similarity, 1)
    np.testing.assert_allclose(threshold * speed, -conductivity * slope(t, behind), rtol=1e-9)
    x = 0.5 * front
    heat = jax.grad(law.similarity, 0)(t, x) - conductivity * jax.grad(slope, 1)(t, x)
    np.testing.assert_allclose(heat, 0.0, atol=1e-10)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7])
def test_averages_integrate_to_the_mass(threshold):
    law, grid = Stefan(threshold), Grid.uniform(0.0, 1.0, 200)
    averages = law.similarity_averages(0.05, jnp.asarray(grid.faces[0]))
    # Closed forms on both sides: round-off of 200 differences.
    np.testing.assert_allclose(grid.integrate(averages), law.similarity_mass(0.05), rtol=1e-12)
    middle = law.similarity(0.05, jnp.asarray(grid.centers[0][:30]))
    np.testing.assert_allclose(averages[:30], middle, atol=1e-5)  # midpoint: h²u''/24


def test_before_the_start_there_is_nothing():
    law = Stefan(0.6)
    faces = jnp.linspace(0.0, 1.0, 5)
    np.testing.assert_array_equal(law.similarity(0.0, faces), 0.0)
    np.testing.assert_array_equal(law.similarity_averages(0.0, faces), 0.0)


def test_derivative_of_the_front_with_respect_to_the_threshold():
    front = lambda u_star: Stefan(u_star).front(0.05)
    eps = 1e-6
    slope = (front(0.6 + eps) - front(0.6 - eps)) / (2 * eps)
    # Central differences: truncation eps² plus round-off 1e-16/eps.
    np.testing.assert_allclose(jax.grad(front)(0.6), slope, rtol=1e-8)
    slopes = jax.jit(jax.vmap(jax.grad(front)))(jnp.array([0.5, 0.6]))
    np.testing.assert_allclose(slopes[1], slope, rtol=1e-8)
