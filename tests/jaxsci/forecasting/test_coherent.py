"""Forecasts of a hierarchy that add up, and networks that are trained on them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import (
    MLP,
    AlignedSource,
    Coherent,
    Hierarchy,
    SeasonalNaive,
    load,
    reconcile,
    reconcile_frame,
)

H, SEASON, LEVELS = 3, 6, (0.1, 0.4, 0.8)
OPTIONS: dict[str, Any] = {"horizon": H, "season": SEASON, "quantiles": LEVELS}
NETWORK: dict[str, Any] = OPTIONS | {"window": 6, "width": 4, "steps": 3, "forks": 4, "holdout": 6}


# Anything may be passed to it.
build: Any = Coherent


@pytest.fixture
def hierarchy():
    return Hierarchy.from_labels({"kind": ["a", "a", "b"], "name": ["x", "y", "z"]})


@pytest.fixture
def sales(hierarchy):
    """Series that add up, with the rows of the frame in another order than the hierarchy's."""
    rng = np.random.default_rng(0)
    t = np.arange(60)
    bottom = 5 + np.sin(2 * np.pi * t / SEASON) + 0.3 * rng.normal(size=(3, len(t)))
    values = np.asarray(hierarchy.summing) @ bottom
    parts = [
        pd.DataFrame({"unique_id": name, "ds": t, "y": y})
        for name, y in zip(hierarchy.ids, values, strict=True)
    ]
    return pd.concat(parts[::-1], ignore_index=True)


def test_a_series_that_has_not_begun_has_no_sum(sales, hierarchy):
    late = sales[(sales.unique_id != hierarchy.ids[-1]) | (sales.ds > 40)]
    coherent = Coherent(SeasonalNaive(**OPTIONS), hierarchy).fit(late)
    assert gap(coherent.predict(late), hierarchy) < 1e-9
    with pytest.raises(ValueError, match=rf"got none for {hierarchy.ids[-1]!r} at 39"):
        coherent.backtest(late, 21)


def aligned(inner, panel, network, dates):
    zero = np.zeros(len(panel.ids))
    forks = inner.source(panel, network, key=jax.random.key(1), zero=zero)
    return AlignedSource(forks=forks, dates=dates)


def gap(frame, hierarchy):
    """The largest difference of a series' location from the sum of its parts' ones."""
    shape = SeasonalNaive(**OPTIONS)
    weights = Coherent(shape, hierarchy).weights
    frame = frame.assign(at=frame[[f"{q:g}" for q in LEVELS]].to_numpy() @ weights)
    table = frame.pivot(index="ds", columns="unique_id", values="at")[
        list(hierarchy.ids)
    ].to_numpy()
    summing, bottom = np.asarray(hierarchy.summing), list(hierarchy.bottom)
    return np.abs(table - table[:, bottom] @ summing.T).max() / np.abs(table).max()


def test_nonnegative_forecasts_are_those_of_reconcile_frame(hierarchy, sales):
    naive = SeasonalNaive(**OPTIONS, nonnegative=True)
    found = Coherent(naive, hierarchy).fit(sales).predict(sales)
    base = naive.fit(sales).predict(sales)
    expected = reconcile_frame(base, hierarchy, method="ols", nonnegative=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-7)


@pytest.mark.parametrize("method", ["bottom_up", "ols", "wls_structural"])
def test_forecasts_are_those_of_reconcile_frame(hierarchy, sales, method):
    naive = SeasonalNaive(**OPTIONS)
    found = Coherent(naive, hierarchy, method=method).fit(sales).predict(sales)
    expected = reconcile_frame(naive.fit(sales).predict(sales), hierarchy, method=method)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)
    assert gap(found, hierarchy) < 1e-12


