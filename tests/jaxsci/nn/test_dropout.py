"""Dropout by hashing: its share, its independence, and how it follows from a key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn.dropout import Dropout, derived, seed_of

ONES = jnp.ones((100, 200))


def masks(seeds, rate=0.3):
    return np.stack([np.asarray(Dropout(rate)(ONES, seed=s)) > 0 for s in seeds])


def test_drops_its_share_and_rescales():
    dropped = Dropout(0.3)(ONES, seed=seed_of(jax.random.key(0)))
    # 20,000 draws: a standard error of 0.0032, and five of them.
    assert abs(float((dropped == 0).mean()) - 0.3) < 0.016
    np.testing.assert_allclose(dropped[dropped > 0], 1 / 0.7, rtol=1e-6)


def test_seeds_rows_and_neighbours_are_independent():
    seeds = [derived(seed_of(jax.random.key(k)), i) for k in range(2) for i in range(3)]
    kept = masks(seeds).reshape(len(seeds), -1).astype(float)
    correlation = np.corrcoef(np.concatenate([kept, np.roll(kept, 1, axis=1)]))
    # 20,000 pairs: a standard error of 0.007, and five of them for the largest of 66.
    assert np.abs(correlation - np.eye(12)).max() < 0.036


def test_follows_from_the_key_alone():
    drop = jax.jit(lambda key: Dropout(0.5)(ONES, seed=seed_of(key)))
    one, other = jax.random.split(jax.random.key(1))
    np.testing.assert_array_equal(drop(one), drop(one))
    assert np.any(drop(one) != drop(other))
    both = jax.vmap(drop)(jnp.stack([one, other]))
    np.testing.assert_array_equal(both[1], drop(other))


def test_without_a_seed_nothing_is_dropped():
    assert Dropout(0.3)(ONES, seed=None) is ONES
    assert seed_of(None) is None
    assert derived(None, 1) is None


def test_bad_rates_are_refused():
    with pytest.raises(ValueError, match="share of entries"):
        Dropout(1.0)
