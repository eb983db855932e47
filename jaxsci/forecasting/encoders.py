r"""Encoders: what a network keeps of a series at every forecast date, h_t = f(x_1, ..., x_t).

All are causal, so that one pass over a series serves every forecast date in it (forking sequences); none
would be of use that reads a series in both directions, because the forecasts at early dates would know the
later ones.

Reference: Wen et al., 2017, arXiv:1711.11053, section 3.
"""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..nn.causal_conv import CausalConvStack
from ..nn.perceptron import Perceptron
from .series import Series, bounded


class AbstractEncoder(eqx.Module):
    """From a series and its inputs at every date to the encodings at the last dates."""

    width: eqx.AbstractVar[int]

    @property
    @abc.abstractmethod
    def reach(self) -> int | None:
        """How many dates, with the present, an encoding depends on; None for all."""

    @abc.abstractmethod
    def __call__(
        self, series: Series, x: Float[Array, "time in"], dates: int
    ) -> Float[Array, "dates width"]:
        """Encodings at the last `dates` dates; zero before the series has begun.

        Args:
            series: the series.
            x: what is known of each date, in units of its scale.
            dates: for how many dates.
        """


class ConvEncoder(AbstractEncoder):
    """Dilated causal convolutions, as in MQ-CNN.

    Args:
        in_channels: channels of x.
        width: channels of the encoding.
        dilations: of the layers.
        kernel: dates that a layer combines.
        key: random key of the initial weights.
    """

    stack: CausalConvStack
    width: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        width: int = 30,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32),
        kernel: int = 2,
        key: PRNGKeyArray,
    ):
        self.stack = CausalConvStack(
            in_channels=in_channels, width=width, kernel=kernel, dilations=dilations, key=key
        )
        self.width = width

    @property
    def reach(self) -> int:
        """That of the convolutions."""
        return self.stack.reach

    def __call__(self, series, x, dates):
        """See the base class."""
        return self.stack(x, series.started)[-dates:]


class RecurrentEncoder(AbstractEncoder):
    """A long short-term memory, as in MQ-RNN.

    Args:
        in_channels: channels of x.
        width: channels of the state.
        key: random key of the initial weights.
    """

    cell: eqx.nn.LSTMCell
    width: int = eqx.field(static=True)

    def __init__(self, *, in_channels: int, width: int = 40, key: PRNGKeyArray):
        self.cell = eqx.nn.LSTMCell(in_channels, width, key=key)
        self.width = width

    @property
    def reach(self) -> None:
        """All dates."""
        return None

    def __call__(self, series, x, dates):
        """See the base class."""
        zeros = jnp.zeros(self.width, x.dtype)

        def step(state, now):
            value, started = now
            # Before the series has begun the state stays zero, however much was padded.
            state = jax.tree.map(lambda s: jnp.where(started, s, 0.0), self.cell(value, state))
            return state, state[0]

        return jax.lax.scan(step, (zeros, zeros), (x, series.started))[1][-dates:]


class WindowEncoder(AbstractEncoder):
    """A perceptron on the latest values, as in feed-forward forecasters.

    Unlike the others it sees them in units of the forecast date's level and scale.

    Args:
        window: number of values.
        in_channels: channels of x, of which it sees those of the present.
        width: channels of the encoding.
        key: random key of the initial weights.
    """

    layers: Perceptron
    window: int = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def __init__(self, *, window: int, in_channels: int, width: int = 64, key: PRNGKeyArray):
        self.layers = Perceptron(
            in_channels=2 * window + in_channels, width=2 * width, out_channels=width, key=key
        )
        self.window = window
        self.width = width

    @property
    def reach(self) -> int:
        """The window."""
        return self.window

    def __call__(self, series, x, dates):
        """See the base class."""
        length = series.y.shape[0]
        index = np.arange(length - dates, length)[:, None] - np.arange(self.window)
        known = series.observed[np.maximum(index, 0)] & jnp.asarray(index >= 0)
        level, scale = series.level[-dates:, None], series.scale[-dates:, None]
        values = jnp.where(known, series.y[np.maximum(index, 0)], level)
        z = bounded((values - level) / scale)
        inputs = jnp.concatenate([z, known.astype(z.dtype), x[-dates:]], -1)
        return jnp.where(series.started[-dates:, None], self.layers(inputs), 0.0)