@pytest.mark.parametrize("method", ["wls_variance", "mint"])
def test_errors_of_the_past_weigh_the_series(tmp_path, hierarchy, sales, method):
    """They are those of forecasts one date ahead at the last dates, here made one by one."""
    naive = SeasonalNaive(**OPTIONS)
    made = Coherent(naive, hierarchy, method=method, windows=12).fit(sales)
    found = made.predict(sales)
    weights = made.weights
    errors = []
    for date in range(48, 60):
        before, now = sales[sales.ds < date], sales[sales.ds == date].set_index("unique_id").y
        forecast = naive.fit(before).predict(before).groupby("unique_id").first()
        location = forecast[[f"{q:g}" for q in LEVELS]] @ weights
        errors.append((now - location)[list(hierarchy.ids)])
    plain = naive.fit(sales).predict(sales)
    table = plain.pivot(index="ds", columns="unique_id")
    location = sum(w * table[f"{q:g}"] for q, w in zip(LEVELS, weights, strict=True))
    location = location[list(hierarchy.ids)]
    coherent = reconcile(
        location.to_numpy(), hierarchy, method=method, residuals=np.asarray(errors)
    )
    moved = pd.DataFrame(
        np.asarray(coherent) - location.to_numpy(), location.index, location.columns
    )
    expected = plain.merge(moved.melt(ignore_index=False).reset_index(), on=["unique_id", "ds"])
    for q in LEVELS:
        np.testing.assert_allclose(found[f"{q:g}"], expected[f"{q:g}"] + expected.value, rtol=1e-5)
    assert gap(found, hierarchy) < 1e-12
    made.save(tmp_path / "made")
    pd.testing.assert_frame_equal(load(tmp_path / "made").predict(sales), found)
    with pytest.raises(ValueError, match="at least 3 of the last 2 dates"):
        Coherent(naive, hierarchy, method=method, windows=2).fit(sales)


@pytest.mark.parametrize("method", ["wls_variance", "mint"])
def test_what_is_no_longer_sold_has_no_errors_and_stays(hierarchy, sales, method):
    """A branch of zeros: total = a + b, of which b has the one part z, and x and y make a."""
    still = sales.ds > 20
    gone = sales.assign(y=sales.y.mask(still & sales.unique_id.str.startswith("a"), 0.0))
    part = gone[gone.unique_id.str.startswith("b")].drop_duplicates("ds").set_index("ds").y
    gone = gone.assign(y=gone.y.mask(still & (gone.unique_id == "total"), gone.ds.map(part)))
    naive = SeasonalNaive(**OPTIONS)
    found = Coherent(naive, hierarchy, method=method).fit(gone).predict(gone)
    plain = naive.fit(gone).predict(gone)
    assert gap(found, hierarchy) < 1e-9
    a = found.unique_id.str.startswith("a")
    np.testing.assert_allclose(found[a]["0.4"], plain[a]["0.4"], atol=1e-5)


def test_a_network_learns_and_forecasts_coherently(tmp_path, hierarchy, sales):
    inner = MLP(**NETWORK)
    made = Coherent(inner, hierarchy, end_to_end=True).fit(sales)
    found = made.predict(sales)
    assert gap(found, hierarchy) < 1e-12
    # The one inside is fitted, and forecasts what is moved; the one that was passed is as it was.
    assert made.forecaster.network.horizon == H
    inside = made.forecaster.predict(sales)
    pd.testing.assert_frame_equal(
        reconcile_frame(inside, hierarchy, method="ols"), found, rtol=1e-9
    )
    with pytest.raises(RuntimeError, match="MLP expected to be fitted first"):
        _ = inner.network
    made.save(tmp_path / "made")
    again = load(tmp_path / "made").predict(sales)
    pd.testing.assert_frame_equal(again, found)
    assert len(made.cross_validate(sales, windows=2, step=5)) == 2 * H * len(hierarchy.ids)


