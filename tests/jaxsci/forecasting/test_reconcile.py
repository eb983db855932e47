"""Reconciliation: the dense formula, coherence to round-off, gradients, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize

import jaxsci
from jaxsci.constraints import Ensemble, project
from jaxsci.forecasting import Hierarchy, reconcile
from jaxsci.forecasting.reconcile import METHODS, shrunk_covariance

TREE = {"a": [*"xxxyyz"], "b": [*"123456"]}
SERIES, BOTTOM = 10, 6
ROUND_OFF = 1e-10  # golden: float64, conditions below 1e4


@pytest.fixture
def tree(x64):
    return Hierarchy.from_labels(TREE)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def residuals_of(rng, times=30):
    """Correlated errors of different size."""
    return rng.normal(size=(times, SERIES)) @ rng.normal(size=(SERIES, SERIES)) + 0.3


def covariances(tree, errors):
    """W by the published formulas, densely; shrinkage as in R's hts, pair by pair."""
    times = len(errors)
    second = errors.T @ errors / times
    unit = errors / np.sqrt(np.diag(second))
    top = low = 0.0
    for i in range(SERIES):
        for j in range(SERIES):
            if i != j:
                product = unit[:, i] * unit[:, j]
                top += product.var(ddof=1) / times
                low += product.mean() ** 2
    share = min(1.0, top / low)
    diagonal = np.diag(np.diag(second))
    return {
        "ols": np.eye(SERIES),
        "wls_structural": np.diag(np.asarray(tree.summing).sum(1).astype(float)),
        "wls_variance": diagonal,
        "mint": share * diagonal + (1 - share) * second,
    }


def needed(method, errors):
    return errors if method in ("wls_variance", "mint") else None


