r"""PredRNN: spatio-temporal LSTMs whose second memory climbs the layers and falls back to the lowest one.

    h^l_t, c^l_t, m^l_t = SpatiotemporalLSTMCell(h^{l−1}_t, h^l_{t−1}, c^l_{t−1}, m^{l−1}_t)
    h^0_t = x_t,     m^0_t = m^L_{t−1},     y_{t+1} = W_1x1 * h^L_t

Reference: Wang et al., PredRNN: Recurrent Neural Networks for Predictive Learning using Spatiotemporal LSTMs,
NeurIPS 2017, section 3; also arXiv:2103.09504. This is the first version, without the decoupling loss and the
reverse scheduled sampling of the second.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ...nn import Conv, SpatiotemporalLSTMCell
from .recurrent import AbstractRecurrentForecaster


class PredRNN(AbstractRecurrentForecaster):
    """Forecast video with spatio-temporal LSTMs.

    The default sizes are those of the public code on Moving MNIST; no configuration here claims the size of a
    published table.

    Args:
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: hidden channels; the memory that goes through all layers needs the same in each.
        depth: number of layers.
        kernel: odd size of the kernels.
        patch: points on each axis that are read as one, with more channels.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    cells: tuple[SpatiotemporalLSTMCell, ...]
    readout: Conv
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_out: int,
        channels: int,
        width: int = 128,
        depth: int = 4,
        kernel: int = 5,
        patch: int = 4,
        key: PRNGKeyArray,
    ):
        self.time_out = whole("PredRNN", "time_out", time_out)
        self.channels = whole("PredRNN", "channels", channels)
        self.patch = whole("PredRNN", "patch", patch)
        width = whole("PredRNN", "width", width)
        check_key("PredRNN", key)
        readout_key, *keys = jax.random.split(key, 1 + whole("PredRNN", "depth", depth))
        inside = self.channels * self.patch**2
        self.cells = tuple(
            SpatiotemporalLSTMCell(
                in_channels=inside if layer == 0 else width, width=width, kernel=kernel, key=k
            )
            for layer, k in enumerate(keys)
        )
        self.readout = Conv(
            in_channels=width, out_channels=inside, kernel=(1, 1), bias=False, key=readout_key
        )

    def _start(self, steps: int, space: tuple[int, ...], dtype):
        zeros = jnp.zeros((*space, self.cells[0].width), dtype)
        return ((zeros, zeros),) * len(self.cells), zeros

    def _step(self, state, frame: Float[Array, "rows columns patch_channels"]):
        before, m = state
        after, h = [], frame
        for cell, (hidden, c) in zip(self.cells, before, strict=True):
            h, c, m = cell(h, hidden, c, m)
            after.append((h, c))
        return (tuple(after), m), self.readout(h)
