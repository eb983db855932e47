"""The contract of a source of batches: pure, traceable, constant shapes, bound to its key."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP
from jaxsci.forecasting.forking import AlignedSource
from jaxsci.training import ArraySource, GeneratedSource, Source, StreamSource


def _arrays(key):
    data = {"x": jnp.arange(33.0).reshape(11, 3), "y": jnp.arange(11)}
    return ArraySource(data, 4, key=key)


def _one_example(key):
    return ArraySource(jnp.ones((1, 2)), 4, key=key)


def _generated(key):
    return GeneratedSource(lambda key: jax.random.normal(key, (4, 3)), key=key)


def _stream(key):
    return StreamSource(list(np.arange(33.0, dtype=np.float32).reshape(11, 3)), 4, key=key)


@functools.cache
def _fitted():
    frame = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 15), "ds": np.tile(np.arange(15), 2)})
    frame = frame.assign(y=np.sin(frame["ds"]))
    model = MLP(horizon=2, season=4, window=3, width=4, forks=5, batch_size=4, steps=1)
    return model.fit(frame), model.schema.panel(frame)


def _forks(key):
    model, panel = _fitted()
    return model.source(panel, model.network, key=key)


def _aligned(key):
    return AlignedSource(forks=_forks(key), dates=2)


SOURCES = {
    "arrays": _arrays,
    "one example": _one_example,
    "generated": _generated,
    "stream": _stream,
    "forks": _forks,
    "aligned": _aligned,
}


@pytest.fixture(params=SOURCES.values(), ids=SOURCES.keys())
def build(request):
    return request.param


def _same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


def test_it_is_a_source(build, key):
    assert isinstance(build(key), Source)


def test_batches_are_a_function_of_the_position(build, key):
    assert _same(build(key).batch(5), build(key).batch(5))


def test_shapes_and_dtypes_never_change(build, key):
    source = build(key)
    first = jax.eval_shape(lambda: source.batch(0))
    for position in (1, 2, 3, 1000):
        batch = source.batch(position)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), batch) == jax.tree.map(
            lambda x: (x.shape, x.dtype), first
        )


def test_a_traced_position_gives_the_same_batch_and_compiles_once(build, key):
    source, traces = build(key), []

    @jax.jit
    def draw(position):
        traces.append(None)
        return source.batch(position)

    for position in (0, 2, 3):
        assert _same(draw(jnp.asarray(position, jnp.int32)), source.batch(position))
    assert len(traces) == 1


def test_batches_differ_between_positions_and_keys(build, key):
    if build is _one_example:
        pytest.skip("one example has one batch")
    source = build(key)
    assert not _same(source.batch(0), source.batch(1))
    assert not _same(source.batch(0), build(jax.random.key(1)).batch(0))


def test_its_arrays_are_arguments_not_constants(build, key):
    # A source splits into arrays and static parts, so that a program does not swallow the data.
    dynamic, static = eqx.partition(build(key), eqx.is_array)
    assert jax.tree.leaves(dynamic)
    assert _same(eqx.combine(dynamic, static).batch(3), build(key).batch(3))
