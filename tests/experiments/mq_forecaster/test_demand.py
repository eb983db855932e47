"""Synthetic demand has the quantiles that are said to be true."""

import numpy as np
import pytest

from experiments.mq_forecaster.demand import INTERMITTENT, NEW, REGULAR, Demand, draw

LEVELS = (0.1, 0.5, 0.9)
HORIZON = 7


@pytest.fixture(scope="module")
def sales():
    return draw(Demand(items=400, days=260, test_days=100), seed=0)


def targets(sales, days):
    """Demand on the days ahead, ``(items, days, horizon)``; NaN where an item is not sold yet."""
    y = np.full((len(sales.kinds), sales.demand.days), np.nan)
    item = sales.frame.unique_id.str[1:].astype(int)
    y[item, sales.frame.ds] = sales.frame.y
    return y[:, days[:, None] + np.arange(1, HORIZON + 1)]


@pytest.mark.parametrize("kind", [REGULAR, NEW])
def test_true_quantiles_cover_what_they_say(sales, kind):
    days = np.arange(160, 250)
    chosen = sales.kinds == kind
    values, y = sales.quantiles(days, HORIZON, LEVELS)[chosen], targets(sales, days)[chosen]
    known = np.isfinite(y)
    share = (y[known][:, None] <= values[known]).mean(0)
    # Deviations last for days: 280 regular items have some 5,000 independent targets, 40 new ones a tenth.
    np.testing.assert_allclose(share, LEVELS, atol=0.015 if kind == REGULAR else 0.06)


def test_intermittent_demand_has_an_atom_at_zero(sales):
    days = np.arange(160, 250)
    chosen = sales.kinds == INTERMITTENT
    values, y = sales.quantiles(days, HORIZON, LEVELS)[chosen], targets(sales, days)[chosen]
    share = (y <= values[..., 2]).mean()
    np.testing.assert_allclose(share, 0.9, atol=0.01)
    assert (values[..., 0] == 0).all()  # sold on 30 to 70 % of the days


def test_the_log_median_is_a_martingale(sales):
    """Revisions of the forecast of one day are worth the accuracy that they gain."""
    days = np.arange(160, 240)
    chosen = sales.kinds == REGULAR
    median = np.log(sales.quantiles(days, HORIZON, (0.5,))[chosen][..., 0])
    first, back = np.arange(len(days) - HORIZON + 1)[:, None], np.arange(HORIZON)
    path = median[:, first + back, HORIZON - 1 - back]
    truth = np.log(targets(sales, days)[chosen])[:, : len(first), HORIZON - 1]
    realised = (np.diff(path) ** 2).sum(-1).mean()
    allowed = ((path[..., 0] - truth) ** 2 - (path[..., -1] - truth) ** 2).mean()
    np.testing.assert_allclose(realised, allowed, rtol=0.1)


def test_new_items_have_no_history_before_the_test_period(sales):
    first = sales.frame.groupby("unique_id").ds.min().to_numpy()
    assert (first[sales.kinds == NEW] >= 160).all()
    assert (first[sales.kinds != NEW] == 0).all()


def test_the_same_seed_draws_the_same(sales):
    again = draw(sales.demand, seed=0).frame
    assert again.equals(sales.frame)
    assert not draw(sales.demand, seed=1).frame.y.equals(again.y)


def test_what_is_coming_is_the_holiday_four_days_later(sales):
    one = sales.frame.loc[sales.frame.unique_id == "i0000"].sort_values("ds")
    holiday, coming = one.holiday.to_numpy(), one.coming.to_numpy()
    assert (coming[:-4] == holiday[4:]).all()
    assert (coming[-4:] == "none").all()
    # As far ahead as holidays work: no day before the next four is touched by one that is not told of.
    near = np.flatnonzero(sales.near)
    told = [(holiday[d : d + 5] != "none").any() or holiday[max(d - 1, 0)] != "none" for d in near]
    assert all(told)


def reactions(sales):
    """Of regular items to feasts and to fairs, ``(2, items)``, each with some noise from promotions."""
    regular = sales.kinds == REGULAR
    week = np.stack([sales.location[regular][:, day::7].mean(1) for day in range(7)], 1)
    deviation = sales.location[regular] - week[:, np.arange(sales.demand.days) % 7]
    days = sales.frame.loc[sales.frame.unique_id == "i0000"].sort_values("ds").holiday.to_numpy()
    return [deviation[:, days == name].mean(1) for name in ("feast", "fair")]


def test_items_react_by_class_or_in_their_own_ways(sales):
    own = draw(Demand(items=400, days=260, test_days=100, own_reactions=True), seed=0)
    assert own.demand.static == ("kind", "pattern")
    assert "sensitivity" not in own.frame
    assert np.corrcoef(reactions(sales))[0, 1] > 0.7
    # Of 280 items whose reactions have nothing to do with each other, three standard deviations.
    assert abs(np.corrcoef(reactions(own))[0, 1]) < 0.18
    # All else is as drawn before.
    others = [name for name in own.frame if name != "y"]
    assert own.frame[others].equals(sales.frame[others])
    for name in ("near", "state", "kinds", "share"):
        assert np.array_equal(getattr(own, name), getattr(sales, name))


def test_new_items_react_as_the_mean_does():
    """No history tells their own reactions, so that the true quantiles may not know them either."""
    own = draw(Demand(items=400, days=260, test_days=100, own_reactions=True), seed=0)
    pattern = own.frame.groupby("unique_id")["pattern"].first().to_numpy()
    one = own.frame.loc[own.frame.unique_id == "i0000"].sort_values("ds")
    feasts = own.location[(own.kinds == NEW) & (pattern == "weekend")][:, one.holiday == "feast"]
    # They differ by promotions alone, from -0.15 to 0.5 of logarithm, by half the strongest reaction, 1.3.
    assert np.ptp(feasts, axis=0).max() < 0.65 * 0.65 + 1e-9


def test_own_reactions_have_true_quantiles_too():
    own = draw(Demand(items=400, days=260, test_days=100, own_reactions=True), seed=1)
    days = np.arange(160, 250)
    chosen = own.kinds == REGULAR
    values, y = own.quantiles(days, HORIZON, LEVELS)[chosen], targets(own, days)[chosen]
    share = (y[..., None] <= values).mean((0, 1, 2))
    np.testing.assert_allclose(share, LEVELS, atol=0.015)
