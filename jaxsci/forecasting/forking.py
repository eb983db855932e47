"""Forking sequences: batches of series in which every date of a stretch makes a forecast.

A batch holds B stretches of as many dates as the network reaches back, and K more: each of the last K dates
makes a forecast of its next H, and all share one encoding. K = 1 samples windows, the usual way.

Every forecast date of every series is drawn equally often: the K dates may begin before the first value,
where a series has no history yet, and end with the last whose next value is known.

Numbers are told apart in double precision before they are handed over in single: those of a stretch are
differences from the level at its first forecast date, in a unit near the typical scale.

Reference: Wen et al., 2017, arXiv:1711.11053, section 3.3.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxsci._checks import check_key, whole

from .panel import Panel
from .scaling import Normal, Prior, Typical, causal_normal
from .series import Series

# Series whose levels are computed at once.
_TOGETHER = 4096


class SeriesArrays(eqx.Module):
    """Many series as arrays, with zeros before them, and level and scale of every date.

    Attributes:
        series: all of them, `pad` dates longer than those of the panel, in units of `unit`; future covariates
            reach H dates further.
        rest: what single precision leaves of y and of the level.
        pad: dates before the first.
        fixed: whether stretches keep the zero of `series`, as counts do, instead of one at their own level.
    """

    series: Series
    rest: tuple[Float[Array, "series time"], Float[Array, "series time"]]
    pad: int = eqx.field(static=True)
    fixed: bool = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        panel: Panel,
        prior: Prior,
        *,
        half_life: float,
        pad: int,
        unit: float | None = None,
        zero: Float[np.ndarray, " series"] | None = None,
    ) -> "SeriesArrays":
        """The series of a panel, with `pad` dates before the first and in float32.

        Args:
            panel: the series.
            prior: for those without history.
            half_life: of level and scale.
            pad: how many dates to put before the first.
            unit: of y, level and scale; that of the prior by default.
            zero: what every stretch of a series is told as a difference from; its own level by default.
        """
        unit = prior.unit if unit is None else unit
        start = np.zeros(len(panel.y)) if zero is None else np.asarray(zero, np.float64)

        def padded(array, dtype: Any = np.float32):
            widths = [(0, 0), (pad, 0)] + [(0, 0)] * (array.ndim - 2)
            return jnp.asarray(np.pad(array, widths).astype(dtype))

        past = ((0, 0), (pad, 0))
        y, observed = np.pad(panel.y, past), np.pad(panel.observed, past)
        normal = normals(y, observed, prior, half_life)
        level, scale = map(np.asarray, (normal.level, normal.scale))
        high_y, low_y = _halves((y - start[:, None]) / unit)
        high_level, low_level = _halves((level - start[:, None]) / unit)
        series = Series(
            y=high_y,
            observed=jnp.asarray(observed),
            level=high_level,
            scale=jnp.asarray(single(scale / unit)),
            zero=jnp.asarray(-start / unit, jnp.float32),
            started=jnp.asarray(normal.started),
            past=padded(panel.past),
            future=padded(panel.future),
            static=jnp.asarray(panel.static, jnp.float32),
            codes=jnp.asarray(panel.codes, jnp.int32),
        )
        return cls(series, (low_y, low_level), pad, zero is not None)

    def reference(
        self, index: Int[Array, ""], column: Int[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The level of a series at a column of the panel, and what single precision leaves of it."""
        place = index, column + self.pad
        level, rest = self.series.level[place], self.rest[1][place]
        if self.fixed:
            return jnp.zeros_like(level), jnp.zeros_like(rest)
        return level, rest

    def stretch(
        self,
        index: Int[Array, ""],
        last: Int[Array, ""],
        length: int,
        horizon: int,
        *,
        dates: int = 1,
    ) -> Series:
        """The dates of one series up to a column of the panel, and what is known ahead of it.

        Args:
            index: of the series.
            last: the column.
            length: dates of the stretch.
            horizon: dates that are known ahead.
            dates: the last ones, that make forecasts: zero is the level at the first of them.
        """
        index, last = index.astype(jnp.int32), last.astype(jnp.int32)
        first = last + jnp.asarray(self.pad - length + 1, jnp.int32)
        high, low = self.reference(index, last - dates + 1)

        def cut(array, more=0):
            start = (index, first, *[jnp.zeros((), jnp.int32)] * (array.ndim - 2))
            return jax.lax.dynamic_slice(array, start, (1, length + more, *array.shape[2:]))[0]

        s = self.series
        return Series(
            y=(cut(s.y) - high) + (cut(self.rest[0]) - low),
            observed=cut(s.observed),
            level=(cut(s.level) - high) + (cut(self.rest[1]) - low),
            scale=cut(s.scale),
            zero=s.zero[index] - high - low,
            started=cut(s.started),
            past=cut(s.past),
            future=cut(s.future, horizon),
            static=s.static[index],
            codes=s.codes[index],
        )


