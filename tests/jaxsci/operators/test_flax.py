"""Flax modules, NNX and Linen, become operators with trainable leaves."""

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxsci.operators import from_flax


class Net(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Conv(4, (3,))(x)


def test_linen_and_nnx_give_the_modules_own_output(key):
    x = jax.random.normal(key, (2, 10))
    variables = Net().init(key, x.T[None])
    operator = from_flax(Net(), variables)
    np.testing.assert_array_equal(operator(x), Net().apply(variables, x.T[None])[0].T)

    module = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    operator = from_flax(module)
    np.testing.assert_array_equal(operator(x), module(x.T[None])[0].T)


@pytest.mark.parametrize("kind", ["linen", "nnx"])
def test_jit_vmap_and_grad(kind, key):
    x = jax.random.normal(key, (5, 2, 10))
    if kind == "linen":
        operator = from_flax(Net(), Net().init(key, x[0].T[None]))
    else:
        operator = from_flax(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    out = jax.jit(lambda m, x: jax.vmap(m)(x))(operator, x)
    np.testing.assert_allclose(out[2], operator(x[2]), atol=1e-6)
    grads = jax.grad(lambda m: jnp.sum(jax.vmap(m)(x) ** 2))(operator)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(grads))


def test_channels_first_modules_are_left_alone(key):
    class Scale(nnx.Module):
        def __init__(self):
            self.factor = nnx.Param(jnp.array(2.0))

        def __call__(self, x):
            return self.factor[...] * x

    x = jax.random.normal(key, (2, 3, 4))
    np.testing.assert_array_equal(from_flax(Scale(), channels_last=False)(x), 2 * x)


def test_bad_input_is_refused(key):
    with pytest.raises(ValueError, match="expected the variables"):
        from_flax(Net())
    with pytest.raises(ValueError, match="holds its own"):
        from_flax(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), {"params": {}})
    with pytest.raises(TypeError, match="is an operator already"):
        from_flax(type(nnx.Linear(2, 3, rngs=nnx.Rngs(0))))
    operator = from_flax(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    linear = from_flax(Net(), Net().init(key, jnp.ones((1, 10, 2))))
    for refusing, shape in ((operator, (5, 9)), (linear, (5, 9)), (linear, (4, 2, 10))):
        with pytest.raises(ValueError, match=r"one sample \(channels, \*space\).*use jax.vmap"):
            refusing(jnp.ones(shape))
