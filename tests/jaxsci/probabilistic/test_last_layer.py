"""Bayesian last layers find the closed-form posterior of a linear model with known noise."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.constraints import conservation, project
from jaxsci.nn import Pointwise
from jaxsci.operators import FNO
from jaxsci.probabilistic import LastLayer, LastLayerPosterior, moment_match_low_rank
from solvers import Grid

TAU, NOISE = 0.8, 0.3


class Operator(eqx.Module):
    """Two features of a field, and an affine map of them."""

    hidden: Pointwise
    out: Pointwise

    def __init__(self, key):
        keys = jax.random.split(key)
        self.hidden = Pointwise(in_channels=1, out_channels=2, key=keys[0])
        self.out = Pointwise(in_channels=2, out_channels=1, key=keys[1])

    def __call__(self, x):
        return self.out(jnp.tanh(2 * self.hidden(x)))


class Doubled(eqx.Module):
    """An operator that goes on after its affine layer."""

    inner: Pointwise

    def __call__(self, x):
        return 2 * self.inner(x)


@pytest.fixture
def data(key):
    x = 2 * jax.random.normal(key, (5, 1, 4))
    noise = NOISE * jax.random.normal(jax.random.key(9), x.shape)
    return Operator(key), x, jnp.sin(x) + noise


def closed_form(model, x, y):
    """Mean and covariance of (W, c): V = (Φᵀ Φ / s² + I / τ²)⁻¹, V Φᵀ y / s²."""
    hidden = model.hidden
    weight, bias = np.asarray(hidden.weight, float), np.asarray(hidden.bias, float)
    phi = np.tanh(2 * (np.asarray(x, float).reshape(-1, 1) @ weight.T + bias))
    phi = np.c_[phi, np.ones(len(phi))]
    covariance = np.linalg.inv(phi.T @ phi / NOISE**2 + np.eye(3) / TAU**2)
    return covariance @ phi.T @ np.asarray(y, float).ravel() / NOISE**2, covariance, phi


def drawn(posterior):
    weight = np.asarray(posterior.layers.weight)[:, 0]
    return np.c_[weight, np.asarray(posterior.layers.bias)]


def agrees(posterior, data, effective):
    """Moments within five standard errors of `effective` independent draws."""
    model, x, y = data
    mean, covariance, phi = closed_form(model, x, y)
    weights, scale = drawn(posterior), np.sqrt(np.diag(covariance))
    assert (np.abs(weights.mean(0) - mean) < 5 * scale / np.sqrt(effective)).all()
    error = np.abs(np.cov(weights.T) - covariance)
    # var of a sample covariance: (Σ_ij² + Σ_ii Σ_jj) / n <= 2 Σ_ii Σ_jj / n.
    assert (error < 5 * np.sqrt(2 / effective) * np.outer(scale, scale)).all()
    field = posterior.predict(x[0])
    assert field.batch_shape == (1, 4)
    exact = np.einsum("ni,ij,nj->n", phi[:4], covariance, phi[:4])
    spread = np.sqrt(exact / effective)
    assert (np.abs(np.asarray(field.mean)[0] - phi[:4] @ mean) < 5 * spread).all()
    bound = 5 * np.sqrt(2 / effective) * exact + 1e-6
    assert (np.abs(np.asarray(field.variance)[0] - exact - NOISE**2) < bound).all()


@pytest.mark.slow
def test_nuts_finds_the_closed_form(data, key):
    model, x, y = data
    layer = LastLayer(model, lambda m: m.out, prior_scale=TAU, noise=NOISE)
    posterior = layer.nuts(x, y, warmup=300, samples=2000, key=key)
    assert not posterior.diverging.any()
    assert posterior.noise == pytest.approx(np.full(2000, NOISE, np.float32))
    # On a Gaussian with its mass matrix, successive samples of NUTS are hardly correlated: half of them count.
    agrees(posterior, data, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [None, 3])
def test_svi_finds_the_closed_form(data, key, rank):
    model, x, y = data
    layer = LastLayer(model, lambda m: m.out, prior_scale=TAU, noise=NOISE)
    posterior = layer.svi(x, y, rank=rank, samples=1000, key=key)
    # The posterior is in the family of the guide: what is left of Adam's noise is below that of 1000 draws.
    agrees(posterior, data, 1000)
    assert posterior.losses[-1] < posterior.losses[0]


@pytest.mark.slow
def test_noise_is_learned(key):
    keys = jax.random.split(key)
    model = Operator(keys[0])
    x = 2 * jax.random.normal(keys[1], (40, 1, 8))
    y = jax.vmap(model)(x) + NOISE * jax.random.normal(keys[0], x.shape)
    posterior = LastLayer(model, lambda m: m.out).nuts(x, y, warmup=200, samples=200, key=key)
    # 320 residuals determine their scale to s / sqrt(640) = 0.012, and the posterior is as wide: five of both.
    assert abs(float(posterior.noise.mean()) - NOISE) < 0.06
    assert float(posterior.noise.std()) == pytest.approx(0.012, rel=0.5)


def test_a_posterior_is_projected(data, key):
    model, x, _ = data
    layers = eqx.filter_vmap(lambda k: Pointwise(in_channels=2, out_channels=1, key=k))(
        jax.random.split(key, 6)
    )
    trunk, none = LastLayer(model, lambda m: m.out).trunk, jnp.zeros(0)
    posterior = LastLayerPosterior(trunk, layers, jnp.full(6, NOISE), none, none)
    fields = eqx.filter_jit(posterior)(x[0])
    assert fields.batch_shape == (6, 1, 4)
    alone = eqx.tree_at(
        lambda m: (m.out.weight, m.out.bias), model, (layers.weight[1], layers.bias[1])
    )
    np.testing.assert_allclose(fields.loc[1], eqx.filter_jit(alone)(x[0]), atol=1e-6)
    constraint = conservation(Grid.uniform(0.0, 1.0, 4), 0.7)
    together = lambda fields: project(moment_match_low_rank(fields), constraint)
    moved = jax.jit(together)(fields)
    assert float(moved.mean.mean()) == pytest.approx(0.7, abs=1e-6)


@pytest.mark.slow
def test_features_are_those_of_the_operator(key):
    fno = FNO(in_channels=1, out_channels=1, width=3, modes=(2,), depth=1, projection=2, key=key)
    layer = LastLayer(fno, lambda m: m.project[1])
    x = jax.random.normal(key, (2, 1, 8))
    features = layer.features(x)
    assert features.shape == (2, 2, 8)
    np.testing.assert_allclose(
        jax.vmap(lambda f: fno.project[1](f))(features), jax.vmap(lambda u: fno(u))(x), atol=1e-6
    )


def test_refusals(data, key):
    model, x, y = data
    with pytest.raises(TypeError, match="affine layer with a weight, got Operator"):
        LastLayer(model, lambda m: m)
    with pytest.raises(ValueError, match="got TypeError from the operator without it"):
        LastLayer(model, lambda m: m.hidden).features(x)
    early = Doubled(Pointwise(in_channels=1, out_channels=1, key=key))
    with pytest.raises(ValueError, match="after which the operator goes on"):
        LastLayer(early, lambda m: m.inner).features(x)
    layer = LastLayer(model, lambda m: m.out)
    with pytest.raises(ValueError, match=r"targets of shape \(5, 1, 4\)"):
        layer.nuts(x, y[:, 0], key=key)
    with pytest.raises(ValueError, match="at least one input"):
        layer.nuts(x[:0], y[:0], key=key)
    with pytest.raises(ValueError, match="target"):
        layer.nuts(x, y.at[0].set(jnp.nan), key=key)
    with pytest.raises(ValueError, match="positive, finite noise, got 0"):
        LastLayer(model, lambda m: m.out, noise=0.0)
