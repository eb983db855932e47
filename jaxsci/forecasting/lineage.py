"""The lineage of networks: a perceptron, MQ-RNN, MQ-CNN and MQTransformer, each as an encoder and a decoder.

References: Wen et al., A multi-horizon quantile recurrent forecaster, 2017, arXiv:1711.11053 (MQ-RNN, MQ-CNN);
Eisenach, Patel, Madeka, MQTransformer, 2020, arXiv:2009.14799. The feed-forward network is the published
history's step before them: a perceptron on the latest values, for all horizons and quantiles at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from jaxsci._checks import whole

from .attention_decoder import AttentionDecoder
from .decoders import DirectDecoder, MQDecoder
from .encoders import ConvEncoder, RecurrentEncoder, WindowEncoder
from .network import MQNetwork
from .neural import NeuralForecaster


@dataclass(kw_only=True, eq=False)
class MLP(NeuralForecaster):
    """Feed-forward network on the latest values.

    Attributes:
        window: how many; two of the longest season or two horizons by default, whichever is longer.
    """

    window: int | None = None

    def __post_init__(self):
        super().__post_init__()
        # Its decoder has half the channels.
        whole(type(self).__name__, "width", self.width, 2)
        self.window = _dates(self, "window", 2 * max(*self.seasons, self.horizon))

    def build(self, sizes: dict[str, Any], *, key: PRNGKeyArray) -> MQNetwork:
        """See the base class."""
        n = self._inputs(sizes)
        keys = jax.random.split(key, 3)
        assert self.window is not None
        encoding = 2 * self.width
        encoder = WindowEncoder(
            window=self.window, in_channels=n["all"], width=encoding, key=keys[0]
        )
        decoder = DirectDecoder(
            encoding=encoding,
            future=n["future"],
            static=n["static"],
            horizon=self.horizon,
            width=self.width // 2,
            key=keys[1],
        )
        return self._network_of(encoder, decoder, sizes, self.width // 2, (), key=keys[2])


@dataclass(kw_only=True, eq=False)
class MQRNN(NeuralForecaster):
    """Multi-horizon quantile forecaster with a recurrent encoder that reads forwards only.

    Attributes:
        context: dates that the encoder reads in training before the first forecast of a stretch, two of the
            longest season or two horizons by default, whichever is longer; to forecast, it reads all.
    """

    context: int | None = None

    def __post_init__(self):
        super().__post_init__()
        self.context = _dates(self, "context", 2 * max(*self.seasons, self.horizon))

    def _reach(self, network):
        assert self.context is not None
        return max(self.context, 2 * max(self.seasons))

    def _history(self, panel, network):
        return max(panel.length, self._reach(network))

    def build(self, sizes: dict[str, Any], *, key: PRNGKeyArray) -> MQNetwork:
        """See the base class."""
        n = self._inputs(sizes)
        keys = jax.random.split(key, 3)
        encoder = RecurrentEncoder(in_channels=n["all"], width=self.width, key=keys[0])
        return _mq(self, encoder, n, sizes, keys[1:])


@dataclass(kw_only=True, eq=False)
class MQCNN(NeuralForecaster):
    """Multi-horizon quantile forecaster with a dilated causal convolutional encoder.

    Attributes:
        dilations: of the layers; doubling until they reach over the longest season, and 64 dates, by default.
        kernel: dates that a layer combines.
    """

    dilations: Sequence[int] | None = None
    kernel: int = 2

    def __post_init__(self):
        super().__post_init__()
        if self.dilations is None:
            self.dilations = _doubling(max(*self.seasons, 63))
        who = type(self).__name__
        self.dilations = tuple(whole(who, "dilations", d) for d in self.dilations)
        self.kernel = whole(who, "kernel", self.kernel)
        if not self.dilations:
            raise ValueError(
                f"{who} expected at least one layer, got dilations=(); leave them out for the usual ones."
            )

    def build(self, sizes: dict[str, Any], *, key: PRNGKeyArray) -> MQNetwork:
        """See the base class."""
        n = self._inputs(sizes)
        keys = jax.random.split(key, 3)
        return _mq(self, self._encoder(n["all"], keys[0]), n, sizes, keys[1:])

    def _encoder(self, channels: int, key: PRNGKeyArray) -> ConvEncoder:
        assert self.dilations is not None
        return ConvEncoder(
            in_channels=channels,
            width=self.width,
            dilations=self.dilations,
            kernel=self.kernel,
            key=key,
        )


@dataclass(kw_only=True, eq=False)
class MQTransformer(MQCNN):
    """MQ-CNN's encoder with attention over the past and over earlier forecasts of the same date.

    Attributes:
        positions: channels of the learned positions.
        nearby: dates to either side that a date's position is learned from, up to the horizon.
        window: dates that a target attends to; the longest season, and at least 32, by default.
        feedback: earlier forecasts of its target that a forecast attends to.
        heads: of the attention; they divide the width.
        copy: whether the location is also mixed of the values that the heads attend to. For events that each
            series reacts to in its own way, with a window of several of them.
    """

    positions: int = 8
    nearby: int | None = None
    window: int | None = None
    feedback: int = 8
    heads: int = 4
    copy: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.nearby = _dates(self, "nearby", min(4, self.horizon), least=0)
        self.window = _dates(self, "window", max(*self.seasons, 32))
        who = type(self).__name__
        self.positions = whole(who, "positions", self.positions)
        self.feedback = whole(who, "feedback", self.feedback, 0)
        self.heads = whole(who, "heads", self.heads)
        if self.nearby > self.horizon:
            raise ValueError(
                f"{who} expected nearby up to the horizon {self.horizon}, beyond which nothing is known, got "
                f"{self.nearby}; choose a smaller one."
            )
        if self.width % self.heads:
            raise ValueError(
                f"{who} expected heads that divide the width, got heads={self.heads} and width={self.width}; "
                "choose for example width=32 and heads=4."
            )

    def build(self, sizes: dict[str, Any], *, key: PRNGKeyArray) -> MQNetwork:
        """See the base class."""
        n = self._inputs(sizes)
        keys = jax.random.split(key, 3)
        assert self.window is not None
        assert self.nearby is not None
        encoder = self._encoder(n["all"] + self.positions, keys[0])
        decoder = AttentionDecoder(
            encoding=self.width,
            future=n["future"],
            static=n["static"],
            horizon=self.horizon,
            positions=self.positions,
            nearby=self.nearby,
            window=self.window,
            feedback=self.feedback,
            width=self.width,
            heads=self.heads,
            copy=self.copy,
            key=keys[1],
        )
        return self._network_of(encoder, decoder, sizes, self.width, self.seasons, key=keys[2])


def _mq(forecaster: NeuralForecaster, encoder, n, sizes, keys) -> MQNetwork:
    """The network of MQ-RNN and MQ-CNN."""
    width = forecaster.width
    decoder = MQDecoder(
        encoding=encoder.width,
        future=n["future"],
        static=n["static"],
        horizon=forecaster.horizon,
        agnostic=width,
        width=width,
        key=keys[0],
    )
    seasons = forecaster.seasons
    return forecaster._network_of(encoder, decoder, sizes, width, seasons, key=keys[1])


def _dates(forecaster: NeuralForecaster, name: str, usual: int, *, least: int = 1) -> int:
    """An option that is a number of dates, or else the usual one."""
    value = getattr(forecaster, name)
    return whole(type(forecaster).__name__, name, usual if value is None else value, least)


def _doubling(reach: int) -> tuple[int, ...]:
    """1, 2, 4, ... whose sum is at least `reach`."""
    return tuple(1 << k for k in range(int(np.ceil(np.log2(reach + 1)))))
