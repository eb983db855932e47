import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import jaxsci
from jaxsci.training import ArraySource, epoch_batches, init_state, make_train_step
from jaxsci.training._shuffle import permute, round_keys


@settings(max_examples=6, deadline=None)  # every example compiles, which is all its cost
@example(n=1, batch_size=3, seed=0)
@given(n=st.integers(1, 60), batch_size=st.integers(1, 80), seed=st.integers(0, 2**31 - 1))
def test_every_example_occurs_once_an_epoch(n, batch_size, seed):
    source = ArraySource(jnp.arange(n), batch_size, key=jax.random.key(seed))
    epochs = 3
    batches = -(-epochs * n // batch_size)
    stream = np.asarray(jax.jit(jax.vmap(source.batch))(jnp.arange(batches))).reshape(-1)
    for epoch in range(epochs):
        np.testing.assert_array_equal(np.sort(stream[epoch * n : (epoch + 1) * n]), np.arange(n))


def test_stream_does_not_depend_on_the_batch_size(key):
    streams = [
        np.asarray(jax.vmap(source.batch)(jnp.arange(60 // size))).reshape(-1)
        for size in (4, 20)
        for source in [ArraySource(jnp.arange(7), size, key=key)]
    ]
    np.testing.assert_array_equal(streams[0], streams[1])


def test_epochs_and_keys_shuffle_differently(key):
    def epoch(source, e):
        return np.asarray(source.batch(e))

    one = ArraySource(jnp.arange(50), 50, key=key)
    other = ArraySource(jnp.arange(50), 50, key=jax.random.key(1))
    assert not np.array_equal(epoch(one, 0), epoch(one, 1))
    assert not np.array_equal(epoch(one, 0), epoch(other, 0))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_permutations_look_uniform(n):
    draws = 4000
    keys = jax.vmap(round_keys)(jax.random.split(jax.random.key(3), draws))
    index = jnp.arange(n, dtype=jnp.int32)
    images = jax.vmap(lambda k: permute(index, n, jnp.tile(k, (n, 1))))(keys)
    counts = np.stack([np.bincount(images[:, i], minlength=n) for i in range(n)])
    expected = draws / n
    chi_square = np.sum((counts - expected) ** 2) / expected
    # n (n - 1) cells vary; its law is near chi-square with (n-1)^2 degrees of freedom, whose mean
    # plus five standard deviations is exceeded about once in a million seeds.
    freedom = (n - 1) ** 2
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


def test_far_positions_do_not_overflow(key):
    # Batch 2**30 of 1000 examples each starts at element 1e12, well beyond 32 bits.
    source = ArraySource(jnp.arange(7), 1000, key=key)
    batch = np.asarray(source.batch(2**30))
    counts = np.bincount(batch, minlength=7)
    assert counts.sum() == 1000
    assert counts.max() - counts.min() <= 2  # 142 whole epochs and two partial ones


def test_bad_data_are_refused(key):
    x = np.ones((5, 3), np.float32)
    with pytest.raises(ValueError, match=r"common leading axis .* got shapes .*; stack"):
        ArraySource((x, np.ones(4)), 2, key=key)
    with pytest.raises(ValueError, match=r"common leading axis"):
        ArraySource((x, np.float32(1.0)), 2, key=key)
    with pytest.raises(ValueError, match=r"at least one example, got none"):
        ArraySource(x[:0], 2, key=key)
    with pytest.raises(ValueError, match=r"batch_size to be a whole number >= 1, got 0"):
        ArraySource(x, 0, key=key)
    x[3, 1] = np.nan
    sentence = (
        r"expected finite data, got 1 non-finite values in leaf \['x'\], the first at \(3, 1\)"
    )
    with pytest.raises(ValueError, match="ArraySource " + sentence):
        ArraySource({"x": x}, 2, key=key)
    with pytest.raises(ValueError, match="epoch_batches " + sentence):
        epoch_batches({"x": x}, 2)


def test_half_an_example_is_refused(key):
    with pytest.raises((ValueError, TypeError), match="batch_size"):
        ArraySource({"x": jnp.zeros((4, 2))}, 2.5, key=key)


@pytest.mark.usefixtures("unchecked")
def test_integers_of_numpy_are_whole_and_positions_are_not_negative(key):
    source = ArraySource(jnp.arange(5), np.int64(2), key=key)
    np.testing.assert_array_equal(source.batch(np.int64(3)), source.batch(3))
    with pytest.raises(ValueError, match="position to be a whole number >= 0, got -1"):
        source.batch(-1)
    with pytest.raises(TypeError, match="ArraySource expected a random key, got 0"):
        ArraySource(jnp.arange(5), 2, key=0)


def test_epoch_batches_cover_the_epoch(key):
    x = np.arange(23)
    batches = list(epoch_batches(x, 5, key=key))
    assert [batch.shape for batch, _ in batches] == [(5,)] * 5
    real = np.concatenate([batch[weights > 0] for batch, weights in batches])
    assert not np.array_equal(real, x)
    np.testing.assert_array_equal(np.sort(real), x)
    for _, weights in batches:
        np.testing.assert_allclose(weights.mean(), 1.0, rtol=1e-6)  # float32 rounding of 5/3
    kept = [batch[weights > 0] for batch, weights in epoch_batches(x, 5)]
    np.testing.assert_array_equal(np.concatenate(kept), x)


def _weighted_loss(model, batch, key):
    (x, y), weights = batch
    return jnp.mean(weights * jnp.mean((jax.vmap(model)(x) - y) ** 2, axis=1)), {}


def test_own_loop_with_a_ragged_last_batch_compiles_once(problem, key):
    traces = []

    def counted(model, batch, key):
        traces.append(jax.tree.map(jnp.shape, batch))
        return _weighted_loss(model, batch, key)

    optimizer = optax.adam(1e-2)
    step = jax.jit(make_train_step(counted, optimizer))
    state = init_state(problem.model, optimizer)
    for epoch in range(2):
        epoch_key = jax.random.fold_in(key, epoch)
        for batch in epoch_batches(problem.arrays, 8, key=epoch_key):
            state, _ = step(state, batch, key)
    assert int(state.step) == 6
    assert len(traces) == 1
    # The count can fail: batches that are not padded trace a second time.
    x, y = problem.arrays
    step(state, ((x[:7], y[:7]), jnp.ones(7)), key)
    assert len(traces) == 2


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_padding_does_not_count(problem, loss_fn, key, pieces):
    optimizer = optax.sgd(0.1)
    state = init_state(problem.model, optimizer)
    batch = list(epoch_batches(problem.arrays, 8))[-1]
    x, y = problem.arrays
    exact, metrics = make_train_step(loss_fn, optimizer)(state, (x[16:], y[16:]), key)
    step = make_train_step(_weighted_loss, optimizer, micro_batches=pieces)
    padded, padded_metrics = step(state, batch, key)
    # Float32 sums of a few terms of order one, in another order.
    np.testing.assert_allclose(padded_metrics["loss"], metrics["loss"], rtol=1e-5)
    np.testing.assert_allclose(padded.model.w, exact.model.w, rtol=1e-5, atol=1e-6)


def test_arrays_cut_over_devices_are_refused():
    """In a process of its own: the number of devices is known before JAX starts."""
    script = """
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxsci.training import ArraySource
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
x = np.arange(8.0, dtype=np.float32)
whole = jax.device_put(x, NamedSharding(mesh, PartitionSpec()))
assert ArraySource(whole, 4, key=jax.random.key(0)).batch(0).shape == (4,)
ArraySource(jax.device_put(x, NamedSharding(mesh, PartitionSpec("data"))), 4, key=jax.random.key(0))
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    path = os.pathsep.join(
        [str(Path(jaxsci.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | flags | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ArraySource expected arrays that are whole on their devices" in done.stderr
