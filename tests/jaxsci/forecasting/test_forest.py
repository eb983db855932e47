"""Quantile forests: scikit-learn's leaves, Meinshausen's weights, and quantiles of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

from jaxsci.forecasting import fit_quantile_forest, forest_from_sklearn
from jaxsci.training import load_model, save_model

ensemble = pytest.importorskip("sklearn.ensemble")

SAMPLES = 150
LEVELS = np.array([0.05, 0.1, 0.5, 0.9])


def data(samples=SAMPLES, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 4))
    x[:, 3] = rng.integers(0, 3, samples)
    return x, x[:, 0] + np.exp(x[:, 1]) * rng.normal(size=samples)


def neighbours(model, x, query):
    """w of the training samples, by its definition."""
    own, of = model.apply(x), model.apply(query)
    same = own[None] == of[:, None]  # (queries, samples, trees)
    return (same / same.sum(1, keepdims=True)).mean(-1)


def inverse(weights, y, q):
    """The least y whose weights, of all that is not above it, sum to q."""
    shares = [weights[y <= value].sum() for value in np.sort(y)]
    return np.sort(y)[np.argmax(np.array(shares) >= q - 1e-9)]


@pytest.mark.parametrize("kind", ["RandomForestRegressor", "ExtraTreesRegressor"])
def test_traversal_equals_apply(kind):
    """Also where float32 features lie on both sides of a float64 threshold, one unit apart."""
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 9, size=(SAMPLES, 3))
    close = 1.0 + steps * np.finfo(np.float32).eps * 0.7
    for x, y in (data(), (close, steps.sum(1) + rng.normal(size=SAMPLES))):
        model = getattr(ensemble, kind)(12, random_state=0, min_samples_leaf=2).fit(x, y)
        forest = forest_from_sklearn(model, x, y)
        query = np.concatenate(
            [x, x + np.finfo(np.float32).eps / 2, 3 * data(60)[0][:, : x.shape[1]]]
        )
        leaves = jax.jit(jax.vmap(forest.leaves))(query.astype(np.float32))
        np.testing.assert_array_equal(leaves, model.apply(query))


def test_weights_and_quantiles_are_those_of_the_definition():
    x, y = data()
    y = np.round(y, 1)  # with ties
    model = ensemble.RandomForestRegressor(7, random_state=0, min_samples_leaf=4).fit(x, y)
    forest = forest_from_sklearn(model, x, y)
    query = data(20, seed=1)[0]
    weights = neighbours(model, x, query)
    ours = np.asarray(jax.jit(jax.vmap(forest.weights))(query.astype(np.float32)))
    np.testing.assert_allclose(ours.sum(1), 1, atol=1e-6)  # 150 terms in float32
    np.testing.assert_allclose(ours, weights[:, np.argsort(y, kind="stable")], atol=1e-7)
    expected = [[inverse(w, y, q) for q in LEVELS] for w in weights]
    np.testing.assert_allclose(forest.predict(query, LEVELS), expected, rtol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 10, 33])
def test_a_single_leaf_is_the_empirical_quantile(samples):
    x, y = data(samples)
    forest = fit_quantile_forest(x, y, trees=3, min_leaf=samples)
    levels = np.arange(1, 20) / 20
    expected = np.quantile(y, levels, method="inverted_cdf")
    np.testing.assert_allclose(forest(jnp.zeros(4), levels), expected, rtol=1e-6)


def test_batches_and_sparse_features():
    """One-hot columns as CSR: the same trees, and the same answers, some at a time."""
    x, y = data()
    hot = np.eye(3)[x[:, 3].astype(int)]
    y = y + 5 * hot[:, 1]
    options = {"trees": 5, "min_leaf": 3, "extremely_random": True}
    dense = fit_quantile_forest(hot, y, **options)
    thin = fit_quantile_forest(sparse.csr_array(hot), y, **options)
    expected = dense.predict(hot, LEVELS)
    np.testing.assert_array_equal(thin.predict(sparse.coo_matrix(hot), LEVELS, batch=40), expected)
    run = jax.jit(lambda rows: jax.lax.map(lambda row: dense(row, LEVELS), rows, batch_size=4))
    mapped = run(jnp.asarray(hot[:8], jnp.float32))
    np.testing.assert_array_equal(mapped, expected[:8])
    assert dense.predict(hot[:0], LEVELS).shape == (0, 4)
    groups = [np.quantile(y[hot[:, k] == 1], 0.5, method="inverted_cdf") for k in range(3)]
    np.testing.assert_allclose(dense.predict(np.eye(3), np.array([0.5]))[:, 0], groups, rtol=1e-6)


@pytest.mark.slow
def test_it_finds_where_the_spread_grows():
    """y ~ N(0, s(x)): coverage, and quantiles that follow s."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(4000, 2))
    y = np.where(x[:, 0] > 0, 3.0, 1.0) * rng.normal(size=4000)
    forest = fit_quantile_forest(x[:3000], y[:3000], trees=30, min_leaf=40, max_features=1.0)
    out = forest.predict(x[3000:], np.array([0.1, 0.5, 0.9]))
    assert (np.diff(out) >= 0).all()
    share = (y[3000:, None] <= out).mean(0)
    # Four standard errors of a share of 1000 are 0.04 at 0.1, 0.06 at a half.
    assert np.abs(share - [0.1, 0.5, 0.9]).max() < 0.06
    width = out[:, 2] - out[:, 0]
    ratio = width[x[3000:, 0] > 0.1].mean() / width[x[3000:, 0] < -0.1].mean()
    assert 2.5 < ratio < 3.5  # 3, from 30 trees of leaves of 40