class ForkSource(eqx.Module):
    """An endless stream of batches of stretches, for `jaxsci.training.fit`.

    Args:
        arrays: the series, padded by `length` dates or more.
        first: column of the first observation of each, counted without the padding.
        length: dates of a stretch.
        forks: dates K of a stretch that make forecasts.
        horizon: number H of targets.
        batch_size: stretches B of a batch.
        key: fixes the stream.

    Raises:
        TypeError: no random key.
        ValueError: a number below one, or arrays that have too few dates before the series or ahead of them.
    """

    arrays: SeriesArrays
    first: Int[Array, " series"]
    length: int = eqx.field(static=True)
    forks: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    key: PRNGKeyArray

    def __init__(
        self,
        *,
        arrays: SeriesArrays,
        first: Int[Array, " series"],
        length: int,
        forks: int,
        horizon: int,
        batch_size: int,
        key: PRNGKeyArray,
    ):
        check_key("ForkSource", key)
        self.length = whole("ForkSource", "length", length)
        self.forks = whole("ForkSource", "forks", forks)
        self.horizon = whole("ForkSource", "horizon", horizon)
        self.batch_size = whole("ForkSource", "batch_size", batch_size)
        series = arrays.series
        ahead = series.future.shape[1] - series.y.shape[1]
        # Slices that do not fit would be moved to where they do, and have other dates.
        fits = {
            f"forks up to length={self.length}, got {self.forks}": self.forks <= self.length,
            f"arrays with pad >= length={self.length}, got {arrays.pad}": arrays.pad >= self.length,
            f"what is known {self.horizon} dates ahead, got {ahead}": ahead >= self.horizon,
            f"first of {len(series.y)} series, got shape {first.shape}": first.shape
            == series.y.shape[:1],
        }
        for expected, holds in fits.items():
            if not holds:
                raise ValueError(
                    f"ForkSource expected {expected}; make all of one panel, and the arrays with pad=length."
                )
        self.arrays, self.first, self.key = arrays, first, key

    def batch(
        self, position: Int[Array, ""] | int
    ) -> tuple[Series, Float[Array, "batch forks horizon"], Bool[Array, "batch forks horizon"]]:
        """Stretches, their targets, and which of these were observed and may be asked for."""
        key = jax.random.fold_in(self.key, position)
        series_key, date_key = jax.random.split(key)
        s, pad = self.arrays.series, self.arrays.pad
        length = s.y.shape[1] - pad
        dates = length - self.first
        # Series are drawn as often as stretches begin in them, which is K − 1 more than they have dates; one
        # without observations has none.
        stretches = jnp.where(dates > 0, dates + self.forks - 1, 0)
        index = jax.random.categorical(
            series_key, jnp.log(stretches.astype(jnp.float32)), shape=(self.batch_size,)
        ).astype(jnp.int32)
        # Forecasts may be made from one date before the first value to one before the last; the last fork of a
        # stretch may lie up to K − 1 dates later, and those forks have no targets.
        offset = jax.random.uniform(date_key, (self.batch_size,), jnp.float32)
        span = dates[index] + self.forks - 1
        begin = self.first[index] - 1
        last = begin + jnp.floor(offset * span.astype(offset.dtype)).astype(jnp.int32)
        last = jnp.minimum(last, begin + span - 1)
        return self.cut(index, last, begin)

    def cut(
        self,
        index: Int[Array, " batch"],
        last: Int[Array, " batch"],
        begin: Int[Array, " batch"],
    ) -> tuple[Series, Float[Array, "batch forks horizon"], Bool[Array, "batch forks horizon"]]:
        """Stretches of these series whose last forks lie in these columns, as `batch` has them.

        Args:
            index: of the series.
            last: column of the last fork, from `begin` to K − 1 after the last that has a target.
            begin: column of the first forecast that may be asked for.
        """
        return jax.vmap(self._stretch)(index, last, begin)

    def _stretch(self, index, last, begin):
        length = self.arrays.series.y.shape[1] - self.arrays.pad
        # Beyond the end, the stretch ends with the series, and its first forks are those that are asked for.
        end = jnp.minimum(last, length - 2)
        series = self.arrays.stretch(index, end, self.length, self.horizon, dates=self.forks)
        now = end - self.forks + 1 + jnp.arange(self.forks, dtype=end.dtype)
        ahead = now[:, None] + jnp.arange(1, self.horizon + 1, dtype=end.dtype)
        column = jnp.clip(ahead, 0, length - 1)
        high, low = self.arrays.reference(index, now[0])
        place = index, column + self.arrays.pad
        y = (self.arrays.series.y[place] - high) + (self.arrays.rest[0][place] - low)
        observed = self.arrays.series.observed[index, column + self.arrays.pad]
        drawn = (now >= jnp.maximum(begin, last - self.forks + 1)) & (now <= last)
        return series, y, observed & (ahead < length) & drawn[:, None]


