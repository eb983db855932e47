"""One series as a network sees it, and the earlier values that its targets are compared with."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

_LARGEST = 10.0


class Series(eqx.Module):
    """A stretch of one series that ends with the last date at which forecasts are made.

    Or, with an axis in front, of many, to be vmapped over. Forecasts are made at its last dates, as many as
    the caller asks for; nothing after a date enters them but `future`, up to the horizon.

    Attributes:
        y: targets; what they are where they were not observed does not matter.
        observed: where they were.
        level: m_t (see `scaling`).
        scale: σ_t.
        zero: where zero of the user's units lies in those of y.
        started: whether something had been observed.
        past: covariates known up to the present.
        future: covariates known ahead.
        static: numbers of the series.
        codes: its categories, 0 for one never seen.
    """

    y: Float[Array, "*batch time"]
    observed: Bool[Array, "*batch time"]
    level: Float[Array, "*batch time"]
    scale: Float[Array, "*batch time"]
    zero: Float[Array, "*batch"]
    started: Bool[Array, "*batch time"]
    past: Float[Array, "*batch time past"]
    future: Float[Array, "*batch time_and_horizon future"]
    static: Float[Array, "*batch static"]
    codes: Int[Array, "*batch categories"]

    @property
    def z(self) -> Float[Array, "*batch time"]:
        """Targets in units of their scale, `bounded`, and zero where they are missing."""
        return bounded((jnp.where(self.observed, self.y, self.level) - self.level) / self.scale)

    @property
    def origin(self) -> Float[Array, "*batch time"]:
        """Where zero lies in these units, −m_t/σ_t in the user's, `bounded`."""
        return bounded((self.zero[..., None] - self.level) / self.scale)


def bounded(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """What a network reads in units of a series' scale, held within ±10.

    A spike after a quiet year would else be the largest number that the network ever met.
    """
    return jnp.clip(z, -_LARGEST, _LARGEST)


def ahead(
    array: Float[Array, "time_and_horizon *channels"], dates: int, horizon: int
) -> Float[Array, "dates horizon *channels"]:
    """What lies 1 to H dates after each of the last `dates` dates; the array reaches H dates further."""
    last = array.shape[0] - horizon
    index = np.arange(last - dates, last)[:, None] + np.arange(1, horizon + 1)
    return array[index]


def aligned_lags(
    series: Series, dates: int, horizon: int, seasons: Sequence[int]
) -> tuple[Float[Array, "dates horizon lags"], Bool[Array, "dates horizon lags"]]:
    r"""Earlier values in the season of each target: the latest ones known, and those a season before.

        y[t + h − s ⌈h/s⌉],   y[t + h − s (⌈h/s⌉ + 1)]   for every season s,   and y[t]

    Returns:
        The values, and which are known; the level m_t, always known, comes first.
    """
    length = series.y.shape[0]
    now = np.arange(length - dates, length)[:, None, None]
    h = np.arange(1, horizon + 1)[None, :, None]
    backs = [np.broadcast_to(-h, h.shape)]  # y[t]
    for season in seasons:
        if season > 1:
            cycles = -(-h // season)
            backs += [-season * cycles, -season * (cycles + 1)]
    index = now + h + np.concatenate(backs, -1)
    inside = index >= 0
    index = np.maximum(index, 0)
    level = jnp.broadcast_to(series.level[-dates:, None, None], (dates, horizon, 1))
    known = series.observed[index] & jnp.asarray(inside)
    values = jnp.where(known, series.y[index], level)
    return (
        jnp.concatenate([level, values], -1),
        jnp.concatenate([jnp.ones_like(known[..., :1]), known], -1),
    )


def lag_count(seasons: Sequence[int]) -> int:
    """How many values `aligned_lags` returns for each target."""
    return 2 + 2 * sum(season > 1 for season in seasons)
