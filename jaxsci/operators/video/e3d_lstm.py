r"""E3D-LSTM: eidetic 3-D LSTMs that read clips of a few frames and recall all their earlier memories.

    h^l_t, c^l_t, m^l_t = EideticLSTMCell(h^{l−1}_t, h^l_{t−1}, c^l_{t−1}, m^{l−1}_t, {c^l_s}_{s<t})
    h^0_t = (x_{t−D+1}, ..., x_t),     m^0_t = m^L_{t−1},     y_{t+1} = W_Dx1x1 * h^L_t + b

Frames before the first are zero.

Reference: Wang et al., Eidetic 3D LSTM: A Model for Video Prediction and Beyond, ICLR 2019
(openreview.net/forum?id=B1lKS2AqtX).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ...nn import Conv, EideticLSTMCell
from .recurrent import AbstractRecurrentForecaster


class E3DLSTM(AbstractRecurrentForecaster):
    """Forecast video with eidetic 3-D LSTMs.

    The default sizes are those of the public code on Moving MNIST; no configuration here claims the size of a
    published table. The recall compares all points of a clip with all points of the remembered ones:
    take larger patches, or a smaller `memory`, for large frames.

    Args:
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: hidden channels, the same in each layer.
        depth: number of layers.
        clip: frames D that a layer sees at once.
        memory: how many earlier memories are recalled at most; None for all.
        kernel: odd size of the kernels in space.
        patch: points on each axis that are read as one, with more channels.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, or an even kernel.
        TypeError: a key that is none.
    """

    cells: tuple[EideticLSTMCell, ...]
    readout: Conv
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)
    clip: int = eqx.field(static=True)
    memory: int | None = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_out: int,
        channels: int,
        width: int = 64,
        depth: int = 4,
        clip: int = 2,
        memory: int | None = None,
        kernel: int = 5,
        patch: int = 4,
        key: PRNGKeyArray,
    ):
        self.time_out = whole("E3DLSTM", "time_out", time_out)
        self.channels = whole("E3DLSTM", "channels", channels)
        self.patch = whole("E3DLSTM", "patch", patch)
        self.clip = whole("E3DLSTM", "clip", clip)
        self.memory = None if memory is None else whole("E3DLSTM", "memory", memory)
        width = whole("E3DLSTM", "width", width)
        check_key("E3DLSTM", key)
        readout_key, *keys = jax.random.split(key, 1 + whole("E3DLSTM", "depth", depth))
        inside = self.channels * self.patch**2
        self.cells = tuple(
            EideticLSTMCell(
                in_channels=inside if layer == 0 else width,
                width=width,
                depth=self.clip,
                kernel=kernel,
                key=k,
            )
            for layer, k in enumerate(keys)
        )
        # A kernel as long as the clip, used once: a matrix from all its channels.
        self.readout = Conv(
            in_channels=self.clip * width, out_channels=inside, kernel=(1, 1), key=readout_key
        )

    def _start(self, steps: int, space: tuple[int, ...], dtype):
        width = self.cells[0].width
        slots = steps if self.memory is None else min(self.memory, steps)
        frames = jnp.zeros((self.clip, *space, self.channels * self.patch**2), dtype)
        zeros = jnp.zeros((self.clip, *space, width), dtype)
        past = jnp.zeros((slots, *zeros.shape), dtype)
        return jnp.zeros((), int), frames, ((zeros, zeros, past),) * len(self.cells), zeros

    def _step(self, state, frame: Float[Array, "rows columns patch_channels"]):
        t, frames, before, m = state
        frames = jnp.concatenate([frames[1:], frame[None]])
        after, h = [], frames
        for cell, (hidden, c, past) in zip(self.cells, before, strict=True):
            # The order of the memories does not matter, so the newest one takes the place of the oldest.
            # The zero memory before the first frame is one of them, as in the public code.
            slots = past.shape[0]
            past = jax.lax.dynamic_update_index_in_dim(past, c, t % slots, 0)
            h, c, m = cell(h, hidden, c, m, past, jnp.arange(slots) <= t)
            after.append((h, c, past))
        rows, columns = frame.shape[:2]
        flat = jnp.moveaxis(h, 0, 2).reshape(rows, columns, -1)
        return (t + 1, frames, tuple(after), m), self.readout(flat)
