"""Examples read one by one: the batches of arrays, training bit for bit as with arrays, errors named."""

import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsci.training import ArraySource, StreamSource, fit

ARRAYS = {
    "input": np.arange(33, dtype=np.float32).reshape(11, 3) / 33,
    "target": np.arange(11, dtype=np.float32) / 11,
}

# Where the error meets Python first decides which of them JAX raises.
WRAPPED = (jax.errors.JaxRuntimeError, ValueError)


class Examples:
    """Examples that count how often they are read, some of which cannot be."""

    def __init__(self, broken=()):
        self.broken, self.read = broken, []

    def __len__(self):
        return len(ARRAYS["input"])

    def __getitem__(self, index):
        self.read.append(index)
        if index in self.broken:
            raise OSError(f"example {index} is damaged")
        return {name: array[index] for name, array in ARRAYS.items()}


def loss_fn(model, batch, key):
    del key
    return jnp.mean((jax.vmap(model)(batch["input"])[:, 0] - batch["target"]) ** 2), {}


def train(source, key):
    model = eqx.nn.Linear(3, 1, key=key)
    result = fit(model, loss_fn, source, optax.sgd(0.1), key=key, steps=7, progress=False)
    return result.state.model


@pytest.mark.parametrize("size", [4, 11, 25])
def test_batches_are_those_of_the_arrays(key, size):
    stream = StreamSource(Examples(), size, key=key)
    arrays = ArraySource(ARRAYS, size, key=key)
    for position in (0, 1, 7, 3):
        ours, theirs = stream.batch(position), arrays.batch(position)
        assert all(np.array_equal(ours[name], theirs[name]) for name in ARRAYS)


def test_training_is_bitwise_that_on_arrays(key):
    ours = train(StreamSource(Examples(), 4, key=key), key)
    theirs = train(ArraySource(ARRAYS, 4, key=key), key)
    np.testing.assert_array_equal(ours.weight, theirs.weight)
    np.testing.assert_array_equal(ours.bias, theirs.bias)


def test_the_next_batch_is_read_ahead_and_once(key):
    examples = Examples()
    stream = StreamSource(examples, 11, key=key)
    draw = jax.jit(lambda position: stream.batch(position))
    for position in range(3):
        jax.block_until_ready(draw(jnp.asarray(position, jnp.int32)))
    stream.close()
    # One example for the shapes, three batches that were asked for and one ahead.
    assert len(examples.read) == 1 + 4 * 11


def test_what_cannot_be_read_ends_the_run_with_its_reason(key):
    source = StreamSource(Examples(broken=(5,)), 11, key=key)
    with pytest.raises(WRAPPED, match="example 5 is damaged"):
        train(source, key)
    assert isinstance(source.failure, OSError)


def test_values_that_are_not_finite_are_refused(key, monkeypatch):
    monkeypatch.setitem(ARRAYS, "target", np.where(np.arange(11) == 7, np.nan, ARRAYS["target"]))
    source = StreamSource(Examples(), 11, key=key)
    with pytest.raises(WRAPPED, match="not in example 7; repair"):
        train(source, key)


def test_wrong_arguments_are_refused(key):
    with pytest.raises(ValueError, match="at least one example, got none"):
        StreamSource([], 4, key=key)
    with pytest.raises(ValueError, match="batch_size"):
        StreamSource(Examples(), 0, key=key)
    with pytest.raises(ValueError, match="position"):
        StreamSource(Examples(), 4, key=key).batch(-1)


def test_a_source_that_is_not_closed_leaves_no_thread(key):
    stream = StreamSource(Examples(), 4, key=key)
    jax.block_until_ready(stream.batch(0))
    for thread in threading.enumerate():
        if thread.name.startswith("jaxsci"):
            thread.join(10)
    assert not any(thread.name.startswith("jaxsci") for thread in threading.enumerate())
