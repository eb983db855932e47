r"""Demand whose true quantiles are known, at every horizon and given every history.

Regular items sell, on day t,

    y_t = exp( b + w(day of week) + e(holidays and promotions near t) + a_t ),     a_t = ρ a_{t−1} + ε_t,  ε
    ~ N(0, τ²)

so that, h days ahead and given a_t, log y_{t+h} is Gaussian with mean b + w + e + ρ^h a_t and variance τ² (1
− ρ^{2h})/(1 − ρ²). Its conditional mean is a martingale in t: revisions of a perfect forecaster are only as
large as they have to be. Intermittent items sell on a share p of the days, in independent log-normal sizes.
New items are regular ones that have no history before a day in the test period.

What is known ahead are the promotions, the holidays and, since these work four days ahead, the holiday four
days later; what is known of an item are its kind, its weekly pattern and its class of sensitivity to
events. Their effects, which begin days before a holiday, and the items' levels have to be learned. Or each
item reacts to each kind of event in a way of its own, which its history alone tells.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

FUTURE = ("holiday", "coming", "promotion")
REGULAR, INTERMITTENT, NEW = "regular", "intermittent", "new"

# Logarithms of factors; the days relative to the event come first.
_FEAST = dict(zip(range(-4, 2), (0.2, 0.35, 0.6, 0.9, 1.0, -0.4), strict=True))
_FAIR = dict(zip(range(-1, 2), (0.3, 0.7, 0.2), strict=True))
_PROMOTION, _AFTER = 0.5, -0.15
_SENSITIVITY = {"low": 0.3, "high": 1.0}
# Largest of items' own reactions, which are evenly spread from 0: on average as large as those by class.
_STRONGEST = 1.3
_PATTERNS = {
    "workdays": (0.1, 0.15, 0.1, 0.1, 0.2, -0.2, -0.45),
    "weekend": (-0.3, -0.25, -0.2, -0.1, 0.15, 0.45, 0.25),
}


@dataclass(frozen=True)
class Demand:
    """Sizes of the data.

    Args:
        items: number of items.
        days: of the longest history, with the test period.
        test_days: the last days, on which forecasts are made that are judged.
        persistence: ρ.
        noise: standard deviation of a_t.
        shares: of regular, intermittent and new items.
        own_reactions: whether each item reacts to each kind of event in its own way, of which nothing is told,
            and not by its class.
    """

    items: int = 200
    days: int = 560
    test_days: int = 98
    persistence: float = 0.8
    noise: float = 0.25
    shares: tuple[float, float, float] = (0.7, 0.2, 0.1)
    own_reactions: bool = False

    @property
    def static(self) -> tuple[str, ...]:
        """Columns of what is known of the items."""
        known = ("kind", "pattern", "sensitivity")
        return known[:2] if self.own_reactions else known


@dataclass(frozen=True)
class Sales:
    """Demand that was drawn.

    Attributes:
        frame: the long frame, with holidays, promotions and what is known of the items.
        kinds: of the items, in the order of their names.
        near: whether a day is near a holiday, ``(days,)``.
        location: mean of log y but for a_t, ``(items, days)``.
        state: a_t, of the same shape.
        share: p of the intermittent items, 1 for the others, ``(items,)``.
        demand: the numbers drawn from.
    """

    frame: pd.DataFrame
    kinds: np.ndarray
    near: np.ndarray
    location: np.ndarray
    state: np.ndarray
    share: np.ndarray
    demand: Demand

    def quantiles(self, days: np.ndarray, horizon: int, levels: tuple[float, ...]) -> np.ndarray:
        """The true ones of forecasts made on these days, ``(items, days, horizon, levels)``."""
        rho, noise = self.demand.persistence, self.demand.noise
        h = np.arange(1, horizon + 1)
        ahead = np.minimum(days[:, None] + h, self.demand.days - 1)
        known = self.kinds != INTERMITTENT
        # A new item without history is as any other of its kind: a_t is then not known.
        history = known[:, None] & self._started()[:, days]
        mean = self.location[:, ahead] + np.where(
            history[..., None], rho**h * self.state[:, days, None], 0.0
        )
        spread = noise * np.sqrt(1 - np.where(history[..., None], rho ** (2.0 * h), 0.0))
        levels_ = np.asarray(levels)
        # Of a day with sales: P(y ≤ x) = 1 − p + p P(size ≤ x).
        inside = 1 - (1 - levels_) / self.share[:, None]
        z = norm.ppf(np.clip(inside, 1e-12, 1 - 1e-12))[:, None, None, :]
        values = np.exp(mean[..., None] + spread[..., None] * z)
        return np.where((inside > 0)[:, None, None, :], values, 0.0)

    def _started(self) -> np.ndarray:
        present = np.zeros_like(self.state, bool)
        item = self.frame["unique_id"].str[1:].astype(int).to_numpy()
        present[item, self.frame["ds"].to_numpy()] = True
        return present


def draw(demand: Demand, seed: int) -> Sales:
    """Demand of all items from one seed."""
    rng = np.random.default_rng(seed)
    items, days = demand.items, demand.days
    kinds = _kinds(demand)
    pattern = rng.choice(list(_PATTERNS), items)
    sensitivity = rng.choice(list(_SENSITIVITY), items)
    holiday, effects = _holidays(rng, days)
    promotion = _promotions(rng, items, days)
    after = np.zeros_like(promotion)
    after[:, 1:] |= promotion[:, :-1]
    after[:, 2:] |= promotion[:, :-2]
    promoted = _PROMOTION * promotion + _AFTER * (after & ~promotion)
    strength = np.array([_SENSITIVITY[s] for s in sensitivity])
    weekly = np.array([_PATTERNS[p] for p in pattern])[:, np.arange(days) % 7]
    base = rng.normal(np.log(20.0), 1.0, items)
    # The level of a new item cannot be learned from its history: it is the same for all of them.
    base[kinds == NEW] = np.log(20.0)
    state = _autoregressive(rng, demand)
    share = np.where(kinds == INTERMITTENT, rng.uniform(0.3, 0.7, items), 1.0)
    loose = kinds == INTERMITTENT
    noise = rng.normal(size=(int(loose.sum()), days))
    sold = rng.uniform(size=(items, days)) < share[:, None]
    first = np.where(kinds == NEW, days - rng.integers(14, demand.test_days - 14, items), 0)
    own = np.ones((3, items, 1))
    if demand.own_reactions:
        own, strength = rng.uniform(0.0, _STRONGEST, own.shape), np.ones(items)
        # No history tells how a new item reacts: all of them do as the mean does.
        own[:, kinds == NEW] = _STRONGEST / 2
    events = own[0] * effects[0] + own[1] * effects[1] + own[2] * promoted
    location = base[:, None] + weekly + strength[:, None] * events
    sizes = np.exp(location + state)
    sizes[loose] = np.exp(location[loose] + demand.noise * noise)
    y = np.where(sold, sizes, 0.0)
    present = np.arange(days) >= first[:, None]
    item, day = np.nonzero(present)
    coming = np.append(holiday[-min(_FEAST) :], np.full(-min(_FEAST), "none"))
    frame = pd.DataFrame(
        {
            "unique_id": np.char.add("i", np.char.zfill(item.astype(str), 4)),
            "ds": day,
            "y": y[present],
            "holiday": holiday[day],
            "coming": coming[day],
            "promotion": promotion[present].astype(float),
            "kind": np.where(kinds[item] == NEW, REGULAR, kinds[item]),
            "pattern": pattern[item],
            "sensitivity": sensitivity[item],
        }
    )
    if demand.own_reactions:
        frame = frame.drop(columns="sensitivity")
    near = np.abs(effects).sum(0) > 0
    return Sales(frame, kinds, near, location, state, share, demand)


def _kinds(demand: Demand) -> np.ndarray:
    counts = np.round(np.cumsum(demand.shares) * demand.items).astype(int)
    return np.repeat([REGULAR, INTERMITTENT, NEW], np.diff(counts, prepend=0))


def _holidays(rng: np.random.Generator, days: int) -> tuple[np.ndarray, np.ndarray]:
    """The name of each day's holiday, and the effect of the feasts and of the fairs near it."""
    names, effects = np.full(days, "none", dtype="<U5"), np.zeros((2, days))
    kinds = (("feast", (45, 65), _FEAST), ("fair", (25, 40), _FAIR))
    for effect, (name, gap, shape) in zip(effects, kinds, strict=True):
        day = int(rng.integers(5, gap[1]))
        while day < days:
            if names[day] == "none":
                names[day] = name
                for offset, size in shape.items():
                    if 0 <= day + offset < days:
                        effect[day + offset] += size
            day += int(rng.integers(*gap))
    return names, effects


def _promotions(rng: np.random.Generator, items: int, days: int) -> np.ndarray:
    """Spells of three to five days, on about one day in ten."""
    begin = rng.uniform(size=(items, days)) < 0.025
    length = rng.integers(3, 6, (items, days))
    on = np.zeros((items, days), bool)
    for offset in range(5):
        on[:, offset:] |= (begin & (length > offset))[:, : days - offset]
    return on


def _autoregressive(rng: np.random.Generator, demand: Demand) -> np.ndarray:
    shocks = rng.normal(size=(demand.items, demand.days))
    rho, state = demand.persistence, np.empty((demand.items, demand.days))
    state[:, 0] = shocks[:, 0]
    for t in range(1, demand.days):
        state[:, t] = rho * state[:, t - 1] + np.sqrt(1 - rho**2) * shocks[:, t]
    return demand.noise * state
