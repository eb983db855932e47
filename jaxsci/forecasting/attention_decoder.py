r"""The decoder of MQTransformer: attention over the past, and over earlier forecasts of the same target.

The context of a horizon comes from the past, and attends to those of earlier forecasts of the same target
(feedback), {(s, r): s + r = t + h, s ≤ t}:

    c_{t,h} = attend(query (h_t, r_t, r_{t,h}),  keys (h_s, r_s),  values (h_s, r_s),  s = t − L + 1 .. t)
    f_{t,h} = attend(query (h_t, c_{t,h}, r_{t,h}),  keys and values (h_s, c_{s,r}),  s + r = t + h)
    v_{t,h} = m_L(c^a_t, c_{t,h}, f_{t,h}, r_{t,h}, x^f_{t+h})

with positions r learned from what is known ahead around a date: a perceptron on a window of it, blind to
what lies beyond t + H. To that of a target a learned vector for h is added: events alone do not tell how far
ahead it lies, and so how little the past says of it.

With `copy`, and that is a departure of ours, each head also offers for the location of a target the mean of
the values at the dates that it attends to, as the head weighs them. What an item sold around earlier events is
then at hand, and the heads are trained to find it.

Reference: Eisenach, Patel, Madeka, MQTransformer, 2020, arXiv:2009.14799, sections 3 and 4. Keys and values of
ours are those above, which are what the sections describe; the article leaves the widths open.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..nn.perceptron import Perceptron, linear
from ..nn.products import small_products
from .decoders import AbstractDecoder, Decoded
from .series import Series, ahead

# Weight of what was observed below which a head has nothing to copy.
_LEAST = 0.01


class AttentionDecoder(AbstractDecoder):
    """Attention over the past and over earlier forecasts, as in MQTransformer.

    Args:
        encoding: channels of the encoding.
        future: channels of what is known ahead.
        static: channels of what is known of the series.
        horizon: number H of targets.
        positions: channels of r.
        nearby: dates to either side of a date that its position r is learned from.
        window: dates L that a target attends to.
        feedback: how many earlier forecasts of its target a forecast attends to.
        width: channels of contexts, of attention, and features of a target.
        heads: of the attention over the past.
        copy: whether each head offers the mean of the values that it attends to.
        key: random key of the initial weights.

    Raises:
        ValueError: `nearby` beyond the horizon, or a width that the heads do not divide.
    """

    position: Perceptron
    steps_ahead: Float[Array, "horizon positions"]  # added to a target's position
    agnostic: Perceptron
    query: eqx.nn.Linear
    keys: eqx.nn.Linear
    values: eqx.nn.Linear
    mix: eqx.nn.Linear
    feedback_query: eqx.nn.Linear
    feedback_keys: eqx.nn.Linear
    feedback_values: eqx.nn.Linear
    local: Perceptron
    horizon: int = eqx.field(static=True)
    nearby: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    feedback: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    copy: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        encoding: int,
        future: int,
        static: int,
        horizon: int,
        positions: int = 8,
        nearby: int = 4,
        window: int = 64,
        feedback: int = 8,
        width: int = 32,
        heads: int = 4,
        copy: bool = False,
        key: PRNGKeyArray,
    ):
        if not 0 <= nearby <= horizon:
            raise ValueError(
                f"AttentionDecoder expected nearby between 0 and the horizon {horizon}, beyond "
                f"which nothing is known, got {nearby}; choose a smaller one."
            )
        if width % heads:
            raise ValueError(
                f"AttentionDecoder expected heads to divide the width, got width={width} and heads={heads}; "
                "choose for example width=32 and heads=4."
            )
        keys = iter(jax.random.split(key, 11))
        self.position = Perceptron(
            in_channels=max((2 * nearby + 1) * future, 1),
            width=2 * positions,
            out_channels=positions,
            key=next(keys),
        )
        self.agnostic = Perceptron(
            in_channels=encoding + static, width=2 * width, out_channels=width, key=next(keys)
        )

        def layer(inputs, outputs=width):
            return eqx.nn.Linear(inputs, outputs, use_bias=False, key=next(keys))

        self.query = layer(encoding + 2 * positions)
        self.keys = layer(encoding + positions)
        self.values = layer(encoding + positions)
        self.mix = layer(2 * width)
        self.feedback_query = layer(encoding + width + positions)
        self.feedback_keys = layer(encoding + width)
        self.feedback_values = layer(encoding + width)
        self.local = Perceptron(
            in_channels=3 * width + positions + future,
            width=2 * width,
            out_channels=width,
            key=next(keys),
        )
        self.steps_ahead = 0.5 * jax.random.normal(next(keys), (horizon, positions))
        self.horizon = horizon
        self.nearby = nearby
        self.window = window
        self.feedback = min(feedback, horizon - 1)
        self.heads = heads
        self.copy = bool(copy)

    @property
    def history(self) -> int:
        """Dates before a forecast date whose encodings it needs."""
        return self.window - 1 + self.feedback

    @property
    def back(self) -> int:
        """The history, and what its first position is learned from."""
        return self.history + self.nearby

    @property
    def copies(self) -> int:
        """One for each head, or none."""
        return self.heads if self.copy else 0

    def clues(self, series: Series) -> Float[Array, "time positions"]:
        """The positions of the dates."""
        return self.past_positions(series)

    def past_positions(self, series: Series) -> Float[Array, "time positions"]:
        """r_s of every date, from what was known ahead at that date."""
        times = series.future.shape[0] - self.horizon
        index = np.arange(times)[:, None] + np.arange(-self.nearby, self.nearby + 1)
        return self._position(series, index, index >= 0)

    def target_positions(
        self, series: Series, dates: int
    ) -> Float[Array, "dates horizon positions"]:
        """r_{t,h} of the targets of the last dates, blind to what lies beyond t + H."""
        times = series.future.shape[0] - self.horizon
        steps = np.arange(1, self.horizon + 1)[:, None] + np.arange(-self.nearby, self.nearby + 1)
        index = np.arange(times - dates, times)[:, None, None] + steps
        seen = (steps <= self.horizon) & (index >= 0)
        nearby = self._position(series, index, seen)
        return nearby + self.steps_ahead.astype(nearby.dtype)

    def _position(self, series, index, seen):
        future = series.future
        # Dates before the first value are as if they were not there, however many are in the array.
        begun = series.started[np.clip(index, 0, len(series.started) - 1)]
        begun = begun | jnp.asarray(index >= len(series.started))
        seen = (jnp.asarray(np.broadcast_to(seen, index.shape)) & begun)[..., None]
        index = np.clip(index, 0, future.shape[0] - 1)
        nearby = jnp.where(seen, future[index], 0.0).reshape(*index.shape[:-1], -1)
        if future.shape[1] == 0:
            nearby = jnp.zeros((*index.shape[:-1], 1), future.dtype)
        return self.position(nearby)

    def contexts(
        self,
        series: Series,
        encoding: Float[Array, "window_and_dates encoding"],
        dates: int,
    ) -> Decoded:
        """c_{t,h}: each target of the last dates attends to the window before its forecast date.

        Returns:
            The contexts, and what each head copies.
        """
        count = len(encoding)
        positions = self.past_positions(series)[-count:]
        place = jnp.concatenate([encoding, positions], -1)
        target = self.target_positions(series, dates)
        now = jnp.broadcast_to(place[-dates:, None], (dates, self.horizon, place.shape[-1]))
        asked = linear(self.query, jnp.concatenate([now, target], -1))
        # All keys, and a band of them seen: gathering each date's window would be scattered back in the
        # gradient, which costs a CPU more than the products that it saves.
        back = np.arange(count - dates, count)[:, None] - np.arange(count)
        seen = jnp.asarray((back >= 0) & (back < self.window)) & series.started[-count:]
        keys, values = (linear(layer, place) for layer in (self.keys, self.values))

        def split(x):
            """Heads in front, and all targets of all dates as one axis."""
            return x.reshape(-1, self.heads, x.shape[-1] // self.heads).swapaxes(0, 1)

        query, keys, values = split(asked), split(keys), split(values)
        scores = small_products(query, keys, transposed=True) / math.sqrt(keys.shape[-1])
        scores = scores.reshape(self.heads, dates, self.horizon, count)
        weights = _softmax(scores, seen[:, None, :]).reshape(self.heads, -1, count)
        attended = small_products(weights, values).swapaxes(0, 1)
        attended = attended.reshape(dates, self.horizon, -1).astype(asked.dtype)
        contexts = jax.nn.gelu(linear(self.mix, jnp.concatenate([attended, asked], -1)))
        return Decoded(contexts, *self._copied(series, weights, dates))

    def _copied(self, series, weights, dates):
        """Means of the observed values as the heads weigh them, and whether they look at any."""
        count, none = weights.shape[-1], (dates, self.horizon, 0)
        if not self.copy:
            return jnp.zeros(none, series.y.dtype), jnp.zeros(none, bool)
        known = series.observed[-count:]
        # From the first value there is, as sums of large numbers lose digits; dates before it copy nothing.
        first = series.y[-count:][jnp.argmax(known)]
        y = jnp.where(known, series.y[-count:] - first, 0.0)
        pair = jnp.stack([y, known.astype(y.dtype)], -1).astype(weights.dtype)
        pair = jnp.broadcast_to(pair, (self.heads, count, 2))
        total, share = jnp.moveaxis(small_products(weights, pair), -1, 0).astype(y.dtype)
        found = share > _LEAST
        mean = first + total / jnp.where(found, share, 1.0)
        mean, found = (x.T.reshape(dates, self.horizon, self.heads) for x in (mean, found))
        return jnp.where(found, mean, series.level[-dates:, None, None]), found

    def attend_back(
        self,
        encoding: Float[Array, "feedback_and_dates encoding"],
        contexts: Float[Array, "feedback_and_dates horizon width"],
        target: Float[Array, "dates horizon positions"],
        made: Bool[Array, " feedback_and_dates"],
    ) -> Float[Array, "dates horizon width"]:
        """f_{t,h}: each forecast attends to the earlier ones of its target.

        Args:
            encoding: h at the last dates and as many before them as there is feedback.
            contexts: c at these dates.
            target: r_{t,h} of the last dates.
            made: whether forecasts were made at these dates at all.
        """
        dates, count = len(target), len(encoding)
        states = jnp.broadcast_to(encoding[:, None], (count, self.horizon, encoding.shape[-1]))
        states = jnp.concatenate([states, contexts], -1)
        query = linear(self.feedback_query, jnp.concatenate([states[-dates:], target], -1))
        backs = range(self.feedback + 1)

        def earlier(x):
            """What was forecast of the same target 0, 1, ... dates before."""
            shifted = [x[count - dates - k : count - k, k:] for k in backs]
            padded = [
                jnp.pad(y, ((0, 0), (0, k), (0, 0))) for k, y in zip(backs, shifted, strict=True)
            ]
            return jnp.stack(padded, axis=2)

        keys, values = (
            earlier(linear(layer, states)) for layer in (self.feedback_keys, self.feedback_values)
        )
        inside = np.arange(self.horizon)[:, None] + np.asarray(backs) < self.horizon
        # A forecast attends to itself in any case, so that there is always something to attend to.
        before = jnp.stack([made[count - dates - k : count - k] | (k == 0) for k in backs], -1)
        seen = jnp.asarray(inside) & before[:, None]
        scores = small_products(query[:, :, None], keys, transposed=True)[:, :, 0]
        weights = _softmax(scores / math.sqrt(query.shape[-1]), seen)
        return small_products(weights[:, :, None], values)[:, :, 0].astype(query.dtype)

    def __call__(
        self,
        series: Series,
        encoding: Float[Array, "history_and_dates encoding"],
        static: Float[Array, " static"],
    ) -> Decoded:
        """See the base class."""
        dates = len(encoding) - self.history
        both = dates + self.feedback
        contexts, earlier, known = self.contexts(series, encoding, both)
        target = self.target_positions(series, dates)
        fed = self.attend_back(encoding[-both:], contexts, target, series.started[-both:])
        statics = jnp.broadcast_to(static, (dates, len(static)))
        every = self.agnostic(jnp.concatenate([encoding[-dates:], statics], -1))
        every = jnp.broadcast_to(every[:, None], (dates, self.horizon, every.shape[-1]))
        future = ahead(series.future, dates, self.horizon)
        features = [every, contexts[-dates:], fed, target, future]
        features = jax.nn.gelu(self.local(jnp.concatenate(features, -1)))
        return Decoded(features, earlier[-dates:], known[-dates:])


def _softmax(scores, seen):
    """Weights of what is seen; all zero where nothing is."""
    scores = jnp.where(seen, scores, -1e9)
    top = jax.lax.stop_gradient(scores.max(-1, keepdims=True))
    weights = jnp.where(seen, jnp.exp(scores - top), 0.0)
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.where(total > 0, total, 1.0)
