"""Monotone profiles and profiles of limited variation, with their totals: nearest, exact, differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import minimize

from jaxsci.constraints import (
    AffineConstraint,
    Ensemble,
    Monotone,
    TotalVariation,
    conservation,
    project,
)
from solvers import Grid

GRID = Grid(np.array([0.0, 0.1, 0.25, 0.3, 0.6, 0.65, 0.8, 1.0]))
TURNED = Grid(1.0 - GRID.faces[0][::-1])
WEIGHTS = np.asarray(GRID.volumes).ravel()
N = 7
pytestmark = pytest.mark.usefixtures("x64")


def drawn(seed):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=N)), jnp.asarray(rng.uniform(0.2, 2.0, N))


@jax.jit
def monotone(mean, scale, total):
    return project(dist.Normal(mean, scale), Monotone(conservation(GRID, total)))


@jax.jit
def limited(mean, scale, total, limit):
    return project(dist.Normal(mean, scale), TotalVariation(conservation(GRID, total), limit))


def variation(u):
    return np.abs(np.diff(u, axis=-1)).sum(-1)


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_monotone_profile(seed):
    mean, scale = drawn(seed)
    out = np.asarray(monotone(mean, scale, 0.4).mean)
    assert np.all(np.diff(out) >= 0)
    np.testing.assert_allclose(out @ WEIGHTS, 0.4, atol=1e-15)
    other = minimize(
        lambda u: np.sum(((u - mean) / scale) ** 2),
        np.linspace(0.0, 0.8, N),
        jac=lambda u: np.asarray(2 * (u - mean) / scale**2),
        constraints=[
            {"type": "eq", "fun": lambda u: u @ WEIGHTS - 0.4},
            {"type": "ineq", "fun": np.diff},
        ],
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 500},
    )
    # What SLSQP leaves; the condition number of the problem is a hundred.
    np.testing.assert_allclose(out, other.x, atol=2e-7)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [0.3, 1.5])
def test_the_nearest_profile_of_limited_variation(seed, limit):
    mean, scale = drawn(seed)
    out = np.asarray(limited(mean, scale, 0.4, limit).mean)
    assert variation(mean) > 1.5
    np.testing.assert_allclose(variation(out), limit, rtol=1e-13)
    np.testing.assert_allclose(out @ WEIGHTS, 0.4, atol=1e-15)
    steps = lambda z: np.diff(z[:N])
    other = minimize(  # over u and bounds of its steps
        lambda z: np.sum(((z[:N] - mean) / scale) ** 2),
        np.concatenate([np.full(N, 0.4), np.full(N - 1, 0.01)]),
        jac=lambda z: np.concatenate([2 * (z[:N] - mean) / scale**2, np.zeros(N - 1)]),
        constraints=[
            {"type": "eq", "fun": lambda z: z[:N] @ WEIGHTS - 0.4},
            {"type": "ineq", "fun": lambda z: z[N:] - steps(z)},
            {"type": "ineq", "fun": lambda z: z[N:] + steps(z)},
            {"type": "ineq", "fun": lambda z: limit - z[N:].sum()},
        ],
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 500},
    )
    np.testing.assert_allclose(out, other.x[:N], atol=1e-6)


def test_what_holds_already_is_the_plain_projection():
    mean, scale = jnp.linspace(-1.0, 1.0, N), drawn(0)[1]
    rule = conservation(GRID, (WEIGHTS @ mean).item() + 0.02)
    plain = project(dist.Normal(mean, scale), rule)
    assert np.all(np.diff(plain.mean) > 0)
    total = rule.values[0].item()
    for out in (monotone(mean, scale, total), limited(mean, scale, total, 9.0)):
        np.testing.assert_allclose(out.mean, plain.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(out.variance, plain.variance, rtol=1e-11)


def test_no_variation_is_a_constant():
    mean, scale = drawn(2)
    np.testing.assert_allclose(limited(mean, scale, 0.4, 0.0).mean, 0.4, atol=1e-14)


def test_decreasing_is_increasing_backwards():
    mean, scale = drawn(2)
    turned = lambda m, s: project(dist.Normal(m, s), Monotone(conservation(TURNED, 0.4)))
    rule = Monotone(conservation(GRID, 0.4), increasing=False)
    out = jax.jit(project)(dist.Normal(mean, scale), rule).mean
    assert np.all(np.diff(out) <= 0)
    np.testing.assert_allclose(out, jax.jit(turned)(mean[::-1], scale[::-1]).mean[::-1], atol=1e-15)


@pytest.mark.parametrize("limit", [None, 0.8])
def test_derivatives_are_those_of_finite_differences(limit):
    rng = np.random.default_rng(0)
    mean, scale = drawn(4)
    ways = [rng.normal(size=N), 0.2 * rng.normal(size=N), 1.0, 0.5]
    at = [mean, scale, 0.4, limit]

    def along(step):
        inputs = [x + step * w for x, w in zip(at, ways, strict=True) if x is not None]
        out = monotone(*inputs) if limit is None else limited(*inputs)
        return jnp.sum(jnp.sin(3 * out.mean)) + jnp.sum(out.variance)

    difference = (along(1e-6) - along(-1e-6)) / 2e-6
    # Round-off of 1e-15 over the step.
    np.testing.assert_allclose(jax.jit(jax.grad(along))(0.0), difference, rtol=1e-7)


def test_variance_is_that_of_the_jacobian():
    """Where the blocks stay the projection is linear: Σ̃ = P Σ Pᵀ with P its Jacobian."""
    mean, scale = drawn(3)
    for call in (lambda m: monotone(m, scale, 0.4), lambda m: limited(m, scale, 0.4, 0.8)):
        p = jax.jit(jax.jacfwd(lambda m, call=call: call(m).mean))(mean)
        expected = jnp.diagonal(p @ jnp.diag(scale**2) @ p.T)
        np.testing.assert_allclose(call(mean).variance, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.slow  # compiles three more programs
def test_batches_draws_and_members():
    means, scales = (jnp.stack(x) for x in zip(*(drawn(s) for s in range(3)), strict=True))
    totals, limits = jnp.array([0.1, 0.2, 0.3]), jnp.array([0.5, 9.0, 1.5])
    together = limited(means, scales, totals, limits)
    for i in range(3):
        single = limited(means[i], scales[i], totals[i].item(), limits[i].item())
        np.testing.assert_allclose(together.mean[i], single.mean, atol=1e-14)
    rule = Monotone(conservation(GRID, 0.4))
    draws = jax.jit(lambda k: project(dist.Normal(means[0], scales[0]), rule).sample(k, (4,)))(
        jax.random.key(0)
    )
    assert draws.shape == (4, N)
    assert np.all(np.diff(draws) >= -1e-14)
    np.testing.assert_allclose(draws @ WEIGHTS, 0.4, atol=1e-14)
    members = jax.jit(project)(Ensemble(means), rule).members
    assert np.all(np.diff(members) >= -1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_long_profiles_with_ties(kind):
    """A noisy step with plateaus, equal weights: the certificate holds in both precisions."""
    n = 400
    rng = np.random.default_rng(0)
    grid = Grid.uniform(0.0, 1.0, n)
    x = np.linspace(0.0, 1.0, n)
    mean = np.round(np.where(x < 0.4, 0.0, 1.0) + 0.2 * rng.normal(size=n), 2).astype(kind)
    field = dist.Normal(jnp.asarray(mean), jnp.asarray(rng.uniform(0.1, 0.3, n), dtype=kind))
    total = conservation(grid, kind(0.6))
    for rule in (Monotone(total), TotalVariation(total, kind(1.2))):
        out = jax.jit(project)(field, rule).mean
        assert out.dtype == kind
        np.testing.assert_allclose(
            np.mean(out, dtype=np.float64), 0.6, atol=10 * np.finfo(kind).eps
        )
        assert variation(out) <= (1.2 if isinstance(rule, TotalVariation) else 2.0) * (1 + 1e-5)


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused():
    rule = conservation(GRID, 1.0)
    with pytest.raises(TypeError, match="Monotone expected an AffineConstraint, got float"):
        Monotone(1.0)
    with pytest.raises(ValueError, match="one exact row over two or more cells"):
        TotalVariation(conservation(GRID, 1.0, noise=0.1), 1.0)
    with pytest.raises(ValueError, match="positive weights, got -1"):
        Monotone(AffineConstraint(np.array([[1.0, -1.0]]), np.zeros(1)))
    with pytest.raises(ValueError, match=r"a limit of zero or more, got -0\.5"):
        TotalVariation(rule, -0.5)
    with pytest.raises(TypeError, match="Normal or an Ensemble for Monotone"):
        project(dist.MultivariateNormal(jnp.zeros(N), jnp.eye(N)), Monotone(rule))
    mean, scale = drawn(0)
    with pytest.raises(Exception, match="a scale that is not positive"):
        monotone(mean, scale.at[2].set(0.0), 0.4)
    with pytest.raises(Exception, match="that it can certify as nearest"):
        limited(mean, scale, 0.4, -0.5)
