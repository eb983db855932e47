"""Noise schedules against published numbers and against what follows from their definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import NoiseSchedule

SCALED = NoiseSchedule.scaled_linear()
ALL = [SCALED, NoiseSchedule.linear(200), NoiseSchedule.cosine(50)]


def test_numbers_of_the_published_schedule():
    # As many digits as were computed apart from this code.
    np.testing.assert_allclose(
        SCALED.alpha_bar[[0, 499, 999]], [0.9999, 0.33318777, 7.334125e-4], rtol=2e-7
    )
    assert SCALED.posterior_variance[0] == 0
    assert SCALED.posterior_variance[1] == pytest.approx(5.0656e-5, rel=1e-5)


@pytest.mark.parametrize("schedule", ALL)
def test_posterior_variance_is_that_of_two_gaussians(schedule):
    """Of x_{t−1} given x_t and x_0 the precisions add up: 1/(1 − ᾱ_{t−1}) and α_t/β_t."""
    beta = np.array(schedule.beta)
    precision = 1 / (1 - schedule.alpha_bar[:-1]) + (1 - beta[1:]) / beta[1:]
    # Double precision; 1 − ᾱ_0 has lost four digits.
    np.testing.assert_allclose(1 / schedule.posterior_variance[1:], precision, rtol=1e-10)


@pytest.mark.parametrize("schedule", ALL)
def test_steps_add_up_to_the_closed_form(schedule):
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(schedule.beta):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert mean**2 == pytest.approx(schedule.alpha_bar[t], rel=1e-12)
        assert variance == pytest.approx(1 - schedule.alpha_bar[t], rel=1e-10)


def test_noised_data_have_the_variances_of_the_closed_form():
    t = jnp.asarray(499)
    one, none = jnp.ones(3), jnp.zeros(3)
    signal, spread = SCALED.noised(one, t, none), jax.jit(SCALED.noised)(none, t, one)
    # Single precision.
    np.testing.assert_allclose(signal**2, 0.33318777, rtol=1e-6)
    np.testing.assert_allclose(signal**2 + spread**2, 1, rtol=1e-6)
    # 1 − 0.9999 in single precision would be off by 5e-4.
    np.testing.assert_allclose(SCALED.noised(none, jnp.asarray(0), one), 0.01, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_double_precision_is_kept():
    noised = SCALED.noised(jnp.ones(1), jnp.asarray(499), jnp.zeros(1))
    assert noised.dtype == jnp.float64
    assert float(noised[0]) == pytest.approx(np.sqrt(SCALED.alpha_bar[499]), rel=1e-15)


def test_schedules_are_values():
    assert NoiseSchedule.scaled_linear() == SCALED
    assert hash(NoiseSchedule.scaled_linear()) == hash(SCALED)
    assert NoiseSchedule.linear() != SCALED
    assert len(NoiseSchedule.cosine(50)) == 50
    assert max(NoiseSchedule.cosine(50).beta) == 0.999
    for numbers in (SCALED.alpha_bar, SCALED.posterior_variance):
        with pytest.raises(ValueError, match="read-only"):
            numbers[0] = 0.5


def test_cosine_is_that_of_its_definition():
    f = lambda t: np.cos((t / 50 + 0.008) / 1.008 * np.pi / 2) ** 2
    # Up to the last step, whose variance is cut off.
    np.testing.assert_allclose(ALL[2].alpha_bar[:-1], f(np.arange(1, 50)) / f(0), rtol=1e-12)


@pytest.mark.parametrize(
    "beta", [(), (0.1, 0.0), (1.0,), (0.1, float("nan")), 0.1, "abc", (1e-17, 0.1)]
)
def test_what_is_no_schedule_is_refused(beta, unchecked):
    with pytest.raises(ValueError, match="NoiseSchedule expected"):
        NoiseSchedule(beta)
    with pytest.raises(ValueError, match="steps to be a whole number"):
        NoiseSchedule.linear(0)
    with pytest.raises(ValueError, match="after the last; samplers divide by them"):
        NoiseSchedule.linear(100_000)
    with pytest.raises(ValueError, match="NoiseSchedule expected variances"):
        NoiseSchedule.scaled_linear(first=-1.0)


@pytest.mark.parametrize("step", [-1, 1000])
def test_a_step_that_there_is_none_of_is_refused(step):
    with pytest.raises(Exception, match="expected a step from 0 to 999"):
        jax.block_until_ready(jax.jit(SCALED.noised)(jnp.ones(1), jnp.asarray(step), jnp.ones(1)))


def test_data_steps_and_noise_that_do_not_fit_are_refused(unchecked):
    x = jnp.ones((3, 3))
    for step in (jnp.array([0, 500, 999]), 3.0):
        with pytest.raises(ValueError, match="expected one whole number as the step"):
            SCALED.noised(x, step, x)
    for noise in (jnp.zeros(1), jnp.zeros((2, 3, 3))):
        with pytest.raises(ValueError, match="noise of the data's shape"):
            SCALED.noised(x, 3, noise)
    # Bytes are numbers.
    np.testing.assert_allclose(
        SCALED.noised(jnp.full(2, 10, jnp.uint8), 0, jnp.zeros(2)), 10, rtol=1e-3
    )
    assert SCALED.noised(x.astype(jnp.bfloat16), 3, x).dtype == jnp.bfloat16