class AlignedSource(eqx.Module):
    """An endless stream of batches in which all series have stretches of the same dates.

    Args:
        forks: the series, and how stretches are cut.
        dates: how many times D a batch has all S series.

    Raises:
        ValueError: dates that are no whole number of at least one.
    """

    forks: ForkSource
    dates: int = eqx.field(static=True)

    def __init__(self, *, forks: ForkSource, dates: int):
        self.forks = forks
        self.dates = whole("AlignedSource", "dates", dates)

    def batch(
        self, position: Int[Array, ""] | int
    ) -> tuple[Series, Float[Array, "all forks horizon"], Bool[Array, "all forks horizon"]]:
        """D S stretches, those of the same dates one after the other, as of `ForkSource`."""
        source, count = self.forks, self.forks.first.shape[0]
        length = source.arrays.series.y.shape[1] - source.arrays.pad
        first = source.first.min()
        key = jax.random.fold_in(source.key, position)
        end = length + source.forks - 2
        last = jax.random.randint(key, (self.dates,), first - 1, end, jnp.int32)
        index = jnp.tile(jnp.arange(count, dtype=jnp.int32), self.dates)
        begin = jnp.full(index.shape, first - 1, jnp.int32)
        return source.cut(index, jnp.repeat(last.astype(jnp.int32), count), begin)


def normals(
    y: Float[np.ndarray, "series time"],
    observed: Bool[np.ndarray, "series time"],
    prior: Prior,
    half_life: float,
) -> Normal:
    """Levels and scales of many series, computed and kept in double precision, on the host."""
    # In equal pieces, the last one filled up, so that other numbers of series need no other program.
    parts, count = [], len(y)
    for start in range(0, count, _TOGETHER):
        index = np.arange(start, min(start + _TOGETHER, count))
        if count > _TOGETHER:
            index = np.minimum(np.arange(start, start + _TOGETHER), count - 1)
        with jax.enable_x64(True):
            made = _normals(
                jnp.asarray(y[index], jnp.float64),
                jnp.asarray(observed[index]),
                tuple(jnp.asarray(x, jnp.float64) for x in prior),
                half_life,
            )
        parts.append(jax.tree.map(lambda x, n=count - start: np.asarray(x)[:n], made))
    return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)


def typical_of(panel: Panel, *, half_life: float) -> Typical:
    """What a prior is learned from, of the series of a panel."""
    y, observed = np.asarray(panel.y, np.float64), np.asarray(panel.observed)
    normal = normals(y, observed, Typical.ALONE, half_life)
    return Typical.of(normal, np.where(observed, np.abs(y), 0.0), observed)


@eqx.filter_jit
def _normals(y, observed, prior, half_life):
    return jax.vmap(lambda a, b: causal_normal(a, b, prior, half_life=half_life))(y, observed)


def single(scale: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Positive scales in single precision, which stay positive."""
    return np.maximum(scale.astype(np.float32), np.finfo(np.float32).tiny)


def _halves(x: np.ndarray) -> tuple[Array, Array]:
    """Numbers in single precision, and what that leaves of them."""
    high = x.astype(np.float32)
    return jnp.asarray(high), jnp.asarray((x - high).astype(np.float32))
