"""Forecasts at every date of a series: as in a loop over the dates, and blind to what comes after."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.forecasting import MLP, MQCNN, MQRNN, MQTransformer
from jaxsci.forecasting.heads import HEADS

HORIZON, SEASON, LENGTH, DATES = 3, 4, 40, 6
SIZES = {"past": 2, "future": 3, "static": 1, "categories": [2]}


class Copying(MQTransformer):
    """MQ-Transformer whose heads offer the values that they attend to."""

    def __init__(self, **options):
        super().__init__(**options, copy=True)


KINDS = (MLP, MQRNN, MQCNN, MQTransformer, Copying)


# Layer by layer each operation would be compiled on its own.
call = eqx.filter_jit(lambda net, series, dates: net(series, dates))


@functools.cache
def network(kind, dtype=jnp.float64, *, nonnegative=True, **options):
    if issubclass(kind, MQTransformer):
        options = {"window": 5, "feedback": 2, "nearby": 2, "heads": 2} | options
    if issubclass(kind, MQCNN):
        options = {"dilations": (1, 2)} | options
    if kind is MLP:
        options = {"window": 6} | options
    options |= {"quantiles": (0.1, 0.5, 0.9), "width": 8, "nonnegative": nonnegative}
    forecaster = kind(horizon=HORIZON, season=SEASON, **options)
    made = forecaster.build(SIZES, key=jax.random.key(1))
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, made)


def until(series, last, as_series):
    """The series as it was known after a date."""
    cut = last + 1
    return as_series(
        series.y[:cut], series.observed[:cut], series.past[:cut], series.future[: cut + HORIZON]
    )


def with_gap(series, as_series):
    """Nothing is observed for six dates, one more than the attention's window has."""
    there = jnp.arange(LENGTH)
    observed = series.observed & ((there < LENGTH - 8) | (there >= LENGTH - 2))
    return as_series(series.y, observed, series.past, series.future)


@pytest.mark.parametrize(("kind", "gap"), [*((kind, False) for kind in KINDS), (Copying, True)])
def test_one_pass_equals_the_loop_over_dates(kind, gap, random_series, as_series):
    """Losses and gradients of forking sequences are the sums of those of truncated series."""
    with jax.enable_x64(True):
        net = network(kind)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), started=5)
        series = with_gap(series, as_series) if gap else series
        targets = 5 + jax.random.normal(jax.random.key(2), (DATES, HORIZON), jnp.float64)
        observed = jax.random.bernoulli(jax.random.key(3), 0.8, targets.shape)

        @eqx.filter_jit
        @eqx.filter_value_and_grad
        def at_once(net):
            return net.loss(series, targets, observed).sum()

        @eqx.filter_jit
        @eqx.filter_value_and_grad
        def one_by_one(net):
            total = 0.0
            for k in range(DATES):
                cut = until(series, LENGTH - DATES + k, as_series)
                total = total + net.loss(cut, targets[k : k + 1], observed[k : k + 1]).sum()
            return total

        (loss, grads), (expected, expected_grads) = at_once(net), one_by_one(net)
        # Round-off of sums in another order.
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        leaves = zip(jax.tree.leaves(grads), jax.tree.leaves(expected_grads), strict=True)
        for leaf, expected_leaf in leaves:
            np.testing.assert_allclose(leaf, expected_leaf, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_forecasts_do_not_see_what_comes_later(kind, nonnegative, random_series, as_series):
    """The Jacobian with respect to the future is zero to the last bit, with scaling and padding on."""
    with jax.enable_x64(True):
        net = network(kind, nonnegative=nonnegative)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), started=5)

        def forecasts(y, past, future):
            return net(as_series(y, series.observed, past, future), DATES)

        by_y, by_past, by_future = eqx.filter_jit(jax.jacobian(forecasts, argnums=(0, 1, 2)))(
            series.y, series.past, series.future
        )
        for k in range(DATES):
            now = LENGTH - DATES + k
            assert not by_y[k, ..., now + 1 :].any()
            assert not by_past[k, ..., now + 1 :, :].any()
            assert not by_future[k, ..., now + HORIZON + 1 :, :].any()
            # And what may be seen is.
            last = int(np.flatnonzero(np.asarray(series.observed[: now + 1]))[-1])
            assert by_y[k, ..., last].any()
            assert by_past[k, ..., now, :].any()
            assert by_future[k, ..., now + HORIZON, :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_on_the_left_changes_nothing(kind, random_series, as_series):
    with jax.enable_x64(True):
        net = network(kind)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), started=5)

        def without(first):
            return as_series(
                series.y[first:],
                series.observed[first:],
                series.past[first:],
                series.future[first:],
            )

        # Position embeddings of the first dates look at future covariates before them, as far as 2 dates.
        shorter = call(net, without(3), DATES)
        np.testing.assert_allclose(shorter, call(net, series, DATES), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "head"),
    [(kind, "increments") for kind in KINDS]
    + [(MQCNN, head) for head in ("free", "quantile-function", "student-t")],
)
def test_forecasts_scale_with_the_series(kind, head, random_series, as_series):
    """y → a y, with a > 0, gives forecasts a ŷ, but for the prior's share of the mean size."""
    with jax.enable_x64(True):
        net = network(kind, head=head)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), started=5)
        scaled = as_series(1e3 * series.y, series.observed, series.past, series.future)
        # Student-t quantiles come from an iteration.
        tolerance = 1e-6 if head == "student-t" else 1e-10
        expected = 1e3 * call(net, series, DATES)
        np.testing.assert_allclose(call(net, scaled, DATES), expected, rtol=tolerance)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_a_series_without_history_has_finite_forecasts_and_gradients(head, random_series):
    net = network(MQCNN, jnp.float32, head=head)
    series = random_series(LENGTH, HORIZON, key=jax.random.key(0), dtype=jnp.float32)
    series = eqx.tree_at(
        lambda s: (s.observed, s.started, s.level, s.scale),
        series,
        (
            jnp.zeros(LENGTH, bool),
            jnp.zeros(LENGTH, bool),
            jnp.zeros(LENGTH, jnp.float32),
            jnp.ones(LENGTH, jnp.float32),
        ),
    )
    targets = jnp.ones((2, HORIZON), jnp.float32)
    observed = jnp.array([[True, False, True]] * 2)

    @eqx.filter_value_and_grad
    def loss(net):
        return net.loss(series, targets, observed).sum()

    value, grads = eqx.filter_jit(loss)(net)
    assert jnp.isfinite(value)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(grads))
    assert jnp.isfinite(call(net, series, 2)).all()


