r"""Decoders: from the encoding at a forecast date to features of each of its H targets.

MQ (multi-horizon quantile) decoders have a global perceptron, which makes one context a horizon and one for
all, and a local one, shared by the horizons, which meets each context with what is known of the target's own
date:

    (c_1, ..., c_H, c_a) = m_G(h_t, x^f_{t+1}, ..., x^f_{t+H}),        v_{t,h} = m_L(c_h, c_a, x^f_{t+h})

Reference: Wen et al., 2017, arXiv:1711.11053, section 3.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..nn.perceptron import Perceptron
from .series import Series, ahead


class Decoded(NamedTuple):
    """What a decoder makes of the targets of each date.

    Attributes:
        features: from which head and location are read.
        earlier: values of the past, in units of y, that the location may be mixed of; perhaps none.
        known: which of them are.
    """

    features: Float[Array, "dates horizon width"]
    earlier: Float[Array, "dates horizon copies"]
    known: Bool[Array, "dates horizon copies"]


class AbstractDecoder(eqx.Module):
    """What every decoder has.

    Attributes:
        horizon: number H of targets.
    """

    horizon: eqx.AbstractVar[int]

    @property
    @abc.abstractmethod
    def history(self) -> int:
        """Dates before a forecast date whose encodings it needs."""

    @property
    @abc.abstractmethod
    def back(self) -> int:
        """Dates before a forecast date that it looks at, be it for the encodings of its history."""

    @property
    @abc.abstractmethod
    def copies(self) -> int:
        """How many values of the past it offers for the location of each target."""

    @abc.abstractmethod
    def clues(self, series: Series) -> Float[Array, "time clues"]:
        """What it makes of each date for the encoder to read too; perhaps no channels."""

    @abc.abstractmethod
    def __call__(
        self,
        series: Series,
        encoding: Float[Array, "history_and_dates encoding"],
        static: Float[Array, " static"],
    ) -> Decoded:
        """For the targets of each date, but for the first `history`, which are only looked back on."""


class AbstractDatewise(AbstractDecoder):
    """A decoder that needs nothing but the encoding of the forecast date itself."""

    @property
    def history(self) -> int:
        """No other dates."""
        return 0

    @property
    def back(self) -> int:
        """No other dates."""
        return 0

    @property
    def copies(self) -> int:
        """None."""
        return 0

    def clues(self, series: Series) -> Float[Array, "time 0"]:
        """Nothing."""
        return jnp.zeros((len(series.y), 0), series.y.dtype)


class DirectDecoder(AbstractDatewise):
    """One linear layer from the encoding and all that is known ahead, as in feed-forward forecasters.

    Args:
        encoding: channels of the encoding.
        future: channels of what is known ahead.
        static: channels of what is known of the series.
        horizon: number H of targets.
        width: features of a target.
        key: random key of the initial weights.
    """

    layer: Perceptron
    horizon: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        encoding: int,
        future: int,
        static: int,
        horizon: int,
        width: int = 16,
        key: PRNGKeyArray,
    ):
        inputs = encoding + static + horizon * future
        self.layer = Perceptron(
            in_channels=inputs, width=2 * encoding, out_channels=horizon * width, key=key
        )
        self.horizon = horizon

    def __call__(
        self,
        series: Series,
        encoding: Float[Array, "dates encoding"],
        static: Float[Array, " static"],
    ) -> Decoded:
        """See the base class."""
        inputs = _with_future(series, encoding, static, self.horizon)
        return _without_copies(self.layer(inputs).reshape(len(encoding), self.horizon, -1))


class MQDecoder(AbstractDatewise):
    """Global and local perceptron of MQ-RNN and MQ-CNN.

    Args:
        encoding: channels of the encoding.
        future: channels of what is known ahead.
        static: channels of what is known of the series.
        horizon: number H of targets.
        agnostic: channels of the context c_a.
        specific: channels of a context c_h.
        width: features of a target.
        key: random key of the initial weights.
    """

    global_: Perceptron
    local: Perceptron
    horizon: int = eqx.field(static=True)
    agnostic: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        encoding: int,
        future: int,
        static: int,
        horizon: int,
        agnostic: int = 32,
        specific: int = 8,
        width: int = 32,
        key: PRNGKeyArray,
    ):
        global_key, local_key = jax.random.split(key)
        self.global_ = Perceptron(
            in_channels=encoding + static + horizon * future,
            width=4 * agnostic,
            out_channels=agnostic + horizon * specific,
            key=global_key,
        )
        self.local = Perceptron(
            in_channels=agnostic + specific + future, width=width, out_channels=width, key=local_key
        )
        self.horizon = horizon
        self.agnostic = agnostic

    def __call__(
        self,
        series: Series,
        encoding: Float[Array, "dates encoding"],
        static: Float[Array, " static"],
    ) -> Decoded:
        """See the base class."""
        dates = len(encoding)
        contexts = self.global_(_with_future(series, encoding, static, self.horizon))
        every, own = contexts[:, : self.agnostic], contexts[:, self.agnostic :]
        every = jnp.broadcast_to(every[:, None], (dates, self.horizon, self.agnostic))
        own = own.reshape(dates, self.horizon, -1)
        known = ahead(series.future, dates, self.horizon)
        return _without_copies(jax.nn.gelu(self.local(jnp.concatenate([every, own, known], -1))))


def _without_copies(features):
    none = (*features.shape[:2], 0)
    return Decoded(features, jnp.zeros(none, features.dtype), jnp.zeros(none, bool))


def _with_future(series, encoding, static, horizon):
    """Encoding, static inputs and everything known ahead, side by side, for each date."""
    dates = len(encoding)
    known = ahead(series.future, dates, horizon).reshape(dates, -1)
    statics = jnp.broadcast_to(static, (dates, len(static)))
    return jnp.concatenate([encoding, statics, known], -1)