@pytest.mark.parametrize("times", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_every_method_is_the_dense_formula(tree, rng, times):
    """S(SᵀW⁻¹S)⁻¹SᵀW⁻¹ is idempotent, its image coherent, and what `reconcile` applies."""
    errors, mean = residuals_of(rng, times), 10 * rng.normal(size=(2, 3, SERIES))
    s, rows = np.asarray(tree.summing, float), np.asarray(tree.constraint.rows)
    weights = covariances(tree, errors)

    @jax.jit  # compiled once, not operation by operation
    def moved(mean, errors):
        run = lambda m, w: reconcile(m, tree, method=w, residuals=needed(w, errors))
        return {w: (run(mean, w), run(jnp.eye(SERIES), w)) for w in weights}

    for method, (out, own) in moved(mean, errors).items():
        inverse = np.linalg.inv(weights[method])
        p = s @ np.linalg.solve(s.T @ inverse @ s, s.T @ inverse)
        np.testing.assert_allclose(p @ p, p, atol=ROUND_OFF)
        np.testing.assert_allclose(own @ own, own, atol=ROUND_OFF)
        np.testing.assert_allclose(out, mean @ p.T, atol=ROUND_OFF)
        np.testing.assert_allclose(out @ rows.T, 0, atol=ROUND_OFF)


def test_shrinkage_keeps_variances_and_lies_between(tree, rng):
    errors = residuals_of(rng)
    w = shrunk_covariance(errors, SERIES).dense()
    np.testing.assert_allclose(w, covariances(tree, errors)["mint"], atol=1e-12)
    # Independent errors: the true correlations are 0, and nearly all of what is estimated goes.
    w = shrunk_covariance(rng.normal(size=(200, SERIES)), SERIES).dense()
    assert np.abs(w - np.diag(np.diag(w))).max() < 0.1


def test_bottom_up_is_the_projection_without_variance_at_the_bottom(tree, rng):
    mean = jnp.asarray(rng.normal(size=(3, SERIES)))
    out = reconcile(mean, tree, method="bottom_up")
    scale = jnp.ones(SERIES).at[jnp.asarray(tree.bottom)].set(0.0)
    limit = project(dist.Normal(mean, scale, validate_args=False), tree.constraint)
    np.testing.assert_allclose(out, limit.mean, atol=1e-13)
    np.testing.assert_array_equal(out[:, tree.bottom], mean[:, tree.bottom])


@pytest.mark.parametrize("method", METHODS)
def test_coherent_forecasts_stay(tree, rng, method):
    y = tree.aggregate(jnp.asarray(rng.normal(size=BOTTOM)))
    out = reconcile(y, tree, method=method, residuals=needed(method, residuals_of(rng)))
    np.testing.assert_allclose(out, y, atol=1e-12)


@pytest.mark.slow
def test_mint_lowers_the_error_of_every_level(tree, rng):
    """Base forecasts whose errors have the covariance of the residuals: trace(P W Pᵀ) is least."""
    truth = tree.aggregate(jnp.asarray(rng.normal(size=(2000, BOTTOM))))
    mix = rng.normal(size=(SERIES, SERIES))
    base = truth + rng.normal(size=(2000, SERIES)) @ mix
    residuals = rng.normal(size=(2000, SERIES)) @ mix

    @jax.jit
    def errors(base, residuals):
        run = lambda w: reconcile(base, tree, method=w, residuals=needed(w, residuals))
        return {w: jnp.mean((run(w) - truth) ** 2) for w in METHODS}

    error = errors(base, residuals) | {None: jnp.mean((base - truth) ** 2)}
    assert min(error, key=error.get) == "mint"
    # Random mixing, so reconciliation helps much: 2000 draws give 3 % accuracy, the gain is over 20 %.
    assert error["mint"] < 0.8 * error[None]


def test_a_distribution_moves_by_its_own_covariance(tree, rng):
    mean, scale = rng.normal(size=(2, SERIES)), rng.uniform(0.5, 2.0, (2, SERIES))

    @jax.jit
    def moved(mean, scale, members):
        out = reconcile(dist.Normal(mean, scale), tree)
        draws = out.sample(jax.random.key(0), (5,))
        return out.mean, out.variance, draws, reconcile(Ensemble(members), tree).members

    out = moved(mean, scale, rng.normal(size=(20, SERIES)))
    for k in range(2):
        s, inverse = np.asarray(tree.summing, float), np.diag(scale[k] ** -2)
        p = s @ np.linalg.solve(s.T @ inverse @ s, s.T @ inverse)
        np.testing.assert_allclose(out[0][k], p @ mean[k], atol=ROUND_OFF)
        variance = np.diag(p @ np.diag(scale[k] ** 2) @ p.T)
        np.testing.assert_allclose(out[1][k], variance, atol=ROUND_OFF)
    for samples in out[2:]:
        left = samples @ np.asarray(tree.constraint.rows).T
        np.testing.assert_allclose(left, 0, atol=ROUND_OFF)


def test_last_layer_under_transformations(tree, rng):
    """The same by vmap over horizons and in jit, hierarchies and residuals traced; float32 stays so."""
    errors, mean = jnp.asarray(residuals_of(rng)), jnp.asarray(rng.normal(size=(4, SERIES)))
    run = lambda m, t, r: reconcile(m, t, method="mint", residuals=r)
    mapped = eqx.filter_jit(eqx.filter_vmap(run, in_axes=(0, None, None)))(mean, tree, errors)
    w = covariances(tree, np.asarray(errors))["mint"]
    rows = np.asarray(tree.constraint.rows)
    gain = w @ rows.T @ np.linalg.inv(rows @ w @ rows.T)
    np.testing.assert_allclose(mapped, mean - mean @ rows.T @ gain.T, atol=1e-12)
    single = jax.tree.map(lambda x: x.astype(jnp.float32), (mean, errors))
    assert jax.eval_shape(lambda m, e: run(m, tree, e), *single).dtype == jnp.float32


def test_gradient_through_the_mean_the_scale_and_the_residuals(tree, rng):
    errors, target = jnp.asarray(residuals_of(rng, 5)), jnp.asarray(rng.normal(size=SERIES))

    @jax.jit
    def loss(x):
        mint = reconcile(x["mean"], tree, method="mint", residuals=x["errors"])
        own = reconcile(dist.Normal(x["mean"], jnp.exp(x["log_scale"])), tree)
        return jnp.sum((mint - target) ** 2) + jnp.sum((own.mean - target) ** 2 + own.variance)

    x = {"mean": jnp.zeros(SERIES) + 0.5, "log_scale": target / 3, "errors": errors}
    way = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), x)
    step = lambda size: loss(jax.tree.map(lambda a, b: a + size * b, x, way))
    slopes = jax.tree.map(jnp.vdot, jax.grad(loss)(x), way)
    exact = sum(slopes.values())
    # Central differences: truncation 1e-10 times third derivatives, round-off 1e-16 * 1e2 / 1e-5.
    np.testing.assert_allclose(exact, (step(1e-5) - step(-1e-5)) / 2e-5, rtol=1e-6)


