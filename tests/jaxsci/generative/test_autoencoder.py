"""The autoencoder: published sizes, its loss, and what it learns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import Autoencoder, autoencoder_loss
from jaxsci.nn.conv_block import GroupNorm
from jaxsci.training import OptimizerConfig, init_state, make_train_step

SMALL = {"channels": 2, "latent": 3, "widths": (4, 6, 32), "blocks": 1}

# Layer by layer each operation would be compiled on its own.
encode, decode = eqx.filter_jit(Autoencoder.encode), eqx.filter_jit(Autoencoder.decode)
call, loss_of = (
    eqx.filter_jit(lambda m, x, key=None: m(x, key=key)),
    eqx.filter_jit(autoencoder_loss),
)


def test_published_sizes(parameters):
    preset = lambda **options: Autoencoder.preset("sevir-lr", **options)
    assert parameters(preset) == 84_499_393
    # The known size of that of Stable Diffusion.
    assert parameters(Autoencoder, channels=3, latent=4) == 83_653_863


def test_shapes_and_the_latents_of_the_published_model():
    model = eqx.filter_eval_shape(lambda: Autoencoder.preset("sevir-lr", key=jax.random.key(0)))
    frame = jax.ShapeDtypeStruct((1, 128, 128), jnp.float32)
    latent = eqx.filter_eval_shape(lambda m, x: m.encode(x).mean, model, frame)
    assert latent.shape == (64, 16, 16)
    assert eqx.filter_eval_shape(lambda m, z: m.decode(z), model, latent).shape == frame.shape


def test_with_a_key_the_latent_is_random_and_without_its_mean(filled):
    model = filled(Autoencoder, **SMALL)
    x = jax.random.normal(jax.random.key(1), (2, 8, 12))
    q = encode(model, x)
    assert q.mean.shape == q.deviation.shape == (3, 2, 3)
    through_mean = decode(model, q.mean)
    np.testing.assert_allclose(call(model, x), through_mean, rtol=1e-6)
    one, other = (call(model, x, jax.random.key(i)) for i in (0, 1))
    assert float(jnp.abs(one - other).max()) > 1e-3


def conv(layer, x, *, stride=1, ahead=False):
    weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
    reach = weight.shape[0] - 1
    pad = (0, reach) if ahead else (reach // 2, reach // 2)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, (pad, pad, (0, 0))), weight.shape[:2], (0, 1)
    )
    return np.einsum("hwcij,ijco->hwo", windows[::stride, ::stride], weight) + bias


def activated(norm, x):
    groups = np.asarray(x).reshape(-1, norm.groups, x.shape[-1] // norm.groups)
    mean, var = groups.mean((0, 2), keepdims=True), groups.var((0, 2), keepdims=True)
    y = ((groups - mean) / np.sqrt(var + 1e-6)).reshape(x.shape)
    y = y * np.asarray(norm.scale) + np.asarray(norm.shift)
    return y / (1 + np.exp(-y))


def through(layers, x):
    for layer in layers:
        x = eqx.filter_jit(layer)(jnp.asarray(x))
    return np.asarray(x)


@pytest.mark.usefixtures("x64")
def test_encoder_and_decoder_are_their_formulas(filled):
    """With residual blocks and attention that are tested on their own."""
    model = filled(Autoencoder, dtype=np.float64, **SMALL)
    rng = np.random.default_rng(1)
    x, z = rng.standard_normal((2, 8, 12)), rng.standard_normal((3, 2, 3))
    encoder, decoder = model.encoder, model.decoder
    y = conv(encoder.first, np.moveaxis(x, 0, -1))
    for blocks, halve in zip(encoder.levels, (*encoder.halve, None), strict=True):
        y = through(blocks, y)
        y = y if halve is None else conv(halve, y, stride=2, ahead=True)
    y = conv(encoder.last, activated(encoder.norm, through(encoder.middle, y)))
    moments = np.moveaxis(conv(encoder.moments, y), -1, 0)
    q = encode(model, jnp.asarray(x))
    # Double precision through eight layers.
    np.testing.assert_allclose(q.mean, moments[:3], rtol=1e-9)
    np.testing.assert_allclose(q.deviation, np.exp(moments[3:] / 2), rtol=1e-9)
    y = conv(decoder.first, conv(decoder.latent, np.moveaxis(z, 0, -1)))
    y = through(decoder.middle, y)
    for blocks, double in zip(decoder.levels, (*decoder.double, None), strict=True):
        y = through(blocks, y)
        y = y if double is None else conv(double, y.repeat(2, axis=0).repeat(2, axis=1))
    y = conv(decoder.last, activated(decoder.norm, y))
    np.testing.assert_allclose(
        decode(model, jnp.asarray(z)), np.moveaxis(y, -1, 0), rtol=1e-9, atol=1e-12
    )
    norms = jax.tree.leaves(model, is_leaf=lambda leaf: isinstance(leaf, GroupNorm))
    assert {n.epsilon for n in norms if isinstance(n, GroupNorm)} == {1e-6}


def test_deviations_stay_finite(filled):
    model = filled(Autoencoder, **SMALL)
    for bias, expected in ((1e3, np.exp(10)), (-1e3, np.exp(-15))):
        far = eqx.tree_at(lambda m: m.encoder.moments.bias, model, jnp.full(6, bias))
        np.testing.assert_allclose(encode(far, jnp.ones((2, 4, 4))).deviation, expected, rtol=1e-6)


def test_latents_of_a_batch_have_noise_of_their_own(filled):
    model = filled(Autoencoder, **SMALL)
    q = jax.vmap(lambda x: encode(model, x))(jnp.ones((2, 2, 4, 4)))
    noise = (q.sample(key=jax.random.key(0)) - q.mean) / q.deviation
    assert float(jnp.abs(noise[0] - noise[1]).max()) > 0.1


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_precision_is_that_of_the_frame(filled, dtype):
    model = filled(Autoencoder, scale=0.1, **SMALL)
    x, key = jnp.ones((2, 4, 4), dtype), jax.random.key(0)
    assert call(model, x, key).dtype == dtype
    loss = loss_of(model, x, key=key)
    assert loss.dtype == jnp.float32
    assert jnp.isfinite(loss)
    # Squares and sums that half precision has not.
    far = eqx.tree_at(lambda m: m.encoder.moments.bias, model, jnp.full(6, 12.0))
    assert jnp.isfinite(loss_of(far, 5000 * x, key=key))


def test_the_loss_is_that_of_its_definition(filled):
    model = filled(Autoencoder, **SMALL)
    x = jax.random.normal(jax.random.key(1), (2, 8, 8))
    key = jax.random.key(2)
    loss = lambda weight: loss_of(model, x, weight=weight, key=key)
    error = jnp.abs(call(model, x, key) - x).sum()
    np.testing.assert_allclose(loss(0.0), error, rtol=1e-6)
    q = encode(model, x)
    # The divergence as a mean over samples, within four standard errors.
    z = q.mean + q.deviation * jax.random.normal(key, (20_000, *q.mean.shape))
    density = lambda z, m, s: (-0.5 * ((z - m) / s) ** 2 - jnp.log(s)).sum((1, 2, 3))
    ratio = density(z, q.mean, q.deviation) - density(z, 0.0, jnp.ones(()))
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
    for shape in ((2, 8), (1, 8, 8), (2, 8, 10), (2, 0, 8), (3, 2, 8, 8)):
        with pytest.raises(ValueError, match=r"Autoencoder\.encode expected a frame"):
            model.encode(jnp.ones(shape))
    with pytest.raises(ValueError, match="x in floating point, got uint8"):
        model.encode(np.ones((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"Autoencoder\.decode expected a latent"):
        model.decode(jnp.ones((2, 2, 2)))
    key = jax.random.key(0)
    with pytest.raises(TypeError, match="expected a random key"):
        model(jnp.ones((2, 8, 8)), key=0)
    with pytest.raises(TypeError, match="expected a random key"):
        autoencoder_loss(model, jnp.ones((2, 8, 8)), key=None)
    for weight in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="expected a weight >= 0"):
            autoencoder_loss(model, jnp.ones((2, 8, 8)), weight=weight, key=key)
    with pytest.raises(ValueError, match="one entry per level"):
        Autoencoder(channels=1, latent=1, widths=8, key=key)
    with pytest.raises(ValueError, match="latent to be a whole number"):
        Autoencoder(channels=1, latent=0, key=key)
    with pytest.raises(ValueError, match="expected 'sevir-lr'"):
        Autoencoder.preset("sevir", key=key)
    with pytest.raises(TypeError, match="expected a random key"):
        Autoencoder(channels=1, latent=1, key=0)
