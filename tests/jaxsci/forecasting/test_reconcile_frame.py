"""Frames: what is coherent in them afterwards, what is kept, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from jaxsci.forecasting import Hierarchy, reconcile_frame
from jaxsci.forecasting.reconcile import shrunk_covariance

TREE = Hierarchy(np.array([[1, 1], [1, 0], [0, 1]]), ["total", "a", "b"])
LEVELS = np.array([0.1, 0.5, 0.9])
NAMES = [f"{q:g}" for q in LEVELS]
EXACT = 1e-12  # double precision, numbers of order ten
RESIDUALS = np.random.default_rng(1).normal(size=(20, 3)) + np.array([0.5, 0.0, 0.0])


def frame_of(values, columns):
    """Two dates of three series, in a scattered order."""
    rows = pd.MultiIndex.from_product([["2024-01-01", "2024-01-02"], ["b", "total", "a"]])
    frame = rows.to_frame(index=False, name=["ds", "unique_id"]).assign(y=1.0)
    frame["ds"] = pd.to_datetime(frame["ds"])
    frame[columns] = values
    return frame.sample(frac=1.0, random_state=0)


def table(frame, column):
    """Dates by series."""
    return frame.pivot(index="ds", columns="unique_id", values=column)[["total", "a", "b"]]


@pytest.fixture
def quantiles():
    rng = np.random.default_rng(0)
    return frame_of(np.sort(rng.gamma(2.0, 3.0, size=(6, 3)), axis=1), NAMES)


@pytest.mark.parametrize("method", ["bottom_up", "mint"])
def test_samples_add_up_each(method):
    rng = np.random.default_rng(0)
    names = ["first", "second"]
    frame = frame_of(rng.normal(size=(6, 2)), names)
    needed = RESIDUALS if method in ("wls_variance", "mint") else None
    out = reconcile_frame(frame, TREE, method=method, residuals=needed)
    for name in names:
        values = table(out, name)
        np.testing.assert_allclose(values["total"], values["a"] + values["b"], atol=EXACT)
    pd.testing.assert_frame_equal(out.drop(columns=names), frame.drop(columns=names))


@pytest.mark.parametrize("residuals", [None, RESIDUALS])
@pytest.mark.parametrize("method", [None, "bottom_up", "mint"])
def test_locations_add_up_and_shapes_stay(quantiles, method, residuals):
    if residuals is None and method in ("wls_variance", "mint"):
        residuals = RESIDUALS
    out = reconcile_frame(quantiles, TREE, method=method, residuals=residuals)
    mean = table(out.assign(mean=out[NAMES].mean(axis=1)), "mean")
    np.testing.assert_allclose(mean["total"], mean["a"] + mean["b"], atol=EXACT)
    before, after = (np.diff(f[NAMES].to_numpy()) for f in (quantiles, out))
    ratio = after / before
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1], rtol=1e-9)
    assert (ratio > 0).all()
    kept = np.allclose(ratio, 1, atol=1e-9)
    assert kept == (residuals is None)
    # The frame itself does not say that the quantiles add up, because they need not.
    assert (
        np.abs(table(out, "0.9")["total"] - table(out, "0.9")[["a", "b"]].sum(axis=1)).max() > 0.1
    )


def test_gaussian_quantiles_become_those_of_the_reconciled_gaussian():
    mean, scale = np.array([9.0, 4.0, 3.0]), np.array([2.0, 1.0, 0.5])
    values = mean[:, None] + scale[:, None] * ndtri(LEVELS)
    frame = pd.DataFrame({"unique_id": ["total", "a", "b"], "ds": 1}).assign(
        **{name: values[:, k] for k, name in enumerate(NAMES)}
    )
    w = np.asarray(shrunk_covariance(RESIDUALS, 3).dense())
    size = np.sqrt(np.diag(w))
    sigma = w / np.outer(size, size) * np.outer(scale, scale)
    s = np.asarray(TREE.summing, float)
    for method, weights in ((None, sigma), ("ols", np.eye(3)), ("mint", w)):
        inverse = np.linalg.inv(weights)
        p = s @ np.linalg.solve(s.T @ inverse @ s, s.T @ inverse)
        expected = (p @ mean)[:, None] + np.sqrt(np.diag(p @ sigma @ p.T))[:, None] * ndtri(LEVELS)
        out = reconcile_frame(frame, TREE, method=method, residuals=RESIDUALS)
        # Residuals of RESIDUALS in float32 where shrunk for the expectation: 1e-6.
        np.testing.assert_allclose(out[NAMES], expected, rtol=1e-5)


def test_dates_of_several_cutoffs_are_apart(quantiles):
    late = quantiles.assign(cutoff=2)
    both = pd.concat([quantiles.assign(cutoff=1), late.assign(**{n: late[n] + 1 for n in NAMES})])
    out = reconcile_frame(both, TREE, method="ols")
    alone = reconcile_frame(quantiles, TREE, method="ols")
    np.testing.assert_allclose(out[out["cutoff"] == 1][NAMES], alone[NAMES], atol=EXACT)


def test_a_certain_series_gets_the_spread_of_its_parts():
    frame = pd.DataFrame({"unique_id": ["total", "a", "b"], "ds": 1, "0.1": [0.0, -1, -2]})
    frame = frame.assign(**{"0.9": [0.0, 1, 2]})
    out = reconcile_frame(frame, TREE, method="bottom_up", residuals=RESIDUALS).set_index(
        "unique_id"
    )
    wide = out["0.9"] - out["0.1"]
    assert wide["b"] < wide["total"] < wide["a"] + wide["b"]
    np.testing.assert_allclose(wide[["a", "b"]], [2, 4], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="ds"), {}, "unique_id, ds"),
        (lambda f: f[["unique_id", "ds", "y"]], {}, "columns of forecasts"),
        (lambda f: f.assign(mean=1.0), {}, "or no level"),
        (lambda f: f.drop(columns=["0.1", "0.9"]), {}, "two or more increasing levels"),
        (lambda f: f.iloc[1:], {}, "got 0 rows of"),
        (lambda f: f.iloc[:0], {}, "empty frame"),
        (lambda f: pd.concat([f, f.iloc[:1]]), {}, "got 2 rows of"),
        (lambda f: f.assign(unique_id=f["unique_id"].replace("b", "c")), {}, "got 'c'"),
        (lambda f: f.assign(**{"0.5": np.nan}), {}, "finite forecasts"),
        (lambda f: f.assign(**{"0.5": f["0.9"] + 1}), {}, "do not decrease"),
        (lambda f: f, {"method": "mint"}, "residuals of shape"),
        (lambda f: f, {"residuals": np.ones((2, 3))}, "times >= 3"),
        (lambda f: f.rename(columns={"0.1": "x", "0.5": "y2", "0.9": "z"}), {}, "got None"),
    ],
)
def test_refuses(quantiles, change, options, message):
    with pytest.raises(ValueError, match=message):
        reconcile_frame(change(quantiles), TREE, **options)


@pytest.mark.usefixtures("unchecked")
def test_refuses_what_is_no_frame():
    with pytest.raises(TypeError, match="pandas DataFrame"):
        reconcile_frame({"unique_id": []}, TREE, method="ols")
