r"""ConvLSTM: a stack of convolutional LSTMs that reads frames and predicts the next one.

    h^l_t, c^l_t = ConvLSTMCell(h^{l−1}_t, h^l_{t−1}, c^l_{t−1}),     h^0_t = x_t
    y_{t+1} = W_1x1 * [h^1_t, ..., h^L_t] + b

Reference: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting,
NeurIPS 2015, arXiv:1506.04214, section 3. There the forecast is made by a second stack that starts from the
states of the first; here one stack does both and reads its own predictions.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ...nn import Conv, ConvLSTMCell
from .recurrent import AbstractRecurrentForecaster


class ConvLSTM(AbstractRecurrentForecaster):
    """Forecast video with convolutional LSTMs.

    The default sizes are those of the paper's 3-layer network on Moving MNIST, less its second stack; no
    configuration here claims the size of a published table.

    Args:
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: hidden channels, the same in every layer or one number a layer.
        depth: number of layers, if `width` is one number.
        kernel: odd size of the kernels.
        patch: points on each axis that are read as one, with more channels.
        periodic: whether frames go on periodically instead of with zeros.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    cells: tuple[ConvLSTMCell, ...]
    readout: Conv
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_out: int,
        channels: int,
        width: int | tuple[int, ...] = (128, 64, 64),
        depth: int = 3,
        kernel: int = 5,
        patch: int = 4,
        periodic: bool = False,
        key: PRNGKeyArray,
    ):
        self.time_out = whole("ConvLSTM", "time_out", time_out)
        self.channels = whole("ConvLSTM", "channels", channels)
        self.patch = whole("ConvLSTM", "patch", patch)
        given = width if isinstance(width, tuple) else (width,) * whole("ConvLSTM", "depth", depth)
        widths = tuple(whole("ConvLSTM", "width", w) for w in given)
        check_key("ConvLSTM", key)
        readout_key, *keys = jax.random.split(key, 1 + len(widths))
        inside = self.channels * self.patch**2
        inputs = (inside, *widths[:-1])
        self.cells = tuple(
            ConvLSTMCell(in_channels=i, width=w, kernel=kernel, periodic=periodic, key=k)
            for i, w, k in zip(inputs, widths, keys, strict=True)
        )
        self.readout = Conv(
            in_channels=sum(widths), out_channels=inside, kernel=(1, 1), key=readout_key
        )

    def _start(self, steps: int, space: tuple[int, ...], dtype):
        return tuple(cell.start(space[0], space[1], dtype) for cell in self.cells)

    def _step(self, state, frame: Float[Array, "rows columns patch_channels"]):
        after, h = [], frame
        for cell, before in zip(self.cells, state, strict=True):
            h, c = cell(h, before)
            after.append((h, c))
        return tuple(after), self.readout(jnp.concatenate([h for h, _ in after], axis=-1))