class Model(eqx.Module):
    """Base forecasts that are linear in their features, and the layer."""

    weight: jax.Array
    tree: Hierarchy

    def __call__(self, x):
        return reconcile(x @ self.weight, self.tree, method="wls_structural")


def test_a_model_trained_through_it_stays_coherent(tree, rng):
    x = jnp.asarray(rng.normal(size=(40, 3)))
    y = tree.aggregate(x @ jnp.asarray(rng.normal(size=(3, BOTTOM))))
    model = Model(jnp.asarray(rng.normal(size=(3, SERIES))), tree)

    @eqx.filter_jit
    def step(model):
        error = lambda model: jnp.mean((model(x) - y) ** 2)
        loss, gradient = eqx.filter_value_and_grad(error)(model)
        return loss, eqx.apply_updates(model, jax.tree.map(lambda g: -1.0 * g, gradient))

    losses = []
    for _ in range(60):
        loss, model = step(model)
        losses.append(loss)
        left = np.asarray(model(x)) @ np.asarray(tree.constraint.rows).T
        np.testing.assert_allclose(left, 0, atol=ROUND_OFF)
    assert losses[-1] < 1e-3 * losses[0]  # realisable: y is linear in x
    np.testing.assert_array_equal(model.tree.summing, tree.summing)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("forecast", "options", "message"),
    [
        (np.zeros(9), {"method": "ols"}, "10 series as the last axis"),
        (np.full(10, np.nan), {"method": "bottom_up"}, "finite forecast"),
        (np.zeros(10), {}, "a method of .* got None"),
        (np.zeros(10), {"method": "top_down"}, "got 'top_down'"),
        (np.zeros(10), {"method": "mint"}, "residuals of shape .* got none"),
        (np.zeros(10), {"method": "ols", "residuals": np.ones((5, 10))}, "no residuals for ols"),
        (np.zeros(10), {"method": "mint", "residuals": np.ones((2, 10))}, "times >= 3"),
        (np.zeros(10), {"method": "mint", "residuals": np.ones((5, 9))}, "series=10"),
        (np.zeros(10), {"method": "mint", "residuals": np.full((5, 10), np.nan)}, "finite resid"),
        (dist.Normal(np.zeros(10), np.ones(10)), {"method": "ols"}, "Normal alone"),
        (dist.Normal(np.zeros(9), np.ones(9)), {}, "n=10 cells"),
    ],
)
def test_refuses(tree, forecast, options, message):
    with pytest.raises(ValueError, match=message):
        reconcile(forecast, tree, **options)


