"""Samplers on data whose best denoiser is known: a normal distribution, and two points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.generative import NoiseSchedule, Sampler, ddim, ddpm, denoising_loss

SCHEDULE = NoiseSchedule.scaled_linear()
MEAN, VARIANCE = 1.5, 0.25


def table(values, t):
    return jnp.asarray(values)[t]


def best(x, t):
    """The mean of the noise given x_t, for data from N(1.5, 0.25)."""
    share = SCHEDULE.alpha_bar
    slope = np.sqrt(1 - share) / (share * VARIANCE + 1 - share)
    dtype = x.dtype
    return table(slope.astype(dtype), t) * (x - table(np.sqrt(share).astype(dtype), t) * MEAN)


def moments(sampler):
    """Mean and variance of what comes out of N(0, 1): all steps are affine, so they can be followed."""
    share = SCHEDULE.alpha_bar[sampler.visited()]
    slope = np.sqrt(1 - share) / (share * VARIANCE + 1 - share)
    mean, variance = 0.0, 1.0
    for (a, b, sigma), c, root in zip(sampler.coefficients(), slope, np.sqrt(share), strict=True):
        mean = (a + b * c) * mean - b * c * root * MEAN
        variance = (a + b * c) ** 2 * variance + sigma**2
    return mean, variance


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [(ddpm(SCHEDULE), (1.49972, 0.247766)), (ddim(SCHEDULE), (1.47972, 0.249177))],
)
def test_moments_of_a_normal_distribution(sampler, expected):
    # Of numbers computed apart from this code, to five digits behind the point.
    np.testing.assert_allclose(moments(sampler), expected, atol=1e-5)


@pytest.mark.usefixtures("x64")
def test_ddim_is_the_affine_map_that_its_coefficients_say():
    sampler = ddim(SCHEDULE)
    ends = sampler(best, jnp.array([0.0, 1.0]))
    mean, variance = moments(sampler)
    # Double precision through a thousand steps.
    np.testing.assert_allclose([ends[0], (ends[1] - ends[0]) ** 2], [mean, variance], rtol=1e-10)


@pytest.mark.parametrize("sampler", [ddpm(SCHEDULE), Sampler(SCHEDULE, steps=100, eta=0.5)])
def test_samples_have_these_moments(sampler, key):
    start, steps = jax.random.split(key)
    count = 20_000
    x = jax.jit(lambda k: sampler(best, jax.random.normal(start, (count,)), key=k))(steps)
    mean, variance = moments(sampler)
    # Four standard errors of a mean and of a variance.
    assert float(x.mean()) == pytest.approx(mean, abs=4 * np.sqrt(variance / count))
    assert float(x.var()) == pytest.approx(variance, rel=4 * np.sqrt(2 / count))


def test_ddpm_has_the_posterior_of_its_paper():
    """Mean and variance of equations 7 and 11 of Ho et al."""
    a, b, sigma = ddpm(SCHEDULE).coefficients()[::-1].T
    beta = np.array(SCHEDULE.beta)
    np.testing.assert_allclose(a, 1 / np.sqrt(1 - beta), rtol=1e-12)
    # 1 − ᾱ_0 has lost four digits.
    np.testing.assert_allclose(b, -beta / np.sqrt((1 - beta) * (1 - SCHEDULE.alpha_bar)), rtol=1e-9)
    np.testing.assert_allclose(sigma**2, SCHEDULE.posterior_variance, rtol=1e-9, atol=1e-20)


def test_few_steps_are_even_and_begin_with_the_noisiest():
    assert ddim(SCHEDULE, steps=4).visited().tolist() == [999, 749, 499, 249]
    assert ddim(NoiseSchedule.linear(7), steps=3).visited().tolist() == [6, 3, 1]
    assert ddpm(SCHEDULE).visited().tolist() == list(range(999, -1, -1))


@pytest.mark.parametrize("steps", [1, 3, 50, 1000])
def test_noise_that_is_known_is_removed_wholly(steps):
    """From a denoiser that knows the data DDIM goes to these data, in any number of steps."""
    data = jnp.array([0.3, -2.0, 1.0])

    def knowing(x, t):
        signal, spread = (
            table(np.sqrt(v).astype(np.float32), t)
            for v in (SCHEDULE.alpha_bar, 1 - SCHEDULE.alpha_bar)
        )
        return (x - signal * data) / spread

    x = ddim(SCHEDULE, steps=steps)(knowing, jnp.array([1.0, 0.1, -0.7]))
    # Single precision; 1/√ᾱ_999 = 37 is what rounding is multiplied with.
    np.testing.assert_allclose(x, data, atol=5e-5)


@pytest.mark.usefixtures("x64")
def test_bounds_are_those_of_the_posterior_mean():
    """Ho et al., equation 7, of the x̂_0 that is cut off; the fresh noise is taken away again."""
    schedule = NoiseSchedule.linear(2)
    beta, (last, first) = np.array(schedule.beta)[1], schedule.alpha_bar[::-1]
    x, found, key = np.array([-3.0, 0.1, 2.0]), np.array([0.5, 0.4, -1.0]), jax.random.key(3)
    data = np.clip((x - np.sqrt(1 - last) * found) / np.sqrt(last), -0.5, 0.25)
    mean = (np.sqrt(first) * beta * data + np.sqrt(1 - beta) * (1 - first) * x) / (1 - last)
    seen = []

    def denoiser(x, t):
        jax.debug.callback(lambda x, t: seen.append((int(t), np.array(x))), x, t)
        return jnp.asarray(found)

    end = jax.block_until_ready(
        ddpm(schedule, bounds=(-0.5, 0.25))(denoiser, jnp.asarray(x), key=key)
    )
    jax.effects_barrier()
    sigma = np.sqrt(schedule.posterior_variance[1])
    fresh = sigma * jax.random.normal(jax.random.fold_in(key, 0), (3,))
    states = dict(seen)
    np.testing.assert_allclose(states[0], mean + fresh, rtol=1e-12)
    # The last step's mean is x̂_0 itself.
    data = np.clip((states[0] - np.sqrt(1 - first) * found) / np.sqrt(first), -0.5, 0.25)
    np.testing.assert_allclose(end, data, rtol=1e-12)


def test_bounds_hold_what_a_schedule_without_signal_multiplies():
    schedule = NoiseSchedule.cosine(200)
    noise = jax.random.normal(jax.random.key(0), (64,))
    # A denoiser that takes half of what is mere noise for data.
    denoiser = lambda x, t: 0.5 * x
    assert float(jnp.abs(ddim(schedule)(denoiser, noise)).max()) > 10
    within = ddim(schedule, bounds=(-1.0, 1.0))(denoiser, noise)
    # Rounding of the last step.
    assert float(jnp.abs(within).max()) < 1 + 1e-5


def test_bounds_that_data_keep_change_nothing():
    noise = jax.random.normal(jax.random.key(0), (64,))
    free, within = (ddim(SCHEDULE, steps=20, bounds=b)(best, noise) for b in (None, (-9.0, 9.0)))
    np.testing.assert_array_equal(free, within)


def test_fewer_steps_are_as_good_the_more_they_are():
    # The error of the mean, first order in the length of a step.
    exact = moments(ddim(SCHEDULE))[0]
    errors = [abs(moments(ddim(SCHEDULE, steps=n))[0] - exact) for n in (25, 50, 100)]
    assert errors[0] > 1.6 * errors[1] > 1.6**2 * errors[2] > 0


def test_gradients_pass_through_the_steps(x64):
    sampler = Sampler(NoiseSchedule.scaled_linear(20), eta=1.0)
    loss = lambda w: jnp.sum(
        sampler(lambda x, t: jnp.tanh(w * x), jnp.array([0.4, -1.0]), key=jax.random.key(1)) ** 2
    )
    w, h = jnp.asarray(0.3), 1e-5
    slope = (loss(w + h) - loss(w - h)) / (2 * h)
    # Errors of order h².
    assert float(jax.grad(loss)(w)) == pytest.approx(float(slope), rel=1e-7)


def test_loss_of_the_best_denoiser_is_what_is_left_of_the_noise(key):
    """The variance of the noise given x_t, averaged over the steps; one for a denoiser that finds none."""
    share = SCHEDULE.alpha_bar
    left = np.mean(share * VARIANCE / (share * VARIANCE + 1 - share))
    draw, noise = jax.random.split(key)
    x = MEAN + np.sqrt(VARIANCE) * jax.random.normal(draw, (4000, 8))
    losses = lambda denoiser: jax.vmap(
        lambda x, k: denoising_loss(denoiser, x, schedule=SCHEDULE, key=k)
    )(x.astype(jnp.float32), jax.random.split(noise, 4000))
    for denoiser, expected in ((best, left), (lambda x, t: jnp.zeros_like(x), 1.0)):
        found = jax.jit(losses, static_argnums=0)(denoiser)
        # Four standard errors.
        error = float(found.std()) / np.sqrt(len(found))
        assert float(found.mean()) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1001}, "at most the 1000 steps"),
        ({"steps": 0}, "steps to be a whole number"),
        ({"eta": 1.5}, "eta in"),
        ({"eta": float("nan")}, "eta in"),
        ({"bounds": (1.0, 0.0)}, "in order"),
        ({"bounds": (0.0, float("nan"))}, "in order"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Sampler(SCHEDULE, **options)


def test_wrong_calls_are_refused(unchecked):
    noise = jnp.zeros(3)
    with pytest.raises(ValueError, match="two numbers"):
        ddim(SCHEDULE, bounds=1.0)
    with pytest.raises(ValueError, match="expected a key"):
        ddpm(SCHEDULE)(best, noise)
    with pytest.raises(TypeError, match="expected a random key"):
        ddpm(SCHEDULE)(best, noise, key=0)
    with pytest.raises(ValueError, match="eta > 0 with guidance"):
        ddim(SCHEDULE)(best, noise, guidance=lambda x, t, s: x)
    with pytest.raises(ValueError, match="returns the noise in data of shape"):
        ddim(SCHEDULE)(lambda x, t: x[:2], noise)
    with pytest.raises(ValueError, match="returns the noise in data of shape"):
        denoising_loss(lambda x, t: x[:2], noise, schedule=SCHEDULE, key=jax.random.key(0))


def test_losses_see_all_steps_alike_and_noise_that_is_fresh():
    schedule, seen = NoiseSchedule.cosine(3), lambda x, t: jnp.stack([t.astype(float), x[0]])

    # With data of zero the noisy data are the noise times its share; the denoiser finds none.
    def found(key):
        record = []
        loss = denoising_loss(
            lambda x, t: record.append(seen(x, t)) or 0 * x,
            jnp.zeros(2),
            schedule=schedule,
            key=key,
        )
        return jnp.append(record[0], loss)

    t, x, _ = jax.jit(jax.vmap(found))(jax.random.split(jax.random.key(0), 6000)).T
    noise = np.asarray(x) / np.sqrt(1 - schedule.alpha_bar)[np.asarray(t, int)]
    counts = np.bincount(np.asarray(t, int), minlength=3)
    # Four standard errors, of counts and of means of numbers with a standard deviation of 1.
    np.testing.assert_allclose(counts, 2000, atol=4 * np.sqrt(6000 * 2 / 9))
    for step in range(3):
        assert abs(noise[np.asarray(t) == step].mean()) < 4 / np.sqrt(2000)
        assert noise[np.asarray(t) == step].std() == pytest.approx(1, abs=4 / np.sqrt(4000))


def test_half_precision_loss_is_finite_where_squares_are_not():
    loss = denoising_loss(
        lambda x, t: 0 * x + 300,
        jnp.zeros(4, jnp.float16),
        schedule=SCHEDULE,
        key=jax.random.key(0),
    )
    assert float(loss) == pytest.approx(300**2, rel=0.02)


def test_half_precision_keeps_the_small_change_of_a_step(key):
    """Factors of 1.00005 are 1 in bfloat16: the steps are added up in single precision."""
    noise = jax.random.normal(key, (64,))
    half = ddim(SCHEDULE)(best, noise.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    # What the denoiser gets and gives has three digits.
    np.testing.assert_allclose(
        half.astype(jnp.float32), ddim(SCHEDULE)(best, noise), rtol=0.05, atol=0.05
    )


def test_whole_numbers_are_read_as_numbers(unchecked):
    found = ddim(SCHEDULE, steps=10)(best, jnp.array([1, -2]))
    np.testing.assert_array_equal(found, ddim(SCHEDULE, steps=10)(best, jnp.array([1.0, -2.0])))
    with pytest.raises(TypeError, match="Sampler expected arrays of numbers"):
        ddim(SCHEDULE)(best, "noise")
