"""Latent diffusion: what is drawn, in which units, and what gets gradients."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import (
    Autoencoder,
    EarthformerUNet,
    KnowledgeAlignment,
    LatentDiffusion,
    NoiseSchedule,
    ddim,
    ddpm,
    denoising_loss,
)

SCHEDULE = NoiseSchedule.scaled_linear(6)
KEY = jax.random.key(3)


@pytest.fixture
def model(filled, x64):
    """In double precision, in which it is seen what little the past changes in a network of random weights."""
    filled = functools.partial(filled, dtype=np.float64)
    autoencoder = filled(Autoencoder, channels=1, latent=2, widths=(4, 4), blocks=1)
    shapes = {"shape_past": (2, 2, 4, 4), "shape": (3, 2, 4, 4)}
    denoiser = filled(EarthformerUNet, base=4, heads=2, depth=(1,), **shapes)
    return LatentDiffusion(autoencoder, denoiser, SCHEDULE, scale=2.0)


def films():
    past, future = jax.random.split(jax.random.key(1))
    return jax.random.normal(past, (2, 1, 8, 8)), jax.random.normal(future, (3, 1, 8, 8))


def test_a_sample_is_the_decoded_sample_of_latents(model):
    past, _ = films()
    known = jax.vmap(eqx.filter_jit(model.autoencoder.encode))(past).mean / 2
    start, steps = jax.random.split(KEY)
    z = ddpm(SCHEDULE)(
        lambda x, t: model.denoiser(x, t, known),
        jax.random.normal(start, (3, 2, 4, 4)),
        key=steps,
    )
    expected = jax.vmap(eqx.filter_jit(model.autoencoder.decode))(2 * z)
    found = eqx.filter_jit(model.sample)(past, ddpm(SCHEDULE), key=KEY)
    # Double precision.
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_an_ensemble_is_drawn_with_vmap_and_differs(model):
    past, _ = films()
    draw = lambda key: model.sample(past, ddim(SCHEDULE, steps=3), key=key)
    ensemble = eqx.filter_jit(jax.vmap(draw))(jax.random.split(KEY, 3))
    assert ensemble.shape == (3, 3, 1, 8, 8)
    assert float(ensemble.std(axis=0).max()) > 1e-3


def test_the_loss_is_that_of_the_latents_in_units_of_the_scale(model):
    past, future = films()
    latent_key, noise_key, dropout_key = jax.random.split(KEY, 3)
    keys = jax.random.split(latent_key, 3)
    encode = eqx.filter_jit(model.autoencoder.encode)
    z = jnp.stack([encode(x).sample(key=k) for x, k in zip(future, keys, strict=True)]) / 2
    known = jnp.stack([encode(x).mean for x in past]) / 2
    # With dropout, which another key would change.
    denoiser = lambda x, t: model.denoiser(x, t, known, key=dropout_key)
    expected = eqx.filter_jit(denoising_loss)(denoiser, z, schedule=SCHEDULE, key=noise_key)
    found = eqx.filter_jit(model.loss)(past, future, key=KEY)
    # Double precision.
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_only_the_denoiser_learns(model):
    past, future = films()
    slope = eqx.filter_jit(eqx.filter_grad(lambda m: m.loss(past, future, key=KEY)))(model)
    assert all(not leaf.any() for leaf in jax.tree.leaves(slope.autoencoder))
    assert sum(float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(slope.denoiser)) > 0


def test_guidance_acts_on_latents(model):
    past, _ = films()
    total = lambda z, t: z.sum(axis=(1, 2, 3))
    guidance = KnowledgeAlignment(total, jnp.full(3, 50.0), strength=20.0)
    sample = eqx.filter_jit(model.sample)
    draw = lambda guidance: sample(past, ddpm(SCHEDULE), key=KEY, guidance=guidance)
    assert float(jnp.abs(draw(guidance) - draw(None)).max()) > 1e-2


def test_what_does_not_fit_is_refused(model, filled, unchecked):
    other = filled(Autoencoder, channels=1, latent=3, widths=(4, 4), blocks=1)
    with pytest.raises(ValueError, match="denoiser of 3 channels"):
        LatentDiffusion(other, model.denoiser, SCHEDULE)
    with pytest.raises(ValueError, match="scale > 0"):
        LatentDiffusion(model.autoencoder, model.denoiser, SCHEDULE, scale=0.0)
    past, _ = films()
    with pytest.raises(ValueError, match="sampler of its own schedule"):
        model.sample(past, ddim(NoiseSchedule.linear(6)), key=KEY)
    with pytest.raises(TypeError, match="expected a Sampler, got NoiseSchedule"):
        model.sample(past, SCHEDULE, key=KEY)
    with pytest.raises(ValueError, match=r"past of shape \(2, 1, 8, 8\)"):
        model.sample(past[:1], ddim(SCHEDULE), key=KEY)
    with pytest.raises(ValueError, match=r"future of shape \(3, 1, 8, 8\) .*got \(2, 1, 8, 8\)"):
        model.loss(past, past, key=KEY)
    with pytest.raises(ValueError, match="future in floating point, got uint8"):
        model.loss(past, np.zeros((3, 1, 8, 8), np.uint8), key=KEY)
    with pytest.raises(TypeError, match="denoiser as EarthformerUNet, got function"):
        LatentDiffusion(model.autoencoder, lambda x, t: x, SCHEDULE)
    with pytest.raises(TypeError, match="expected a NoiseSchedule, got int"):
        LatentDiffusion(model.autoencoder, model.denoiser, 6)


def test_the_scale_may_be_a_standard_deviation_that_was_measured(model):
    parts = (model.autoencoder, model.denoiser, SCHEDULE)
    for scale in (jnp.asarray(2.0), np.float32(2.0)):
        assert LatentDiffusion(*parts, scale=scale).scale == 2.0
