"""Means and correlations by batches and by parts are those of all samples at once."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import multihost_utils

from jaxsci.metrics import RunningCorrelation, RunningMean, correlation_skill, weighted_mean_skill

RANDOM = np.random.default_rng(0)
# Far from zero, where sums of squares would lose all digits.
PREDICTION = 1e6 + RANDOM.normal(size=(50, 3))
TARGET = PREDICTION + RANDOM.normal(size=(50, 3))
CUTS = (0, 1, 20, 20, 50)


def batches(*arrays):
    for start, stop in itertools.pairwise(CUTS):
        yield tuple(array[start:stop] for array in arrays)


def mean(scores):
    return RunningMean.empty(*scores.shape[1:]).add(scores)


def correlation(prediction, target):
    return RunningCorrelation.empty(3).add(prediction, target)


def test_a_mean_by_batches_is_that_of_all():
    running = RunningMean.empty(3)
    assert np.isnan(running.value).all()
    for (scores,) in batches(PREDICTION):
        running = running.add(scores)
    assert running.count == 50
    # Round-off of a few additions of numbers near a million.
    np.testing.assert_allclose(running.value, PREDICTION.mean(axis=0), rtol=1e-14)
    number = RunningMean.empty().add([1.0, 2.0]).add([6.0])
    assert (number.count, float(number.value)) == (3, 3.0)


def test_a_correlation_by_batches_is_that_of_all():
    running = RunningCorrelation.empty(3)
    for prediction, target in batches(PREDICTION, TARGET):
        running = running.add(prediction, target)
    with jax.enable_x64(True):
        expected = correlation_skill(jnp.asarray(PREDICTION), jnp.asarray(TARGET))
    # Deviations of order one from numbers near a million keep ten digits.
    np.testing.assert_allclose(running.value, expected, rtol=1e-9)
    assert np.isfinite(weighted_mean_skill(jnp.asarray(running.value)))


def test_what_never_changes_has_no_correlation():
    assert np.isnan(correlation(np.ones((4, 3)), TARGET[:4]).value).all()


@pytest.mark.parametrize("cut", [0, 17, 50])
def test_parts_add_up(cut):
    one = mean(PREDICTION[:cut]) + mean(PREDICTION[cut:])
    np.testing.assert_allclose(one.value, mean(PREDICTION).value, rtol=1e-14)
    pair = correlation(PREDICTION[:cut], TARGET[:cut]) + correlation(PREDICTION[cut:], TARGET[cut:])
    assert pair.count == one.count == 50
    np.testing.assert_allclose(pair.value, correlation(PREDICTION, TARGET).value, rtol=1e-9)


def test_processes_add_up(monkeypatch):
    """Process one gets its own words and those of process two, first of the counts, then of the numbers."""
    assert mean(PREDICTION).over_processes().count == 50

    def gather(*others):
        remaining = iter(others)
        found = lambda words: np.stack(
            [words, np.ascontiguousarray(next(remaining)).view(np.uint32)]
        )
        monkeypatch.setattr(multihost_utils, "process_allgather", found)

    other = mean(PREDICTION[20:])
    gather(np.array([30]), other.value)
    merged = mean(PREDICTION[:20]).over_processes()
    np.testing.assert_allclose(merged.value, mean(PREDICTION).value, rtol=1e-14)
    other = correlation(PREDICTION[20:], TARGET[20:])
    gather(np.array([30]), np.concatenate([other.means, other.products]))
    merged = correlation(PREDICTION[:20], TARGET[:20]).over_processes()
    np.testing.assert_allclose(merged.value, correlation(PREDICTION, TARGET).value, rtol=1e-9)


def test_other_shapes_and_values_are_refused():
    running = RunningMean.empty(3)
    with pytest.raises(ValueError, match=r"batch of shape \(batch, 3\), got \(3,\)"):
        running.add(np.ones(3))
    with pytest.raises(ValueError, match="finite values, got 1 that are not"):
        running.add([[1.0, np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(\)"):
        running + RunningMean.empty()
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(4, 3\)"):
        correlation(np.ones((2, 3)), np.ones((4, 3)))