def test_the_loss_is_that_of_the_coherent_quantiles_and_has_a_gradient(hierarchy, sales):
    inner = MLP(**NETWORK)
    made = Coherent(inner, hierarchy, end_to_end=True)
    panel = made._learn_schema(sales).panel(sales)
    panel = panel.rows(made._order(panel))
    sizes = {"past": 0, "future": panel.future.shape[-1], "static": 0, "categories": []}
    network = inner.build(sizes, key=jax.random.key(0))
    batch = aligned(inner, panel, network, 2).batch(0)
    series, targets, observed = batch
    found, _ = eqx.filter_jit(made._loss)(network, batch)
    call = eqx.filter_jit(jax.vmap(lambda one: network(one, 4)))
    quantiles = call(series).reshape(2, -1, 4, H, len(LEVELS))
    location = jnp.moveaxis(quantiles @ jnp.asarray(made.weights, quantiles.dtype), 1, -1)
    move = jnp.moveaxis(reconcile(location, hierarchy, method="ols") - location, -1, 1)
    moved = (quantiles + move[..., None]).reshape(*targets.shape, len(LEVELS))
    error = np.asarray(targets[..., None] - moved)
    levels = np.asarray(LEVELS)
    losses = np.maximum(levels * error, (levels - 1) * error).mean(-1)
    losses = losses / np.asarray(series.scale[:, -4:, None])
    mask = np.asarray(observed)
    assert mask.any()
    assert not mask.all()
    np.testing.assert_allclose(found, losses[mask].mean(), rtol=1e-5)
    slope = eqx.filter_jit(eqx.filter_grad(lambda n: made._loss(n, batch)[0]))(network)
    assert float(jnp.abs(slope.out.weight).max()) > 0


def test_batches_have_all_series_at_the_same_dates(hierarchy, sales):
    inner = MLP(**NETWORK)
    panel = inner._learn_schema(sales).panel(sales)
    # Values that tell the date.
    panel.y[:] = np.arange(panel.length)
    sizes = {"past": 0, "future": panel.future.shape[-1], "static": 0, "categories": []}
    network = inner.build(sizes, key=jax.random.key(0))
    source = aligned(inner, panel, network, 3)
    seen = set()
    for position in range(40):
        _, targets, observed = source.batch(position)
        targets = np.where(observed, targets, -1).reshape(3, len(hierarchy.ids), 4, H)
        assert (targets == targets[:, :1]).all()
        seen |= set(targets[targets >= 0].tolist())
    assert seen == set(range(panel.length))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda h: build("naive", h), TypeError, "a forecaster, got str"),
        (lambda h: build(SeasonalNaive(**OPTIONS), [1]), TypeError, "a Hierarchy, got list"),
        (
            lambda h: build(SeasonalNaive(**OPTIONS), h, method="min"),
            ValueError,
            "a method of .* got 'min'",
        ),
        (
            lambda h: Coherent(MLP(**NETWORK), h, method="mint", end_to_end=True),
            ValueError,
            "a method without errors to train end to end, got 'mint'",
        ),
        (
            lambda h: Coherent(SeasonalNaive(**OPTIONS), h, end_to_end=True),
            TypeError,
            "a network to train end to end, got SeasonalNaive",
        ),
        (
            lambda h: Coherent(MLP(**NETWORK, head="student-t"), h, end_to_end=True),
            ValueError,
            "got 'student-t'",
        ),
        (
            lambda h: Coherent(SeasonalNaive(**OPTIONS, nonnegative=True), h, method="mint"),
            ValueError,
            "without nonnegative for method='mint'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(hierarchy, make, error, message):
    with pytest.raises(error, match=f"Coherent expected .*{message}"):
        make(hierarchy)


def test_other_series_are_refused(hierarchy, sales):
    made = Coherent(SeasonalNaive(**OPTIONS), hierarchy)
    with pytest.raises(ValueError, match="got 1 missing, such as 'total'; give"):
        made.fit(sales[sales["unique_id"] != "total"])
    # What is not known is not summed.
    gaps = (sales.index % 7 == 0) & (sales["ds"] < 59)
    made.fit(sales.assign(y=sales["y"].mask(gaps)))
    late = sales[(sales["unique_id"] != "total") | (sales["ds"] < 50)]
    with pytest.raises(ValueError, match="series that end at the same date, got 49 and 59"):
        made.fit(late)
    wrong = sales.assign(y=sales["y"].where(sales["unique_id"] != "a", 2 * sales["y"]))
    with pytest.raises(
        ValueError, match=r"a history that adds up, got .* for 'a', whose parts make"
    ):
        made.fit(wrong)