def test_seeds_and_options_reach_the_trees():
    x, y = data()
    grown = lambda **options: fit_quantile_forest(x, y, trees=3, **options)
    assert eqx.tree_equal(grown(seed=1), grown(seed=1))
    assert not eqx.tree_equal(grown(seed=1), grown(seed=2))
    assert grown(max_depth=2).depth == 2
    assert int(grown(min_leaf=20, extremely_random=True).count.max()) >= 20
    counts = np.asarray(grown(min_leaf=20, extremely_random=True).count)
    assert counts[counts > 0].min() >= 20


def test_saved_and_loaded(tmp_path):
    x, y = data()
    forest = fit_quantile_forest(x, y, trees=3)
    save_model(tmp_path / "forest", forest)
    loaded = load_model(tmp_path / "forest", jax.tree.map(jnp.zeros_like, forest))
    np.testing.assert_array_equal(loaded.predict(x[:5], LEVELS), forest.predict(x[:5], LEVELS))


def test_double_precision(x64):
    x, y = data()
    forest = fit_quantile_forest(x, y, trees=4)
    out = forest.predict(x[:3], LEVELS)
    assert out.dtype == np.float64
    assert np.isin(out, y).all()
    assert jnp.isclose(forest.weights(jnp.asarray(x[0])).sum(), 1.0, atol=1e-14)


def test_not_a_number():
    x, y = data()
    forest = fit_quantile_forest(x, y, trees=2, max_depth=3)
    bad = jnp.full(4, jnp.nan)
    with pytest.raises(ValueError, match="finite features"):
        forest(bad, LEVELS)
    assert jnp.isnan(eqx.filter_jit(forest)(bad, jnp.asarray(LEVELS, jnp.float32))).all()
    with pytest.raises(ValueError, match="finite features"):
        forest.predict(np.asarray(bad)[None], LEVELS)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda x, y: (x[:, 0], y), {}, r"shape \(samples, features\)"),
        (lambda x, y: (x, y[1:]), {}, r"targets of shape \(samples,\)"),
        (lambda x, y: (x[:0], y[:0]), {}, "0 samples"),
        (lambda x, y: (np.where(x > 2, np.nan, x), y), {}, "finite features"),
        (lambda x, y: (sparse.csr_array(1e39 * x), y), {}, "finite features"),
        (lambda x, y: (x, np.where(y > 1, np.inf, y)), {}, "finite targets"),
        (lambda x, y: (x, y), {"min_leaf": 151}, "min_leaf=151"),
        (lambda x, y: (x, y), {"min_leaf": 0.5}, "whole number"),
        (lambda x, y: (x, y), {"trees": 0}, "whole number"),
    ],
)
def test_refuses(change, options, message):
    with pytest.raises(ValueError, match=message):
        fit_quantile_forest(*change(*data()), **options)


def test_refuses_other_queries():
    x, y = data()
    forest = fit_quantile_forest(x, y, trees=2, max_depth=3)
    with pytest.raises(ValueError, match=r"features=4.*, got \(3,\)"):
        forest.leaves(jnp.ones(3))
    for levels in (0.5, [0.0, 0.5], [0.5, 1.0]):
        for ask in (lambda q: forest(jnp.ones(4), q), lambda q: forest.predict(x, q)):
            with pytest.raises(ValueError, match=r"in \(0, 1\)"):
                ask(np.asarray(levels))
    with pytest.raises(ValueError, match="predict expected batch to be a whole number >= 1, got 0"):
        forest.predict(x, LEVELS, batch=0)
    model = ensemble.ExtraTreesRegressor(2).fit(x, y)
    with pytest.raises(ValueError, match="samples in every leaf"):
        forest_from_sklearn(model, x[:20], y[:20])