def test_series_without_errors(tree, rng):
    """One that never erred stays; a total and all its parts without errors cannot be made to agree."""
    errors, mean = residuals_of(rng), rng.normal(size=SERIES)
    errors[:, 5] = 0.0
    for method in ("wls_variance", "mint"):
        out = reconcile(mean, tree, method=method, residuals=errors)
        assert out[5] == mean[5]
        np.testing.assert_allclose(tree.constraint.residual(out), 0, atol=ROUND_OFF)
        with pytest.raises(RuntimeError, match="some variance of its own"):
            reconcile(mean, tree, method=method, residuals=np.zeros_like(errors))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("method", ["ols", "wls_structural", "wls_variance"])
def test_nonnegative_is_the_constrained_least_squares(method):
    """The nearest sums in W of series that are nowhere negative, by an active-set solver of SciPy."""
    tree = Hierarchy.from_labels({"state": list("aaabbc"), "city": list("123456")})
    rng = np.random.default_rng(3)
    s = np.asarray(tree.summing, float)
    forecasts = rng.normal(size=(20, len(s))) * 3  # most bottom series have a day below zero
    errors = rng.normal(size=(30, len(s))) * rng.uniform(0.5, 3, len(s))
    variance = {
        "ols": np.ones(len(s)),
        "wls_structural": s.sum(1),
        "wls_variance": (errors**2).mean(0),
    }
    given = errors if method == "wls_variance" else None
    out = reconcile(forecasts, tree, method=method, residuals=given, nonnegative=True)
    weight = 1 / np.sqrt(variance[method])
    for got, base in zip(np.asarray(out), forecasts, strict=True):
        want = s @ optimize.nnls(weight[:, None] * s, weight * base)[0]
        np.testing.assert_allclose(got, want, atol=1e-9)  # the tolerance of the two solvers
    free = reconcile(np.abs(forecasts @ s @ s.T), tree, method=method, residuals=given)
    same = reconcile(
        np.abs(forecasts @ s @ s.T), tree, method=method, residuals=given, nonnegative=True
    )
    kept = (np.asarray(free) >= 0).all(1)
    np.testing.assert_allclose(np.asarray(same)[kept], np.asarray(free)[kept], atol=1e-8)


def test_small_demand_below_a_large_one_stays_at_zero():
    tree = Hierarchy(np.vstack([np.ones((1, 3)), np.eye(3)]), ["total", "a", "b", "c"])
    base = np.array([5.0, 0.2, 0.1, 9.0])
    assert reconcile(base, tree, method="ols")[2] < -0.9
    # (t − 5)² + (t − 9)² is least at 7.
    np.testing.assert_allclose(
        reconcile(base, tree, method="ols", nonnegative=True), [7, 0, 0, 7], atol=1e-5
    )
    with pytest.raises(ValueError, match="diagonal W with nonnegative=True, got 'mint'"):
        reconcile(base, tree, method="mint", residuals=np.ones((5, 4)), nonnegative=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ols", "wls_structural"])
def test_thirty_thousand_series_fit_into_two_gigabytes(method):
    """In a process of its own, whose largest memory is read at its end."""
    script = f"""
import resource, numpy as np
from scipy import sparse
from jaxsci.forecasting import Hierarchy, reconcile
n, m = 30_000, 3_000
group = np.arange(n) % (m - 1)
links = (np.ones(n, np.int8), (group, np.arange(n)))
s = sparse.vstack([np.ones((1, n), np.int8), sparse.coo_array(links, shape=(m - 1, n)), sparse.eye_array(n)])
tree = Hierarchy(s.tocsr(), range(n + m))
base = np.random.default_rng(0).gamma(2.0, 1.0, (28, n + m)).astype(np.float32)
out = np.asarray(reconcile(base, tree, method="{method}"))
bottom = out[:, list(tree.bottom)].T.astype(np.float64)
# Float32 adds up 30,000 numbers to some 1e-5 of their sizes.
assert (np.abs(s @ bottom - out.T) <= 1e-5 * (s @ np.abs(bottom))).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    path = os.pathsep.join(
        [str(Path(jaxsci.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 2e9
