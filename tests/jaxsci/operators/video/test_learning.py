"""Every forecaster of video learns a moving pattern: thirty steps reduce its loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jaxsci.operators.video import E3DLSTM, ConvLSTM, PhyDNet, PredRNN, Rainformer, UNet

RECURRENT = {"width": 8, "depth": 1, "kernel": 3, "patch": 2}
MODELS = {
    "UNet": (UNet, {"time_in": 3, "width": 8, "depth": 1}),
    "ConvLSTM": (ConvLSTM, RECURRENT),
    "PredRNN": (PredRNN, RECURRENT),
    "PhyDNet": (PhyDNet, {"width": 8, "residual": (), "kernel": 3}),
    "PhyDNet hard": (PhyDNet, {"width": 8, "residual": (), "kernel": 3, "constraint": "hard"}),
    "E3DLSTM": (E3DLSTM, RECURRENT),
    "Rainformer": (
        Rainformer,
        {"time_in": 3, "width": 8, "head_size": 4, "window": 2, "patch": 2, "levels": 2},
    ),
}


def moving_waves(key):
    """Eight videos of five frames: waves of random phase that move by one point a frame."""
    phase = jax.random.uniform(key, (8, 1, 1, 1), maxval=2 * jnp.pi)
    t, i, j = jnp.meshgrid(jnp.arange(5.0), jnp.arange(8.0), jnp.arange(8.0), indexing="ij")
    return (0.5 + 0.5 * jnp.sin(2 * jnp.pi * (i + j - t) / 8 + phase))[:, :, None]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_thirty_steps_reduce_the_loss(name, key):
    cls, options = MODELS[name]
    data = moving_waves(jax.random.key(1))
    x, y = data[:, :3], data[:, 3:]
    build = eqx.filter_jit(lambda key: cls(time_out=2, channels=1, key=key, **options))
    weights, static = eqx.partition(build(key), eqx.is_array)

    def loss(weights):
        model = eqx.combine(weights, static)
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    def step(carry, _):
        weights, momentum = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        # Adam of optax needs implicit promotion; the sign of a smoothed gradient is enough here.
        momentum = jax.tree.map(lambda m, g: 0.8 * m + 0.2 * g, momentum, gradient)
        weights = jax.tree.map(lambda w, m: w - 3e-3 * jnp.sign(m), weights, momentum)
        return (weights, momentum), value

    start = (weights, jax.tree.map(jnp.zeros_like, weights))
    losses = jax.jit(lambda start: jax.lax.scan(step, start, length=30)[1])(start)
    # The variance of the waves is 1/8, what the mean forecast would leave.
    assert losses[-1] < 0.6 * losses[0]
    assert losses[-1] < 0.12
