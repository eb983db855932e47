"""Gaussian processes against dense formulas, known answers and their own draws."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxsci.constraints import conservation, project
from jaxsci.probabilistic import RBF, GaussianProcess, Matern, calibration, fit_gaussian_process
from solvers import Grid


def points(n, dims=2, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(n, dims)))


def numbers(n, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=n))


def kernels(dtype=float):
    lengths, amplitude = np.array([0.3, 0.7], dtype), np.asarray(1.4, dtype)
    yield RBF(lengths, amplitude)
    for smoothness in (0.5, 1.5, 2.5):
        yield Matern(lengths, amplitude, smoothness=smoothness)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("which", range(4))
def test_kernels_are_the_textbook_ones(which):
    kernel = list(kernels())[which]
    x, y = points(5), points(4, seed=1)
    r = np.sqrt((((np.asarray(x)[:, None] - np.asarray(y)) / [0.3, 0.7]) ** 2).sum(-1))
    if which == 0:
        rho = np.exp(-(r**2) / 2)
    else:  # equation 4.14 of Rasmussen and Williams, with the modified Bessel function
        nu = kernel.smoothness
        z = np.sqrt(2 * nu) * r
        rho = 2 ** (1 - nu) / special.gamma(nu) * z**nu * special.kv(nu, z)
    np.testing.assert_allclose(kernel(x, y), 1.4**2 * rho, rtol=1e-12)
    np.testing.assert_allclose(jnp.diagonal(kernel(x, x)), 1.4**2, rtol=1e-14)
    slope = jax.grad(lambda x: kernel(x, x).sum())(x)
    np.testing.assert_allclose(
        slope.sum(0), 0.0, atol=1e-12
    )  # finite, and translations change nothing


@pytest.mark.parametrize("smoothness", [0.5, 1.5, 2.5])
def test_a_coordinate_that_is_not_known_is_beside_nothing(smoothness):
    kernel = Matern(jnp.ones(1), 1.0, smoothness=smoothness)
    covariance = kernel(jnp.array([[jnp.nan], [0.0]]), jnp.zeros((1, 1)))
    np.testing.assert_array_equal(covariance, [[jnp.nan], [1.0]])


@pytest.mark.usefixtures("x64")
def test_predictions_are_those_of_the_dense_formulas():
    kernel = list(kernels())[2]
    process = GaussianProcess(kernel, noise=0.2, mean=0.5)
    x, targets = points(12), points(7, seed=1)
    y = numbers(12)
    everywhere = jnp.r_[x, targets]
    joint = np.array(kernel(everywhere, everywhere))
    joint[:12, :12] += 0.04 * np.eye(12)
    gain = joint[12:, :12] @ np.linalg.inv(joint[:12, :12])
    out = eqx.filter_jit(process)(x, y, targets)
    # The jitter is 12 ε, and the condition number of the covariance about 1e2.
    np.testing.assert_allclose(out.mean, 0.5 + gain @ (y - 0.5), atol=1e-12)
    covariance = joint[12:, 12:] - gain @ joint[:12, 12:]
    np.testing.assert_allclose(out.covariance_matrix, covariance, atol=1e-12)
    marginal = eqx.filter_jit(process.marginal)(x, y, targets)
    np.testing.assert_allclose(marginal.mean, out.mean, atol=1e-13)
    np.testing.assert_allclose(marginal.variance, np.diag(covariance), atol=1e-12)
    exact = stats.multivariate_normal.logpdf(y, np.full(12, 0.5), joint[:12, :12])
    np.testing.assert_allclose(process.log_marginal_likelihood(x, y), exact, rtol=1e-11)


@pytest.mark.usefixtures("x64")
def test_brownian_bridges_and_far_targets():
    # Exponential covariance is Markov: given both neighbours, what lies beyond them says nothing.
    process = GaussianProcess(Matern([0.5], smoothness=0.5), noise=1e-6)
    x, y = jnp.array([[0.0], [0.4], [1.0], [2.0]]), jnp.array([1.0, -0.5, 0.3, 8.0])
    marginal = eqx.filter_jit(process.marginal)
    inside = marginal(x, y, jnp.array([[0.7]]))
    near = marginal(x[1:3], y[1:3], jnp.array([[0.7]]))
    # Noise of variance 1e-12 is all that breaks the property.
    np.testing.assert_allclose(inside.mean, near.mean, atol=1e-9)
    # Halfway, the Ornstein-Uhlenbeck bridge has the mean (y_1 + y_2) / (2 cosh h) and variance tanh h.
    h = 0.3 / 0.5
    np.testing.assert_allclose(near.mean, (-0.5 + 0.3) / (2 * np.cosh(h)), atol=1e-9)
    np.testing.assert_allclose(near.variance, np.tanh(h), atol=1e-9)
    far = marginal(x, y, jnp.array([[60.0]]))
    np.testing.assert_allclose([far.mean[0], far.variance[0]], [0.0, 1.0], atol=1e-12)


def test_single_precision_factorises_close_points():
    # 60 points of a smooth field in a row: the condition number is far beyond 1/ε in float32.
    x = jnp.linspace(0.0, 1.0, 60)[:, None]
    process = GaussianProcess(RBF([0.5]), noise=1e-3)
    out = process(x, jnp.sin(6 * x[:, 0]), x)
    assert jnp.isfinite(out.scale_tril).all()
    # Jitter of 60 ε = 7e-6 acts as observation noise of 3e-3; the error is a few of them.
    np.testing.assert_allclose(out.mean, jnp.sin(6 * x[:, 0]), atol=0.01)


def test_what_is_not_positive_definite_is_refused():
    class Wrong(RBF):
        def correlation(self, square):
            return 1.0 - 4 * square  # no covariance at all

    x = jnp.linspace(0.0, 1.0, 5)[:, None]
    with pytest.raises(RuntimeError, match="positive definite in float32"):
        GaussianProcess(Wrong([1.0]), noise=0.1).log_marginal_likelihood(x, x[:, 0])


@pytest.mark.usefixtures("x64")
def test_a_field_in_time_and_space_conserves_its_total():
    grid = Grid.uniform(0.0, 1.0, 20)
    cells = jnp.stack([jnp.full(20, 0.5), jnp.asarray(grid.centers[0])], axis=1)
    process = GaussianProcess(Matern([0.5, 0.2], smoothness=2.5), noise=0.05)
    x = points(15)
    field = eqx.filter_jit(process)(x, jnp.sin(6 * x[:, 1]), cells)
    moved = jax.jit(project)(field, conservation(grid, 0.3))
    np.testing.assert_allclose(moved.mean.mean(), 0.3, atol=1e-13)
    # A total is one more linear observation: the variances fall, the field's total has none left.
    assert (moved.variance <= field.variance).all()
    row = np.full(20, 1 / 20)
    gain = field.covariance_matrix @ row / (row @ field.covariance_matrix @ row)
    np.testing.assert_allclose(moved.mean, field.mean + gain * (0.3 - row @ field.mean), atol=1e-11)


def test_the_likelihood_has_the_gradient_of_finite_differences(x64):
    x, y = points(10), numbers(10)

    def value(theta):
        kernel = Matern(jnp.exp(theta[:2]), jnp.exp(theta[2]), smoothness=1.5)
        return GaussianProcess(kernel, noise=jnp.exp(theta[3])).log_marginal_likelihood(x, y)

    theta, step = jnp.array([-1.0, -0.5, 0.2, -1.5]), 1e-6
    slope = jax.jit(jax.grad(value))(theta)
    value = jax.jit(value)
    differences = [
        (value(theta.at[i].add(step)) - value(theta.at[i].add(-step))) / (2 * step)
        for i in range(4)
    ]
    # Central differences: truncation ~ 1e-12, round-off ~ 10 ε / step = 2e-9.
    np.testing.assert_allclose(slope, differences, atol=1e-7)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_hyperparameters_are_learned_from_draws():
    truth = GaussianProcess(RBF([0.3, 0.6], 1.5), noise=0.1)
    x = jnp.stack([points(40, seed=i) for i in range(12)])
    cover = jax.vmap(lambda p: truth.kernel(p, p))(x) + 0.01 * jnp.eye(40)
    y = (jnp.linalg.cholesky(cover) @ numbers((12, 40, 1)))[..., 0]
    start = GaussianProcess(RBF([0.5, 0.5], 1.0), noise=0.3)
    fitted, losses = fit_gaussian_process(start, x, y, spread=3.0, steps=300)
    # 480 observations: about 5 % of each length, 10 % of the amplitude, 4 % of the noise; three of them.
    np.testing.assert_allclose(fitted.kernel.lengthscale, [0.3, 0.6], rtol=0.15)
    assert float(fitted.kernel.variance) == pytest.approx(1.5**2, rel=0.6)
    assert float(fitted.noise) == pytest.approx(0.1, rel=0.15)
    assert abs(losses[-1] - losses[-20]) < 1e-2  # settled


def test_the_prior_holds_what_the_data_do_not_tell():
    # One observation says nothing about lengths: they stay at the median of the prior.
    start = GaussianProcess(RBF([0.5]), noise=0.3)
    fitted, _ = fit_gaussian_process(start, jnp.zeros((1, 1)), jnp.ones(1), steps=5)
    np.testing.assert_array_equal(fitted.kernel.log_lengthscale, start.kernel.log_lengthscale)
    assert fitted.mean != 0


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_bands_of_the_process_hold_its_own_draws_projected_or_not(key):
    process = GaussianProcess(Matern([0.3], smoothness=1.5), noise=0.1)
    grid, n, draws = Grid.uniform(0.0, 1.0, 6), 5, 12_000
    x = jnp.r_[points(n, 1), jnp.asarray(grid.centers[0])[:, None]]
    root = jnp.linalg.cholesky(process.kernel(x, x) + 1e-12 * jnp.eye(n + 6))

    def trial(key):
        joint, noise = (jax.random.normal(k, (n + 6,)) for k in jax.random.split(key))
        field = root @ joint
        prediction = process(x[:n], field[:n] + 0.1 * noise[:n], x[n:])
        moved = project(prediction, conservation(grid, field[n:].mean()))
        return [calibration(d, field[n:], (0.5, 0.9)) for d in (prediction, moved)]

    before, after = jax.jit(jax.vmap(trial))(jax.random.split(key, draws))
    # Binomial error sqrt(0.9 · 0.1 / 12000) = 0.27 % at most, for points of a field that all hold or miss.
    for covered in (before.mean(0), after.mean(0)):
        assert abs(float(covered[1]) - 0.9) < 0.01
        assert abs(float(covered[0]) - 0.5) < 0.02


@pytest.mark.usefixtures("unchecked")
def test_refusals():
    with pytest.raises(ValueError, match="finite log lengthscale"):
        RBF([0.0])
    with pytest.raises(ValueError, match=r"lengthscale of shape \(dims,\)"):
        RBF(1.0)
    with pytest.raises(ValueError, match="finite log noise"):
        GaussianProcess(RBF([1.0]), noise=-1.0)
    process = GaussianProcess(RBF([1.0]), noise=0.1)
    with pytest.raises(ValueError, match=r"points of shape \(n >= 1, 1\)"):
        process.log_marginal_likelihood(jnp.zeros((3, 2)), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"targets of shape \(targets, 1\)"):
        process(jnp.zeros((3, 1)), jnp.zeros(3), jnp.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite observations"):
        process(jnp.zeros((1, 1)), jnp.full(1, jnp.nan), jnp.zeros((3, 1)))
