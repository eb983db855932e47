"""Contingency tables: counts by hand, exact beyond 32 bits, in any grouping; scores by definition."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsci.metrics import (
    VIL_THRESHOLDS,
    ContingencyCounts,
    ContingencyTable,
    contingency_counts,
)

COUNT = jax.jit(contingency_counts, static_argnames=("thresholds", "pool"))


def fields(seed, batch=6, shape=(3, 1, 8, 8)):
    """Whole numbers from 0 to 255, as radar pictures have, that meet the thresholds exactly."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 256, (batch, *shape))
    noise = rng.integers(-60, 61, truth.shape)
    return (truth + noise).clip(0, 255).astype(np.float32), truth.astype(np.float32)


def by_hand(prediction, target, thresholds, pool=1):
    """Counts with plain loops."""
    counts = np.zeros((3, len(thresholds), prediction.shape[1]), int)
    for p, t in zip(prediction, target, strict=True):
        for k, level in enumerate(thresholds):
            for time in range(p.shape[0]):
                for y in range(0, p.shape[2], pool):
                    for x in range(0, p.shape[3], pool):
                        block = (time, 0, slice(y, y + pool), slice(x, x + pool))
                        forecast, event = p[block].max() >= level, t[block].max() >= level
                        counts[0, k, time] += forecast and event
                        counts[1, k, time] += event and not forecast
                        counts[2, k, time] += forecast and not event
    return counts


def table(prediction, target, thresholds=VIL_THRESHOLDS, pool=1):
    counts = jax.vmap(lambda p, t: COUNT(p, t, thresholds, pool=pool))(prediction, target)
    return ContingencyTable.empty(prediction.shape[1], thresholds).add(counts)


def test_a_table_of_four_by_four():
    target = jnp.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], jnp.float32)
    forecast = jnp.array([[1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], jnp.float32)
    result = table(forecast[None, None, None], target[None, None, None], (0.5,))
    assert [int(n[0, 0]) for n in (result.hits, result.misses, result.false_alarms)] == [3, 2, 2]
    assert result.csi()[0, 0] == 3 / 7
    assert result.pod()[0, 0] == 3 / 5
    assert result.sucr()[0, 0] == 3 / 5
    assert result.bias()[0, 0] == 1.0
    # Blocks of 2 × 2: hit above left, false alarm above right, miss below right.
    pooled = table(forecast[None, None, None], target[None, None, None], (0.5,), pool=2)
    assert [int(n[0, 0]) for n in (pooled.hits, pooled.misses, pooled.false_alarms)] == [1, 1, 1]


@pytest.mark.parametrize("pool", [1, 4])
def test_counts_are_those_of_plain_loops(pool):
    prediction, target = fields(0)
    result = table(prediction, target, pool=pool)
    expected = by_hand(prediction, target, VIL_THRESHOLDS, pool)
    np.testing.assert_array_equal([result.hits, result.misses, result.false_alarms], expected)
    assert result.hits.dtype == np.int64


def test_a_perfect_forecast_scores_one():
    target = fields(1)[1]
    result = table(target, target)
    for score in (result.csi(), result.pod(), result.sucr(), result.bias()):
        np.testing.assert_array_equal(score, 1.0)
    assert result.means() == {"CSI": 1.0, "POD": 1.0, "SUCR": 1.0, "BIAS": 1.0}


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(0, 6), max_size=3), st.integers(0, 100))
def test_counts_do_not_depend_on_the_batches(cuts, seed):
    prediction, target = fields(seed)
    whole = table(prediction, target)
    edges = [0, *sorted(cuts), 6]
    parts = ContingencyTable.empty(3)
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            parts = parts + table(prediction[start:stop], target[start:stop])
    for name in ("hits", "misses", "false_alarms"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.means() == whole.means()


def test_counts_beyond_32_bits_are_exact():
    """A test set of SEVIR has 2.1e10 pixels."""
    largest = np.full((1000, 1, 1), 2**31 - 1, np.int32)
    counts = ContingencyCounts(largest, largest, 0 * largest, np.zeros((1000, 1), np.int32))
    result = ContingencyTable.empty(1, (1.0,)).add(counts).add(counts)
    assert int(result.hits[0, 0]) == 2000 * (2**31 - 1)
    assert result.csi()[0, 0] == 0.5
    merged = result.over_processes()
    assert int(merged.hits[0, 0]) == 2000 * (2**31 - 1)


def test_tables_of_processes_add_up(monkeypatch):
    from jax.experimental import multihost_utils

    prediction, target = fields(2)
    one, two = table(prediction[:2], target[:2]), table(prediction[2:], target[2:])

    def gathered(words):
        """What process one gets: its own words, and those of process two."""
        other = np.stack([two.hits, two.misses, two.false_alarms]).view(np.uint32)
        return np.stack([words, other])

    monkeypatch.setattr(multihost_utils, "process_allgather", gathered)
    np.testing.assert_array_equal(one.over_processes().hits, table(prediction, target).hits)


def test_leads_are_kept_apart_and_pooled_as_counts():
    prediction, target = fields(3)
    result = table(prediction, target)
    assert result.csi().shape == (6, 3)
    total = result.over_leads()
    expected = result.hits.sum(1) / (result.hits + result.misses + result.false_alarms).sum(1)
    np.testing.assert_array_equal(total.csi()[:, 0], expected)
    assert result.means()["CSI"] == expected.mean()
    later = table(prediction[:, 1:2], target[:, 1:2])
    np.testing.assert_array_equal(result.csi()[:, 1:2], later.csi())


def test_events_that_never_occur_have_no_score_unless_one_is_given():
    nothing = np.zeros((1, 1, 1, 4, 4), np.float32)
    result = table(nothing, nothing, (0.0, 1.0))
    np.testing.assert_array_equal(result.csi(), [[1.0], [np.nan]])
    assert np.isnan(result.means()["CSI"])
    assert result.means(empty=0.0)["CSI"] == 0.5  # as with a small number in the denominator


def test_values_that_are_not_numbers_are_refused():
    prediction, target = fields(4)
    prediction[0, 0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="got 1 values that are NaN"):
        table(prediction, target)
    with pytest.raises(ValueError, match="got 1 values that are NaN"):
        table(target, prediction, pool=2)


def test_bad_input_is_refused():
    frame = jnp.zeros((1, 1, 6, 6))
    with pytest.raises(ValueError, match=r"multiples of pool=4, got \(1, 1, 6, 6\)"):
        contingency_counts(frame, frame, pool=4)
    with pytest.raises(ValueError, match="at least one finite threshold"):
        contingency_counts(frame, frame, ())
    with pytest.raises(ValueError, match=r"expected a target of shape \(1, 1, 6, 6\)"):
        contingency_counts(frame, frame[:, :, :3])
    with pytest.raises(ValueError, match=r"\(\.\.\., 6, 3\), got \(6, 1\)"):
        ContingencyTable.empty(3).add(contingency_counts(frame, frame))
    with pytest.raises(ValueError, match="same thresholds and times"):
        ContingencyTable.empty(3) + ContingencyTable.empty(3, (1.0,))
    wide = jax.ShapeDtypeStruct((1, 1, 2**16, 2**15), jnp.float32)
    with pytest.raises(ValueError, match="at most 2147483647 values, got 2147483648"):
        jax.eval_shape(contingency_counts, wide, wide)
