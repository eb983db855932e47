"""Stacks add what their layers find: attention, then the feed-forward layer, each to its input."""

import importlib.util
import math
import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import CuboidCrossStack, CuboidStack, cross_pattern, self_pattern

spec = importlib.util.spec_from_file_location(
    "reference", pathlib.Path(__file__).with_name("reference.py")
)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

KEY = jax.random.key(0)
SHAPE = (2, 3, 4)
# Sums of at most 32 terms of order one in single precision, through three layers.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def field(*shape, key=1):
    return jnp.asarray(np.random.default_rng(key).normal(size=(*shape, 8)), jnp.float32)


def feed_forward(layer, x):
    """Of GELU the form with the error function, x Φ(x), and not the one with tanh."""
    hidden = reference.dense(layer.hidden, reference.norm(layer.norm, np.asarray(x, float)))
    gaussian = 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    return reference.dense(layer.out, hidden * gaussian)


def test_a_stack_is_attention_and_feed_forward_added_in_turn():
    stack = reference.drawn(
        lambda: CuboidStack(8, heads=2, pattern=self_pattern("axial", SHAPE), key=KEY)
    )
    x = field(*SHAPE)
    expected = np.asarray(x, float)
    for attention, layer in zip(stack.attentions, stack.feed_forwards, strict=True):
        expected = expected + reference.self_attention(attention, expected)
        expected = expected + feed_forward(layer, expected)
    found, vectors = eqx.filter_jit(stack)(x)
    assert vectors is None
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("own", [False, True], ids=["added", "with feed-forward layers"])
def test_vectors_gather_what_the_layers_find(own):
    stack = reference.drawn(
        lambda: CuboidStack(
            8,
            heads=2,
            pattern=self_pattern("divided_st", SHAPE),
            vectors=True,
            vector_attention=True,
            vector_feed_forward=own,
            key=KEY,
        )
    )
    x, vectors = field(*SHAPE), field(3, key=2)
    found, gathered = eqx.filter_jit(stack)(x, vectors)
    attend = eqx.filter_jit(lambda attention, x, vectors: attention(x, vectors))
    for i, (attention, layer) in enumerate(zip(stack.attentions, stack.feed_forwards, strict=True)):
        tokens, update = attend(attention, x, vectors)
        x = jnp.asarray(x + tokens + feed_forward(layer, x + tokens), jnp.float32)
        vectors = vectors + update
        if own:
            more = feed_forward(stack.vector_feed_forwards[i], vectors)
            vectors = jnp.asarray(vectors + more, jnp.float32)
    np.testing.assert_allclose(found, x, **CLOSE)
    np.testing.assert_allclose(gathered, vectors, **CLOSE)


def test_a_cross_stack_reads_the_same_memory_in_every_layer():
    stack = reference.drawn(
        lambda: CuboidCrossStack(
            8, heads=2, pattern=cross_pattern("cross_1x1_lg", SHAPE), frames=5, key=KEY
        )
    )
    x, memory = field(*SHAPE), field(3, *SHAPE[1:], key=2)
    found = eqx.filter_jit(stack)(x, memory)
    attend = eqx.filter_jit(lambda attention, x, memory: attention(x, memory))
    for attention, layer in zip(stack.attentions, stack.feed_forwards, strict=True):
        x = x + attend(attention, x, memory)
        x = jnp.asarray(x + feed_forward(layer, x), jnp.float32)
    np.testing.assert_allclose(found, x, **CLOSE)
