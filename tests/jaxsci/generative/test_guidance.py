"""Guidance on what can be followed by hand: a linear property of normal data."""

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
@pytest.mark.parametrize("steps", [None, 200])
def test_a_linear_property_moves_the_mean_by_what_is_predicted(steps, key):
    """Far from the target the slope of the distance is −w: each step adds σ_t λ w, and later ones shrink it."""
    noise = jnp.array([0.3, -0.2])
    guidance = KnowledgeAlignment(linear, jnp.asarray(1e6), strength=0.7, steps=steps)
    guided = SAMPLER(unit, noise, key=key, guidance=guidance)
    free = SAMPLER(unit, noise, key=key)
    shift = 0.0
    for (a, b, sigma), t in zip(SAMPLER.coefficients(), SAMPLER.visited(), strict=True):
        weight = 1 if steps is None else (steps - t) / steps
        shift = (a + b * np.sqrt(1 - SCHEDULE.alpha_bar[t])) * shift + sigma * weight * 0.7
    # Double precision through 200 steps; the slope of a distance of 1e6 loses six digits.
    np.testing.assert_allclose(guided - free, shift * WEIGHTS, rtol=1e-8)
    assert shift > 1


def test_none_is_the_unguided_sample_bit_by_bit(key):
    noise = jnp.array([0.3, -0.2])
    guidance = KnowledgeAlignment(linear, jnp.asarray(2.0), strength=0.0)
    guided = SAMPLER(unit, noise, key=key, guidance=guidance)
    np.testing.assert_array_equal(guided, SAMPLER(unit, noise, key=key))


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
    for options in ({"strength": -1.0}, {"strength": float("nan")}, {"strength": 1.0, "steps": 0}):
        with pytest.raises(ValueError, match="KnowledgeAlignment expected"):
            KnowledgeAlignment(linear, jnp.asarray(0.0), **options)
    with pytest.raises(ValueError, match="expected finite target"):
        KnowledgeAlignment(linear, jnp.asarray(float("nan")), strength=1.0)
    guidance = KnowledgeAlignment(linear, jnp.zeros(2), strength=1.0)
    with pytest.raises(ValueError, match="knowledge of the target's shape"):
        guidance(jnp.ones(2), jnp.asarray(0), jnp.asarray(0.1))
