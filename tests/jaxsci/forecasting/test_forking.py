"""Batches of stretches: every date of every series makes forecasts equally often, of the right targets."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import forking
from jaxsci.forecasting.forking import AlignedSource, ForkSource, SeriesArrays, normals
from jaxsci.forecasting.scaling import Prior
from jaxsci.forecasting.schema import Schema

HORIZON, FORKS, LENGTH = 2, 4, 9


def built(arrays, first, **options):
    sizes = {"length": LENGTH, "forks": FORKS, "horizon": HORIZON, "batch_size": 64}
    return ForkSource(
        **{"arrays": arrays, "first": first, "key": jax.random.key(0)} | sizes | options
    )


@pytest.fixture
def source(frame):
    """Targets are the numbers of their dates, and series have 60, 53, 46 and 39 of them."""
    options = {"seasons": (1,), "past": (), "future": (), "static": (), "freq": None}
    numbered = frame.assign(y=frame.groupby("unique_id").cumcount().astype(float))
    panel = Schema.of(numbered, horizon=HORIZON, **options).panel(numbered)
    first = jnp.asarray(panel.observed.argmax(1), jnp.int32)
    arrays = SeriesArrays.of(panel, Prior(), half_life=10.0, pad=LENGTH)
    return built(arrays, first)


@eqx.filter_jit
def _batch(source, position):
    """A batch in the units of the panel."""
    series, targets, observed = source.batch(position)
    y, zero = series.y - series.zero[:, None], series.zero[:, None, None]
    return eqx.tree_at(lambda s: s.y, series, y), jnp.round(targets - zero), observed


def test_targets_follow_their_dates(source):
    series, targets, observed = _batch(source, jnp.asarray(0, jnp.int32))
    assert series.y.shape == (64, LENGTH)
    assert targets.shape == observed.shape == (64, FORKS, HORIZON)
    last = np.round(np.asarray(series.y[:, -1]))
    known = np.asarray(series.observed[:, -1])
    made, ahead = np.arange(FORKS)[:, None], np.arange(1, HORIZON + 1)
    expected = last[:, None, None] - (FORKS - 1) + made + ahead
    kept = np.asarray(observed) & known[:, None, None]
    np.testing.assert_array_equal(np.asarray(targets)[kept], expected[kept])


def test_every_date_is_drawn_equally_often(source):
    """From one date before the first value to one before the last, of all series alike."""
    counts = np.zeros(60)
    for position in range(150):
        _, targets, observed = _batch(source, jnp.asarray(position, jnp.int32))
        now = np.asarray(targets[..., 0])[np.asarray(observed[..., 0])].astype(int)
        np.add.at(counts, now, 1)
    # The next value is number 0 to 59; number k is in as many series as are longer than k.
    expected = np.array([sum(n > k for n in (60, 53, 46, 39)) for k in range(60)])
    share = counts / counts.sum()
    # About 150 · 64 · 4 draws in stretches of four: a standard deviation of some 6 % a date.
    np.testing.assert_allclose(share / (expected / expected.sum()), 1, atol=0.3)
    # The first and the last dates are not rarer than the others.
    assert share[:39].min() > 0.7 * share[:39].mean()


def test_batches_are_functions_of_their_number(source):
    a, b, other = (_batch(source, jnp.asarray(k, jnp.int32)) for k in (3, 3, 4))
    assert all((x == y).all() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    assert not (a[1] == other[1]).all()


def test_short_series_are_not_starved():
    """One of 100 dates and ten of 2, each date as often as any other."""
    rows = [
        pd.DataFrame({"unique_id": f"s{i}", "ds": np.arange(n), "y": 1000.0 * i + np.arange(n)})
        for i, n in enumerate([100] + [2] * 10)
    ]
    numbered = pd.concat(rows, ignore_index=True)
    options = {"seasons": (1,), "past": (), "future": (), "static": (), "freq": None}
    panel = Schema.of(numbered, horizon=HORIZON, **options).panel(numbered)
    first = jnp.asarray(panel.observed.argmax(1), jnp.int32)
    forks = 16
    arrays = SeriesArrays.of(panel, Prior(), half_life=10.0, pad=forks + 4)
    source = built(arrays, first, length=forks + 4, forks=forks, batch_size=256)
    counts = np.zeros(11)
    for position in range(20):
        _, targets, observed = _batch(source, jnp.asarray(position, jnp.int32))
        now = np.asarray(targets[..., 0])[np.asarray(observed[..., 0])]
        np.add.at(counts, (now // 1000).astype(int), 1)
    per_date = counts / np.array([100] + [2] * 10)
    # Some 500 draws of each date of a short series.
    np.testing.assert_allclose(per_date / per_date.mean(), 1, atol=0.25)


def test_levels_in_pieces_are_those_of_all(source, monkeypatch):
    series = jax.tree.map(np.asarray, source.arrays.series)
    whole = normals(series.y, series.observed, Prior(), 10.0)
    monkeypatch.setattr(forking, "_TOGETHER", 3)
    parts = normals(series.y, series.observed, Prior(), 10.0)
    assert eqx.tree_equal(parts, whole)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"length": LENGTH + 1}, ValueError, r"arrays with pad >= length=10, got 9; make all of"),
        ({"length": 2.5}, ValueError, r"length to be a whole number >= 1, got 2\.5"),
        ({"forks": 0}, ValueError, r"forks to be a whole number >= 1, got 0"),
        ({"forks": LENGTH + 1}, ValueError, r"forks up to length=9, got 10"),
        ({"horizon": HORIZON + 1}, ValueError, r"known 3 dates ahead, got 2"),
        ({"batch_size": 0}, ValueError, r"batch_size to be a whole number >= 1, got 0"),
        ({"first": np.zeros(3, np.int32)}, ValueError, r"first of 4 series, got shape \(3,\)"),
        ({"key": 0}, TypeError, r"a random key, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(source, options, error, message):
    """Longer stretches than the padding allows would be moved, and have targets of other dates."""
    with pytest.raises(error, match=f"ForkSource expected .*{message}"):
        built(**{"arrays": source.arrays, "first": source.first} | options)


@pytest.mark.usefixtures("unchecked")
def test_aligned_batches_have_dates(source):
    with pytest.raises(ValueError, match="AlignedSource expected dates to be a whole number >= 1"):
        AlignedSource(forks=source, dates=0)