def test_targets_that_were_not_observed_do_not_count(random_series):
    with jax.enable_x64(True):
        net = network(MQCNN)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0))
        targets = jnp.full((1, HORIZON), 4.0)
        hidden = targets.at[0, 1].set(jnp.nan)
        observed = jnp.array([[True, False, True]])
        loss = eqx.filter_jit(net.loss)
        losses = loss(series, hidden, observed)
        np.testing.assert_array_equal(losses, loss(series, targets, observed))
        assert losses[0, 1] == 0


def test_too_short_a_series_is_refused(random_series):
    with jax.enable_x64(True):
        series = random_series(4, HORIZON, key=jax.random.key(0))
        with pytest.raises(ValueError, match="at least 9 dates for 3 forecasts, got 4; pad"):
            network(MQTransformer)(series, 3)


def test_an_earlier_forecast_feeds_only_later_ones_of_its_target(random_series):
    """Changing the context of (s, r) moves only the cells with t + h = s + r and t >= s."""
    with jax.enable_x64(True):
        decoder = network(MQTransformer).decoder
        count = 6
        keys = jax.random.split(jax.random.key(0), 3)
        encoding = jax.random.normal(keys[0], (count, 8), jnp.float64)
        contexts = jax.random.normal(keys[1], (count, HORIZON, 8), jnp.float64)
        target = jax.random.normal(keys[2], (count - decoder.feedback, HORIZON, 8), jnp.float64)
        made = jnp.ones(count, bool)
        back = jax.jacobian(lambda c: decoder.attend_back(encoding, c, target, made))
        jacobian = jax.jit(back)(contexts)
        moved = np.abs(np.asarray(jacobian)).max(axis=(2, 5)) > 0  # (t, h, s, r)
        t = np.arange(decoder.feedback, count)[:, None, None, None]
        h, s, r = (
            np.arange(HORIZON)[:, None, None],
            np.arange(count)[:, None],
            np.arange(HORIZON),
        )
        expected = (t + h == s + r) & (t >= s) & (t - s <= decoder.feedback)
        np.testing.assert_array_equal(moved, np.broadcast_to(expected, moved.shape))


@pytest.mark.parametrize("kind", KINDS)
def test_how_far_ahead_a_target_lies_is_known_without_events(kind, random_series, as_series):
    """Where all dates are alike, and nothing is known ahead, horizons still have forecasts of their own."""
    with jax.enable_x64(True):
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), missing=0.0)
        alike = as_series(
            jnp.full_like(series.y, 3.0),
            series.observed,
            jnp.zeros_like(series.past),
            jnp.zeros_like(series.future),
        )
        quantiles = np.asarray(call(network(kind), alike, 1)[0])
        widths = quantiles[:, -1] - quantiles[:, 0]
        assert len(np.unique(widths.round(9))) == HORIZON


