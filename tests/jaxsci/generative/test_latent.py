"""Latent diffusion: what is drawn, in which units, and what gets gradients."""

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
)

SCHEDULE = NoiseSchedule.scaled_linear(6)
KEY = jax.random.key(3)


@pytest.fixture
def model(filled):
    autoencoder = filled(Autoencoder, channels=1, latent=2, widths=(4, 4), blocks=1)
    shapes = {"shape_past": (2, 2, 4, 4), "shape": (3, 2, 4, 4)}
    denoiser = filled(EarthformerUNet, scale=0.1, base=4, heads=2, depth=(1,), **shapes)
    return LatentDiffusion(autoencoder, denoiser, SCHEDULE, scale=2.0)


def films():
    past, future = jax.random.split(jax.random.key(1))
    return jax.random.normal(past, (2, 1, 8, 8)), jax.random.normal(future, (3, 1, 8, 8))


def test_a_sample_is_the_decoded_sample_of_latents(model):
    past, _ = films()
    known = jnp.stack([model.autoencoder.encode(x).loc for x in past]) / 2
    start, steps = jax.random.split(KEY)
    z = ddpm(SCHEDULE)(
        lambda x, t: model.denoiser(x, t, known),
        jax.random.normal(start, (3, 2, 4, 4)),
        key=steps,
    )
    expected = jax.vmap(model.autoencoder.decode)(2 * z)
    found = eqx.filter_jit(model.sample)(past, ddpm(SCHEDULE), key=KEY)
    # The same sums in another order.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_an_ensemble_is_drawn_with_vmap_and_differs(model):
    past, _ = films()
    draw = lambda key: model.sample(past, ddim(SCHEDULE, steps=3), key=key)
    ensemble = eqx.filter_jit(jax.vmap(draw))(jax.random.split(KEY, 3))
    assert ensemble.shape == (3, 3, 1, 8, 8)
    assert float(ensemble.std(axis=0).max()) > 1e-3


def test_only_the_denoiser_learns(model):
    past, future = films()
    slope = eqx.filter_jit(eqx.filter_grad(lambda m: m.loss(past, future, key=KEY)))(model)
    assert all(not leaf.any() for leaf in jax.tree.leaves(slope.autoencoder))
    assert sum(float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(slope.denoiser)) > 0


def test_guidance_acts_on_latents(model):
    past, _ = films()
    total = lambda z, t: z.sum(axis=(1, 2, 3))
    guidance = KnowledgeAlignment(total, jnp.full(3, 50.0), strength=20.0)
    draw = lambda guidance: model.sample(past, ddpm(SCHEDULE), key=KEY, guidance=guidance)
    assert float(jnp.abs(draw(guidance) - draw(None)).max()) > 1e-2


def test_what_does_not_fit_is_refused(model, filled):
    other = filled(Autoencoder, channels=1, latent=3, widths=(4, 4), blocks=1)
    with pytest.raises(ValueError, match="denoiser of 3 channels"):
        LatentDiffusion(other, model.denoiser, SCHEDULE)
    with pytest.raises(ValueError, match="scale > 0"):
        LatentDiffusion(model.autoencoder, model.denoiser, SCHEDULE, scale=0.0)
    past, _ = films()
    with pytest.raises(ValueError, match="sampler of its own schedule"):
        model.sample(past, ddim(NoiseSchedule.linear(6)), key=KEY)
