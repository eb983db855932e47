"""A regression problem small enough that compiling is most of its cost."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array


class Line(eqx.Module):
    """y = w x + b for one sample; two leaves, and a static one."""

    w: Array
    b: Array
    name: str = eqx.field(static=True, default="line")

    def __call__(self, x):
        return self.w @ x + self.b


class Problem(NamedTuple):
    model: Line
    arrays: tuple[Array, Array]


def squared_error(model, batch, key):
    x, y = batch
    error = jax.vmap(model)(x) - y
    return jnp.mean(error**2), {"mae": jnp.mean(jnp.abs(error))}


@pytest.fixture
def loss_fn():
    return squared_error


@pytest.fixture
def problem(key):
    """23 examples of a noisy linear map from 3 to 2 numbers (23 is prime: no batch divides it)."""
    data, noise = jax.random.split(key)
    x = jax.random.normal(data, (23, 3))
    y = x @ jnp.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]) + 0.7
    y = y + 0.1 * jax.random.normal(noise, y.shape)
    return Problem(Line(jnp.zeros((2, 3)), jnp.zeros(2)), (x, y))
