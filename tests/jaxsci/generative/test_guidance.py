"""Guidance on what can be followed by hand: a linear property of normal data."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import KnowledgeAlignment, NoiseSchedule, ddpm

SCHEDULE = NoiseSchedule.scaled_linear(200)
SAMPLER = ddpm(SCHEDULE)
WEIGHTS = np.array([0.6, -0.8])


def unit(x, t):
    """The best denoiser of standard normal data: x_t is standard normal at all steps."""
    return jnp.asarray(np.sqrt(1 - SCHEDULE.alpha_bar), x.dtype)[t] * x


def linear(x, t):
    return jnp.asarray(WEIGHTS, x.dtype) @ x


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("schedule", [None, SCHEDULE])
def test_a_linear_property_moves_the_mean_by_what_is_predicted(schedule, key):
    """Far from the target the slope of the distance is −w: each step adds σ_t λ w, and later ones shrink it."""
    noise = jnp.array([0.3, -0.2])
    guidance = KnowledgeAlignment(linear, jnp.asarray(1e6), strength=0.7, schedule=schedule)
    guided = SAMPLER(unit, noise, key=key, guidance=guidance)
    free = SAMPLER(unit, noise, key=key)
    shift = 0.0
    for (a, b, sigma), t in zip(SAMPLER.coefficients(), SAMPLER.visited(), strict=True):
        weight = 1 if schedule is None else (200 - t) / 200
        shift = (a + b * np.sqrt(1 - SCHEDULE.alpha_bar[t])) * shift + sigma * weight * 0.7
    # Double precision through 200 steps; the slope of a distance of 1e6 loses six digits.
    np.testing.assert_allclose(guided - free, shift * WEIGHTS, rtol=1e-8)
    assert shift > 1


@pytest.mark.usefixtures("x64")
def test_steps_are_guided_by_the_slope_at_the_noisy_data(key):
    """Of a vector of properties that are no linear ones, step by step."""
    sampler = ddpm(NoiseSchedule.cosine(4))
    square = lambda x, t: jnp.stack([x[0] * x[1], x[1] ** 2, x[0] * (t + 1).astype(x.dtype)])
    target, denoise = np.array([1.0, 0.5, -2.0]), lambda x, t: jnp.tanh(x)
    x = noise = np.array([0.3, -0.8])
    for i, (t, (a, b, sigma)) in enumerate(
        zip(sampler.visited(), sampler.coefficients(), strict=True)
    ):
        slopes = np.array([[x[1], x[0]], [0, 2 * x[1]], [t + 1, 0]])
        apart = np.array([x[0] * x[1], x[1] ** 2, x[0] * (t + 1)]) - target
        shift = -sigma * 0.3 * slopes.T @ apart / np.sqrt(apart @ apart)
        fresh = np.asarray(jax.random.normal(jax.random.fold_in(key, i), (2,)))
        x = a * x + b * np.tanh(x) + shift + sigma * fresh
    guidance = KnowledgeAlignment(square, target, strength=0.3)
    found = sampler(denoise, jnp.asarray(noise), key=key, guidance=guidance)
    # Double precision.
    np.testing.assert_allclose(found, x, rtol=1e-10)


@pytest.mark.parametrize("count", [2, 1000])
def test_none_is_the_unguided_sample_bit_by_bit(key, count):
    noise = jax.random.normal(jax.random.key(1), (count,))
    denoise = lambda x, t: jnp.tanh(x) * 0.3 + 0.1 * x
    # Whatever its slope: that of the root is infinite at zero.
    for knowledge in (lambda x, t: jnp.tanh(x).mean(), lambda x, t: jnp.sqrt(0 * x.sum())):
        guidance = KnowledgeAlignment(knowledge, jnp.asarray(2.0), strength=0.0)
        draw = eqx.filter_jit(lambda x, g: SAMPLER(denoise, x, key=key, guidance=g))
        np.testing.assert_array_equal(draw(noise, guidance), draw(noise, None))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_guided_towards_far_targets(key, dtype):
    """The square of the distance would be infinite, and its slope zero."""
    noise = jnp.ones(4, dtype)
    total = lambda x, t: x.sum()
    guidance = KnowledgeAlignment(total, jnp.asarray(1000.0), strength=1.0)
    slope = guidance(noise, jnp.asarray(3), jnp.asarray(0.5))
    # σ λ towards the target, in half precision.
    np.testing.assert_allclose(slope, 0.5, rtol=1e-2)


def test_samples_come_near_the_target(key):
    start, steps = (jax.random.split(k, 400) for k in jax.random.split(key))
    draw = lambda guidance: jax.vmap(
        lambda s, k: linear(SAMPLER(unit, jax.random.normal(s, (2,)), key=k, guidance=guidance), 0)
    )(start, steps)
    free, guided = (
        draw(KnowledgeAlignment(linear, jnp.asarray(2.0), strength=s)) for s in (0.0, 0.5)
    )
    # One standard deviation from the mean of zero and then, as samples overshoot by about σ λ, much closer.
    assert jnp.sqrt(jnp.mean((free - 2) ** 2)) > 2
    assert jnp.sqrt(jnp.mean((guided - 2) ** 2)) < 0.5


def test_where_the_target_is_met_nothing_is_added():
    guidance = KnowledgeAlignment(linear, jnp.asarray(0.0), strength=50.0)
    step, deviation = jnp.asarray(3), jnp.asarray(0.1)
    np.testing.assert_array_equal(guidance(jnp.zeros(2), step, deviation), 0)


def test_wrong_guidance_is_refused(unchecked):
    for strength in (-1.0, float("nan"), None):
        with pytest.raises(ValueError, match="KnowledgeAlignment expected"):
            KnowledgeAlignment(linear, jnp.asarray(0.0), strength=strength)
    with pytest.raises(TypeError, match="expected a NoiseSchedule, got int"):
        KnowledgeAlignment(linear, jnp.asarray(0.0), strength=1.0, schedule=200)
    with pytest.raises(TypeError, match="knowledge as a function"):
        KnowledgeAlignment(None, jnp.asarray(0.0), strength=1.0)
    with pytest.raises(TypeError, match="expected arrays of numbers, got NoneType"):
        KnowledgeAlignment(linear, None, strength=1.0)
    whole = KnowledgeAlignment(lambda x, t: (x > 0).sum(), jnp.asarray(0.0), strength=1.0)
    with pytest.raises(ValueError, match="in floating point, got int32"):
        whole(jnp.ones(2), 0, 0.1)
    other = KnowledgeAlignment(linear, 0.0, strength=1.0, schedule=NoiseSchedule.cosine(50))
    with pytest.raises(ValueError, match="guidance of its own schedule"):
        SAMPLER(unit, jnp.ones(2), key=jax.random.key(0), guidance=other)
    # Of another shape than the data.
    with pytest.raises(ValueError, match="guidance that returns a shift in data of shape"):
        SAMPLER(unit, jnp.ones((2, 2)), key=jax.random.key(0), guidance=lambda x, t, s: x[0])
    with pytest.raises(ValueError, match="expected finite target"):
        KnowledgeAlignment(linear, jnp.asarray(float("nan")), strength=1.0)
    guidance = KnowledgeAlignment(linear, jnp.zeros(2), strength=1.0)
    with pytest.raises(ValueError, match="knowledge of the target's shape"):
        guidance(jnp.ones(2), jnp.asarray(0), jnp.asarray(0.1))
