"""Films of turbulence: consecutive cuts of flows, whose number does not change what a flow does."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.earthformer.flow import Kolmogorov

SMALL = Kolmogorov(size=16, refinement=1, time_in=2, time_out=1, spin_up=0.5, cuts=3)


def test_films_are_consecutive_cuts_of_flows():
    key = jax.random.key(0)
    cut = np.asarray(SMALL.films(3, key=key))
    whole = np.asarray(replace(SMALL, time_in=6, time_out=3, cuts=1).films(1, key=key))
    np.testing.assert_allclose(cut.reshape(whole.shape), whole, atol=1e-6)
    # A flow is the same however many films are cut from it.
    one = np.asarray(replace(SMALL, cuts=1).films(1, key=key))
    np.testing.assert_allclose(cut[:1], one, atol=1e-4)
    assert np.std(cut) > 0.1


def test_what_a_flow_has_too_much_of_is_left_out():
    films = SMALL.films(4, key=jax.random.key(1))
    assert films.shape == (4, 3, 1, 16, 16)
    # Two flows: the fourth film does not go on where the third ended.
    step = np.abs(np.diff(np.asarray(films).reshape(12, -1), axis=0)).mean(axis=1)
    assert step[8] > 2 * step[[2, 5]].max()


def test_without_cuts_is_refused():
    with pytest.raises(ValueError, match="at least one cut, got cuts=0"):
        replace(SMALL, cuts=0)
