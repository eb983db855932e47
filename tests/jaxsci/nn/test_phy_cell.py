"""Moments of kernels, and the cell whose prediction is a partial differential equation."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import PhyCell, derivative_kernels, moments

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize("size", [1, 3, 7])
def test_derivative_kernels_have_the_moment_of_their_derivative_alone(size):
    kernels = derivative_kernels(size)
    targets = np.eye(size**2).reshape(-1, size, size)
    # Weights up to 20² with factors 3^6 / 6! = 1 a coordinate: some hundred units of round-off.
    np.testing.assert_allclose(moments(jnp.asarray(kernels)), targets, atol=1e-12)


def test_known_finite_differences():
    kernels = derivative_kernels(3).reshape(3, 3, 3, 3)
    middle = np.array([0.0, 1, 0])
    np.testing.assert_allclose(kernels[1, 0], np.outer([-0.5, 0, 0.5], middle), atol=1e-15)
    np.testing.assert_allclose(kernels[0, 2], np.outer(middle, [1, -2, 1]), atol=1e-15)


def test_moments_are_the_sums_of_their_definition():
    kernel = np.random.default_rng(0).standard_normal((5, 5))
    u = np.arange(5) - 2
    for i in range(5):
        for j in range(5):
            expected = (kernel * np.outer(u**i, u**j)).sum() / math.factorial(i) / math.factorial(j)
            np.testing.assert_allclose(moments(jnp.asarray(kernel))[i, j], expected, atol=1e-12)


def heat(filled, *, kernel, nu_dt):
    """A cell whose equation is h_t = ν (h_xx + h_yy), and which never corrects."""
    cell = filled(
        PhyCell, dtype=float, channels=1, kernel=kernel, constraint="hard", normalise=False
    )
    c = np.zeros((1, 1, kernel**2, 1))
    c[0, 0, [2 * kernel, 2], 0] = nu_dt
    zeros = (jnp.zeros_like(cell.combine.bias), jnp.zeros_like(cell.gain.weight))
    return eqx.tree_at(
        lambda m: (m.weight, m.combine.weight, m.combine.bias, m.gain.weight, m.gain.bias),
        cell,
        (jnp.ones_like(cell.weight), jnp.asarray(c), *zeros, jnp.full(1, -jnp.inf)),
    )


def test_a_step_of_the_heat_equation_is_exact_for_polynomials(filled):
    kernel, nu_dt = 5, 0.1
    cell = heat(filled, kernel=kernel, nu_dt=nu_dt)
    x, y = np.meshgrid(np.arange(9.0) - 4, np.arange(8.0) - 3, indexing="ij")
    h = x**4 - 2 * x * y**3 + 3 * x**2 * y + y
    laplacian = 12 * x**2 - 12 * x * y + 6 * y
    step = cell(jnp.asarray(x[..., None]), jnp.asarray(h[..., None]))[..., 0]
    inside = slice(kernel // 2, -(kernel // 2))
    # Differences of numbers up to 400 with weights up to 2.
    np.testing.assert_allclose(
        step[inside, inside], (h + nu_dt * laplacian)[inside, inside], atol=1e-11
    )


def test_hard_moments_hold_whatever_the_weights(filled):
    cell = filled(PhyCell, dtype=float, channels=3, kernel=3, constraint="hard")
    found = moments(cell.kernels).reshape(9, 3, 9)
    expected = np.asarray(cell.weight)[:, :, None] * np.eye(9)[:, None]
    np.testing.assert_allclose(found, expected, atol=1e-14)
    assert cell.moment_loss() == 0


def test_moment_loss_is_zero_at_the_derivatives_only(filled):
    cell = filled(PhyCell, dtype=float, channels=2, kernel=3)
    exact = jnp.broadcast_to(jnp.asarray(derivative_kernels(3))[:, None], cell.weight.shape)
    at_derivatives = eqx.tree_at(lambda m: m.weight, cell, exact)
    assert at_derivatives.moment_loss() < 1e-28  # squares of round-off
    off = np.asarray(moments(cell.weight)) - np.eye(9).reshape(9, 1, 3, 3)
    # A mean over 9 kernels of 9 moments in each channel, and the sum of the channels.
    np.testing.assert_allclose(cell.moment_loss(), (off**2).sum() / 81, rtol=1e-12)


def test_the_gain_moves_the_prediction_to_the_observation(filled):
    cell = filled(PhyCell, dtype=float, channels=2, kernel=3)
    u, h = (jnp.asarray(np.random.default_rng(s).standard_normal((4, 5, 2))) for s in (0, 1))
    gain = lambda bias: eqx.tree_at(lambda m: m.gain.bias, cell, jnp.full(2, bias))
    np.testing.assert_allclose(gain(jnp.inf)(u, h), u, atol=1e-14)
    np.testing.assert_allclose(gain(-jnp.inf)(u, h), h + cell.physics(h), atol=1e-14)


def test_options_are_checked(key):
    with pytest.raises(ValueError, match="PhyCell expected kernel to be odd, got 4"):
        PhyCell(channels=1, kernel=4, key=key)
    with pytest.raises(ValueError, match="size to be odd, got 4"):
        derivative_kernels(4)


@pytest.mark.usefixtures("unchecked")
def test_another_constraint_is_refused(key):
    with pytest.raises(ValueError, match="constraint 'soft' or 'hard', got 'firm'"):
        PhyCell(channels=1, constraint="firm", key=key)
