r"""Multi-horizon quantile networks: encoder, decoder and head of every forecast date of a series, in one pass.

    h_t = encoder(x_1 .. x_t),   v_{t,h} = decoder(h_t, x^f_{t+1} .. x^f_{t+H}),   ŷ_{t,h} = m + σ_t
    head(v_{t,h})

The location m is a learned mixture of earlier values: of the level m_t, the last value, those of the same
phase of the season, and what else the decoder offers, Σ_j w_{t,h,j} y[lag_j(t, h)] with weights w = softmax.
A seasonal naive forecast is then one choice of weights, and what the network has to learn is the rest. That
is a departure of ours from the articles, whose networks see raw values and have to copy them.

Reference: Wen et al., 2017, arXiv:1711.11053; Eisenach, Patel, Madeka, 2020, arXiv:2009.14799.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..nn.perceptron import linear
from .decoders import AbstractDecoder
from .encoders import AbstractEncoder
from .heads import AbstractHead
from .series import Series, aligned_lags, bounded, lag_count

# Channels of a category.
EMBEDDING = 4


class MQNetwork(eqx.Module):
    """Quantiles of the next H values, at each of the last dates of a series.

    Args:
        encoder: reads `inputs` channels.
        decoder: reads the encodings.
        head: reads the distribution.
        categories: how many categories each code has, unseen ones not counted.
        embedding: channels of a category.
        seasons: periods whose earlier values the location is mixed of.
        origin: whether the encoder reads where zero lies in units of a series' scale, which means something
            where no target is negative: how many are zero, and by which factors others differ.
        width: features of a target, those of the decoder.
        key: random key of the initial weights.
    """

    encoder: AbstractEncoder
    decoder: AbstractDecoder
    head: AbstractHead
    embeddings: tuple[Float[Array, "levels embedding"], ...]
    out: eqx.nn.Linear
    horizon: int = eqx.field(static=True)
    seasons: tuple[int, ...] = eqx.field(static=True)
    origin: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        encoder: AbstractEncoder,
        decoder: AbstractDecoder,
        head: AbstractHead,
        categories: Sequence[int] = (),
        embedding: int = EMBEDDING,
        seasons: Sequence[int] = (),
        origin: bool = False,
        width: int,
        key: PRNGKeyArray,
    ):
        out_key, *keys = jax.random.split(key, len(categories) + 1)
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.horizon = decoder.horizon
        self.seasons = tuple(s for s in seasons if s > 1)
        self.origin = bool(origin)
        # One more for what was never seen, which stays near zero, as nothing trains it.
        self.embeddings = tuple(
            (0.1 * jax.random.normal(k, (n + 1, embedding))).at[0].set(0.0)
            for k, n in zip(keys, categories, strict=True)
        )
        lags = lag_count(self.seasons) + decoder.copies
        self.out = eqx.nn.Linear(width + 2 * lags, head.outputs + lags, key=out_key)

    @property
    def reach(self) -> int | None:
        """How many dates, with its own, a forecast depends on, but for level and scale; None for all."""
        if self.encoder.reach is None:
            return None
        return max(self.encoder.reach + self.decoder.back, 2 * max(self.seasons, default=1))

    def raw(
        self, series: Series, dates: int
    ) -> tuple[
        Float[Array, "dates horizon outputs"],
        Float[Array, "dates horizon"],
        Float[Array, "dates horizon"],
    ]:
        """What the head reads at each of the last dates, with its location and scale.

        Raises:
            ValueError: a series shorter than the dates and what the decoder looks back on.
        """
        length, needed = series.y.shape[0], dates + self.decoder.history
        if length < needed:
            raise ValueError(
                f"MQNetwork expected a series of at least {needed} dates for {dates} forecasts, "
                f"got {length}; pad it on the left with dates that were not observed."
            )
        static = jnp.concatenate(
            [
                series.static,
                *(table[code] for table, code in zip(self.embeddings, series.codes, strict=True)),
            ]
        )
        x = jnp.concatenate(
            [
                series.z[:, None],
                *([series.origin[:, None]] if self.origin else []),
                series.observed[:, None].astype(series.y.dtype),
                series.past,
                series.future[:length],
                jnp.broadcast_to(static, (length, len(static))),
                self.decoder.clues(series),
            ],
            -1,
        )
        encoding = self.encoder(series, x, needed)
        features, copied, found = self.decoder(series, encoding, static)
        lags, known = aligned_lags(series, dates, self.horizon, self.seasons)
        lags, known = jnp.concatenate([lags, copied], -1), jnp.concatenate([known, found], -1)
        level, scale = series.level[-dates:, None], series.scale[-dates:, None]
        z = bounded((lags - level[..., None]) / scale[..., None])
        features = jnp.concatenate([features, z, known.astype(z.dtype)], -1)
        raw = linear(self.out, features)
        # Lags in front: the compiler's loops run along the last axis, and those are few.
        logits = jnp.moveaxis(jnp.where(known, raw[..., self.head.outputs :], -jnp.inf), -1, 0)
        # Relative to the level: a mixture of large numbers would lose digits.
        away = jnp.moveaxis(lags, -1, 0) - level
        location = level + (jax.nn.softmax(logits, 0) * away).sum(0)
        return raw[..., : self.head.outputs], location, jnp.broadcast_to(scale, location.shape)

    def __call__(self, series: Series, dates: int) -> Float[Array, "dates horizon quantiles"]:
        """Quantiles, in units of y, of the targets of each of the last dates."""
        return self.head.quantiles(*self.raw(series, dates))

    def loss(
        self,
        series: Series,
        targets: Float[Array, "dates horizon"],
        observed: Bool[Array, "dates horizon"],
    ) -> Float[Array, "dates horizon"]:
        """Loss of each target, in units of the forecast date's scale; zero where it was not observed."""
        raw, level, scale = self.raw(series, targets.shape[0])
        # What was not observed is replaced before the loss: 0 · nan has no gradient.
        targets = jnp.where(observed, targets, level)
        return jnp.where(observed, self.head.loss(raw, level, scale, targets), 0.0)
