"""Volatility of forecasts: the martingale identity, the cost of noise, events, refusals.

Expectations of squares are exact, not sampled: a set of vectors whose mean is 0 and whose second moments are
those of independent unit normal variables gives each quadratic form its expectation.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.metrics import (
    allowed_event_volatility,
    allowed_volatility,
    excess_volatility,
    martingale_volatility,
)

T, RHO = 10, 0.8
EXACT = (1 - RHO ** (2 * T)) / (1 - RHO**2)  # Σ_k ρ^{2k}
ROUND_OFF = 1e-12  # sums of a few hundred double-precision numbers


def unit(n):
    """2n vectors of n numbers, with mean 0 and the identity as second moments."""
    basis = np.sqrt(n) * np.eye(n)
    return np.concatenate([basis, -basis])


@pytest.fixture
def autoregression(x64):
    """Forecasts ρ^{T−t} x_t of x_T, and independent noise of variance 1, as (sets, dates)."""
    draws = unit(2 * T + 1)  # x_0, T innovations, T pieces of noise
    x = [draws[:, 0]]
    for t in range(T):
        x.append(RHO * x[-1] + draws[:, 1 + t])
    exact = np.stack([RHO ** (T - t) * x[t] for t in range(T + 1)], axis=1)
    noise = np.concatenate([draws[:, T + 1 :], np.zeros((len(draws), 1))], axis=1)
    return jnp.asarray(exact), jnp.asarray(noise), jnp.asarray(x[T])


def test_exact_forecasts_have_the_volatility_that_is_allowed(autoregression):
    exact, _, target = autoregression
    np.testing.assert_allclose(EXACT, 2.74575, atol=5e-6)
    np.testing.assert_allclose(martingale_volatility(exact).mean(), EXACT, rtol=ROUND_OFF)
    np.testing.assert_allclose(allowed_volatility(exact, target), EXACT, rtol=ROUND_OFF)
    np.testing.assert_allclose(excess_volatility(exact, target), 0.0, atol=ROUND_OFF)
    # Any part of the path too, also one that ends before the target is known.
    np.testing.assert_allclose(excess_volatility(exact[:, 2:7:2], target), 0.0, atol=ROUND_OFF)


def test_noise_adds_what_it_must(autoregression):
    exact, noise, target = autoregression
    noisy = exact + 0.3 * noise
    added = (2 * T - 1) * 0.3**2
    np.testing.assert_allclose(martingale_volatility(noisy).mean(), EXACT + added, rtol=ROUND_OFF)
    # The first forecast is worse, so one τ² of it is allowed.
    np.testing.assert_allclose(excess_volatility(noisy, target), added - 0.3**2, rtol=ROUND_OFF)


def test_sluggish_forecasts_have_too_little(autoregression):
    exact, _, target = autoregression
    slow = (exact[:, :-1] + exact[:, 1:]) / 2  # half of each piece of news is held back
    late = jnp.concatenate([exact[:, :1], slow], axis=1)
    assert excess_volatility(late, target) < -0.1


def test_missing_targets_are_left_out(autoregression):
    exact, noise, target = autoregression
    noisy = exact + noise
    some = np.arange(len(target)) % 3 > 0
    noisy = noisy.at[0, -1].add(1.0)  # else all have the same excess
    for metric in (allowed_volatility, excess_volatility):
        kept = metric(jnp.asarray(np.asarray(noisy)[some]), jnp.asarray(np.asarray(target)[some]))
        assert abs(kept - metric(noisy, target)) > 1e-3
        missing, observed = jnp.asarray(np.where(some, target, np.nan)), jnp.asarray(some)
        for y, mask in ((target, observed), (missing, None), (missing, observed)):
            np.testing.assert_allclose(metric(noisy, y, mask), kept, rtol=ROUND_OFF)
        slope = np.asarray(jax.grad(metric)(noisy, missing))
        assert np.isfinite(slope).all()
        assert (slope[~some] == 0).all()


def coins(tosses):
    """Every outcome of so many fair coins, and P(at least half are heads) before each and after all."""
    outcomes = list(itertools.product((0, 1), repeat=tosses))
    event = {o: float(2 * sum(o) >= tosses) for o in outcomes}
    path = [
        [np.mean([event[b] for b in outcomes if b[:t] == o[:t]]) for t in range(tosses + 1)]
        for o in outcomes
    ]
    return jnp.asarray(path), jnp.asarray([event[o] for o in outcomes])


def test_probabilities_of_an_event_move_as_much_as_they_are_uncertain(x64):
    path, event = coins(6)
    first = path[0, 0]
    allowed = allowed_event_volatility(path)
    np.testing.assert_allclose(allowed, first * (1 - first), rtol=ROUND_OFF)
    np.testing.assert_allclose(martingale_volatility(path).mean(), allowed[0], rtol=ROUND_OFF)
    np.testing.assert_allclose(excess_volatility(path, event), 0.0, atol=ROUND_OFF)
    # Paths that stop before the outcome: what is still uncertain has not been realised.
    part = path[:, :4]
    np.testing.assert_allclose(
        martingale_volatility(part).mean(), allowed_event_volatility(part).mean(), rtol=ROUND_OFF
    )
    loud = jnp.clip(0.5 + 1.5 * (path - 0.5), 0, 1)
    assert excess_volatility(loud, event) > 0.01


def test_under_a_change_of_unit(autoregression):
    exact, noise, target = autoregression
    noisy = exact + noise
    scaled = excess_volatility(1e3 + 3 * noisy, 1e3 + 3 * target)
    # Numbers of 1e3 lose three of the digits.
    np.testing.assert_allclose(scaled, 9 * excess_volatility(noisy, target), rtol=1e-9)


def test_bad_input_is_refused():
    path, target = jnp.zeros((3, 4)), jnp.zeros(3)
    with pytest.raises(ValueError, match=r"at least 2 forecasts .*, got shape \(3, 1\)"):
        martingale_volatility(path[:, :1])
    with pytest.raises(
        ValueError, match=r"a target of shape \(3,\), one for each path, got \(4,\)"
    ):
        excess_volatility(path, jnp.zeros(4))
    with pytest.raises(ValueError, match="at least one observed target"):
        allowed_volatility(path, jnp.nan * target)
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\]"):
        allowed_event_volatility(path.at[1, 2].set(1.5))
    inside = jax.jit(allowed_event_volatility)(path.at[1, 2].set(1.5))
    np.testing.assert_array_equal(jnp.isnan(inside), [False, True, False])
