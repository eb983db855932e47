"""One suite for every sampler: noise in, data like it out, under jit, vmap and grad, in both precisions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import KnowledgeAlignment, NoiseSchedule, Sampler, ddim, ddpm

SCHEDULE = NoiseSchedule.cosine(12)
SAMPLERS = {
    "DDPM": ddpm(SCHEDULE),
    "DDIM": ddim(SCHEDULE),
    "DDIM, few steps": ddim(SCHEDULE, steps=5),
    "between": Sampler(SCHEDULE, steps=7, eta=0.5),
}


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]


def denoise(x, t):
    return jnp.tanh(x) * (t + 1).astype(x.dtype) / len(SCHEDULE)


def noise(count=3):
    return jax.random.normal(jax.random.key(1), (count, 2, 4))


def test_batches_equal_single_samples(sampler):
    keys = jax.random.split(jax.random.key(2), 3)
    batch = jax.jit(jax.vmap(lambda x, k: sampler(denoise, x, key=k)))(noise(), keys)
    for i in range(3):
        # The same operations, compiled differently.
        one = sampler(denoise, noise()[i], key=keys[i])
        np.testing.assert_allclose(batch[i], one, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_precision_is_that_of_the_noise(sampler, dtype):
    x = sampler(denoise, noise()[0].astype(dtype), key=jax.random.key(0))
    assert x.dtype == dtype
    assert jnp.isfinite(x).all()


def test_the_same_keys_give_the_same_sample(sampler):
    draw = lambda i: sampler(denoise, noise()[0], key=jax.random.key(i))
    np.testing.assert_array_equal(draw(0), draw(0))
    assert bool((draw(0) == draw(1)).all()) == (sampler.eta == 0)


def test_gradients_reach_denoiser_and_noise(sampler):
    loss = lambda w, x: jnp.sum(
        sampler(lambda x, t: w * denoise(x, t), x, key=jax.random.key(0)) ** 2
    )
    for slope in jax.grad(loss, argnums=(0, 1))(jnp.asarray(0.5), noise()[0]):
        assert jnp.isfinite(slope).all()
        assert float(jnp.abs(slope).max()) > 0


def test_one_compilation_for_all_keys(sampler):
    draw = eqx.filter_jit(
        eqx.debug.assert_max_traces(lambda s, x, k: s(denoise, x, key=k), max_traces=1)
    )
    for i in range(3):
        draw(sampler, noise()[i], jax.random.key(i))


def test_guidance_of_no_strength_changes_nothing(sampler):
    if sampler.eta == 0:
        pytest.skip("deterministic samplers refuse guidance")
    none = KnowledgeAlignment(lambda x, t: x.sum(), jnp.asarray(1.0), strength=0.0)
    key = jax.random.key(0)
    np.testing.assert_array_equal(
        sampler(denoise, noise()[0], key=key, guidance=none), sampler(denoise, noise()[0], key=key)
    )