def test_seasonal_naive_is_one_choice_of_the_mixture(random_series):
    """With all weight on the value of a season before, the median is that value."""
    with jax.enable_x64(True):
        net = network(MQCNN, head="free")
        outputs = net.head.outputs
        bias = jnp.zeros_like(net.out.bias).at[outputs + 2].set(1e3)
        net = eqx.tree_at(
            lambda n: (n.out.weight, n.out.bias), net, (jnp.zeros_like(net.out.weight), bias)
        )
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), missing=0.0)
        expected = [series.y[LENGTH - 1 + h - SEASON] for h in range(1, HORIZON + 1)]
        np.testing.assert_allclose(call(net, series, 1)[0, :, 1], jnp.stack(expected), rtol=1e-12)


@pytest.mark.parametrize("kind", [MLP, MQCNN, MQTransformer, Copying])
def test_nothing_beyond_the_reach_matters(kind, random_series):
    """What training cuts off before a stretch would not have changed its forecasts."""
    with jax.enable_x64(True):
        net = network(kind)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0))
        kept = net.reach + 1

        def cut(array):
            return array[-kept:]

        short = eqx.tree_at(
            lambda s: (s.y, s.observed, s.level, s.scale, s.started, s.past, s.future),
            series,
            (
                *map(cut, (series.y, series.observed, series.level, series.scale)),
                cut(series.started),
                cut(series.past),
                series.future[-kept - HORIZON :],
            ),
        )
        np.testing.assert_allclose(call(net, short, 2), call(net, series, 2), rtol=1e-12)


def indifferent(decoder):
    """It weighs all dates of its window alike."""
    return eqx.tree_at(lambda d: d.query.weight, decoder, replace_fn=jnp.zeros_like)


def test_heads_copy_the_observed_values_that_they_weigh(random_series, as_series):
    """With no preference among the dates of its window, a head offers their mean; with none, nothing."""
    with jax.enable_x64(True):
        decoder = indifferent(network(Copying).decoder)
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), missing=0.3)
        series = with_gap(series, as_series)
        encoding = jax.random.normal(jax.random.key(1), (decoder.history + DATES, 8), jnp.float64)
        _, values, known = eqx.filter_jit(decoder)(series, encoding, jnp.zeros(5))
        observed, y = np.asarray(series.observed), np.asarray(series.y)
        for d in range(DATES):
            window = slice(LENGTH - DATES + d + 1 - decoder.window, LENGTH - DATES + d + 1)
            if observed[window].any():
                expected = y[window][observed[window]].mean()
                np.testing.assert_allclose(values[d], expected, rtol=1e-12)
            assert (np.asarray(known[d]) == observed[window].any()).all()
        # The windows of the third and the fourth date lie in the gap.
        assert known[1].all()
        assert not known[2:4].any()


def test_values_far_from_zero_are_copied_to_their_last_digits(random_series, as_series):
    """In single precision, of a series whose level is at first that of others, far above."""
    decoder = indifferent(network(Copying, jnp.float32).decoder)
    series = random_series(LENGTH, HORIZON, key=jax.random.key(0), missing=0.0, dtype=jnp.float32)
    series = as_series(series.y + 1e6, series.observed, series.past, series.future)
    series = eqx.tree_at(lambda s: s.level, series, replace_fn=lambda level: 1e3 * level)
    encoding = jax.random.normal(jax.random.key(1), (decoder.history + DATES, 8), jnp.float32)
    _, values, _ = eqx.filter_jit(decoder)(series, encoding, jnp.zeros(5, jnp.float32))
    y = np.asarray(series.y, np.float64)
    for d in range(DATES):
        last = LENGTH - DATES + d + 1
        # Floats near a million are 1/16 apart: one such step for the mean, one for the sum with it.
        np.testing.assert_allclose(values[d], y[last - decoder.window : last].mean(), atol=1 / 8)


def test_a_head_that_looks_at_nothing_observed_offers_nothing(random_series, as_series):
    with jax.enable_x64(True):
        series = random_series(LENGTH, HORIZON, key=jax.random.key(0), missing=0.0)
        gap = series.observed & (jnp.arange(LENGTH) < LENGTH - 20)
        gone = as_series(series.y, gap, series.past, series.future)
        decoder = network(Copying).decoder
        encoding = jnp.ones((decoder.history + 2, 8))
        assert not np.asarray(eqx.filter_jit(decoder)(gone, encoding, jnp.zeros(5)).known).any()
        # A network that has it goes on with what else there is.
        assert np.isfinite(np.asarray(call(network(Copying), gone, 2))).all()
