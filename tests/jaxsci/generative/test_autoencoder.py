"""The autoencoder: published sizes, its loss, and what it learns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import Autoencoder, autoencoder_loss
from jaxsci.training import OptimizerConfig, init_state, make_train_step

SMALL = {"channels": 2, "latent": 3, "widths": (4, 6, 32), "blocks": 1}


def test_published_sizes(parameters):
    preset = lambda **options: Autoencoder.preset("sevir-lr", **options)
    assert parameters(preset) == 84_499_393
    # The known size of that of Stable Diffusion.
    assert parameters(Autoencoder, channels=3, latent=4) == 83_653_863


def test_shapes_and_the_latents_of_the_published_model():
    model = eqx.filter_eval_shape(lambda: Autoencoder.preset("sevir-lr", key=jax.random.key(0)))
    frame = jax.ShapeDtypeStruct((1, 128, 128), jnp.float32)
    latent = eqx.filter_eval_shape(lambda m, x: m.encode(x).loc, model, frame)
    assert latent.shape == (64, 16, 16)
    assert eqx.filter_eval_shape(lambda m, z: m.decode(z), model, latent).shape == frame.shape


def test_with_a_key_the_latent_is_random_and_without_its_mean(filled):
    model = filled(Autoencoder, **SMALL)
    x = jax.random.normal(jax.random.key(1), (2, 8, 12))
    q = model.encode(x)
    assert q.loc.shape == q.scale.shape == (3, 2, 3)
    through_mean = model.decode(q.loc)
    np.testing.assert_allclose(model(x), through_mean, rtol=1e-6)
    one, other = (model(x, key=jax.random.key(i)) for i in (0, 1))
    assert float(jnp.abs(one - other).max()) > 1e-3


def test_the_loss_is_that_of_its_definition(filled):
    model = filled(Autoencoder, **SMALL)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8))
    key = jax.random.key(2)
    loss = lambda weight: autoencoder_loss(model, x, weight=weight, key=key)
    error = jnp.abs(model(x, key=key) - x).sum()
    np.testing.assert_allclose(loss(0.0), error, rtol=1e-6)
    q = model.encode(x)
    # The divergence as a mean over samples, within four standard errors.
    z = q.loc + q.scale * jax.random.normal(key, (20_000, *q.loc.shape))
    density = lambda z, m, s: (-0.5 * ((z - m) / s) ** 2 - jnp.log(s)).sum((1, 2, 3))
    ratio = density(z, q.loc, q.scale) - density(z, 0.0, jnp.ones(()))
    four = 4 * float(ratio.std()) / np.sqrt(len(z))
    assert float(loss(1.0) - loss(0.0)) == pytest.approx(float(ratio.mean()), abs=four)


@pytest.mark.slow
def test_it_learns_to_return_what_it_is_given():
    model = Autoencoder(channels=1, latent=2, widths=(8, 8), blocks=1, key=jax.random.key(0))
    phase = jax.random.uniform(jax.random.key(1), (16, 2, 1, 1), maxval=6.28)
    i, j = jnp.meshgrid(jnp.arange(8.0), jnp.arange(8.0), indexing="ij")
    frames = jnp.sin(i * 0.8 + phase[:, 0])[:, None] * jnp.sin(j * 0.8 + phase[:, 1])[:, None]
    optimizer = OptimizerConfig(learning_rate=3e-3).build(150)

    def loss(model, batch, key):
        keys = jax.random.split(key, len(batch))
        each = jax.vmap(lambda x, k: autoencoder_loss(model, x, key=k))(batch, keys)
        return each.mean(), {}

    step, state = eqx.filter_jit(make_train_step(loss, optimizer)), init_state(model, optimizer)
    for _ in range(150):
        state, _ = step(state, frames, jax.random.key(2))
    model = state.model
    error = jnp.mean((jax.vmap(model)(frames) - frames) ** 2) / jnp.mean(frames**2)
    assert error < 0.05


def test_wrong_input_is_refused(filled, unchecked):
    model = filled(Autoencoder, **SMALL)
    for shape in ((2, 8), (1, 8, 8), (2, 8, 10), (3, 2, 8, 8)):
        with pytest.raises(ValueError, match=r"Autoencoder\.encode expected a frame"):
            model.encode(jnp.ones(shape))
    with pytest.raises(ValueError, match="x in floating point, got uint8"):
        model.encode(np.ones((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"Autoencoder\.decode expected a latent"):
        model.decode(jnp.ones((2, 2, 2)))
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="one entry per level"):
        Autoencoder(channels=1, latent=1, widths=8, key=key)
    with pytest.raises(ValueError, match="latent to be a whole number"):
        Autoencoder(channels=1, latent=0, key=key)
    with pytest.raises(ValueError, match="expected 'sevir-lr'"):
        Autoencoder.preset("sevir", key=key)
    with pytest.raises(TypeError, match="expected a random key"):
        Autoencoder(channels=1, latent=1, key=0)
