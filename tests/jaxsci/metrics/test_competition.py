"""M4's scores: by hand, missing values and ragged histories, without a scale, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.metrics import mase, owa, smape

ROUND_OFF = 1e-13  # a handful of double-precision operations
NAN = float("nan")


def test_smape_is_that_of_m4(x64):
    predicted = jnp.array([[2.0, 0.0, 3.0], [1.0, 1.0, -1.0]])
    target = jnp.array([[1.0, 0.0, 3.0], [1.0, 0.0, 1.0]])
    # 200 · 1/3, 0/0 = 0, 0; then 0, 200, 200.
    np.testing.assert_allclose(smape(predicted, target), [200 / 9, 400 / 3], rtol=ROUND_OFF)
    np.testing.assert_allclose(smape(5 * predicted, 5 * target), smape(predicted, target))
    slope = jax.grad(lambda f: smape(f, target).sum())(predicted)
    assert np.isfinite(slope).all()  # at 0/0 as well


def test_mase_is_the_error_over_that_of_the_seasonal_naive_forecast(x64):
    history = jnp.array([1.0, 5.0, 2.0, 8.0, 4.0, 9.0])
    predicted, target = jnp.array([5.0, 9.0]), jnp.array([6.0, 12.0])
    np.testing.assert_allclose(mase(predicted, target, history), 2 / (22 / 5), rtol=ROUND_OFF)
    np.testing.assert_allclose(
        mase(predicted, target, history, season=2), 2 / (7 / 4), rtol=ROUND_OFF
    )
    moved = mase(7 - 3 * predicted, 7 - 3 * target, 7 - 3 * history, season=2)
    np.testing.assert_allclose(moved, 2 / (7 / 4), rtol=ROUND_OFF)


def test_missing_values_are_neither_nan_nor_exact(x64):
    history = jnp.array([NAN, NAN, 1.0, 5.0, NAN, 8.0, 4.0])
    predicted, target = jnp.array([5.0, 9.0, 0.0]), jnp.array([6.0, 12.0, NAN])
    # Pairs at distance 1: (1, 5), (8, 4).
    np.testing.assert_allclose(mase(predicted, target, history), 2 / 4, rtol=ROUND_OFF)
    np.testing.assert_allclose(smape(predicted, target), (200 / 11 + 600 / 21) / 2, rtol=ROUND_OFF)
    # The same by masks over values that mean nothing.
    known, came = ~np.isnan(history), ~np.isnan(target)
    same = mase(
        predicted,
        jnp.asarray(np.where(came, target, 1e9)),
        jnp.asarray(np.where(known, history, -1e9)),
        observed=jnp.asarray(came),
        history_observed=jnp.asarray(known),
    )
    np.testing.assert_allclose(same, 2 / 4, rtol=ROUND_OFF)
    slope = jax.grad(lambda f: mase(f, target, history) + smape(f, target))(predicted)
    assert np.isfinite(slope).all()
    assert slope[2] == 0


def test_series_without_a_value_are_nan_and_do_not_spoil_the_others():
    history = jnp.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0], [NAN, NAN, 1.0], [1.0, 2.0, 4.0]])
    target = jnp.array([[1.0], [1.0], [1.0], [NAN]])
    values = mase(jnp.zeros((4, 1)), target, history)
    np.testing.assert_array_equal(jnp.isnan(values), [False, True, True, True])
    np.testing.assert_allclose(values[0], 1 / 1.5, rtol=1e-6)
    np.testing.assert_array_equal(jnp.isnan(smape(jnp.zeros((4, 1)), target)), [0, 0, 0, 1])


def test_series_at_once_are_series_one_by_one(x64):
    rng = np.random.default_rng(0)
    predicted, target = jnp.asarray(rng.normal(size=(2, 3, 4)))
    history = jnp.asarray(rng.normal(size=(3, 9)))
    together = mase(predicted, target, history, season=3)
    single = jax.jit(jax.vmap(lambda f, y, h: mase(f, y, h, season=3)))
    np.testing.assert_allclose(together, single(predicted, target, history), rtol=ROUND_OFF)
    np.testing.assert_allclose(smape(predicted, target), jax.vmap(smape)(predicted, target))


def test_the_reference_has_owa_one_and_means_come_before_ratios(x64):
    errors = jnp.array([10.0, 20.0]), jnp.array([0.5, 2.0])
    np.testing.assert_allclose(owa(*errors, *errors), 1.0, rtol=ROUND_OFF)
    reference = jnp.array([20.0, 20.0]), jnp.array([2.0, 2.0])
    np.testing.assert_allclose(owa(*errors, *reference), (15 / 20 + 1.25 / 2) / 2, rtol=ROUND_OFF)
    # The published averages of M4's winner and of Naive 2: 11.374, 1.536; 13.564, 1.912.
    published = [jnp.array(value) for value in (11.374, 1.536, 13.564, 1.912)]
    np.testing.assert_allclose(owa(*published), 0.821, atol=5e-4)  # as published, three digits


def test_bad_input_is_refused():
    y, history = jnp.ones((2, 3)), jnp.ones((2, 5))
    with pytest.raises(ValueError, match=r"smape expected a target of shape \(2, 3\)"):
        smape(y, y[:, 1:])
    with pytest.raises(ValueError, match="smape expected at least one observed target"):
        smape(y, NAN * y)
    with pytest.raises(ValueError, match=r"mase expected a history of shape \(2, 'time'\)"):
        mase(y, y, history[:1])
    with pytest.raises(ValueError, match="a history of more than season=5 steps, got 5"):
        mase(y, y, history, season=5)
    with pytest.raises(ValueError, match="season to be a whole number >= 1, got 0"):
        mase(y, y, history, season=0)
    with pytest.raises(ValueError, match=r"mase \(history\) expected at least one observed"):
        mase(y, y, NAN * history)
    with pytest.raises(ValueError, match=r"owa expected a target of shape \(2, 3\)"):
        owa(y, y, y[:1], y)
    with pytest.raises(ValueError, match="owa expected at least one value"):
        owa(*[jnp.zeros(0)] * 4)
