r"""PhyDNet: what a partial differential equation explains, plus what a ConvLSTM has to.

    u_t = E(x_t)
    p_t = PhyCell(E_p(u_t), p_{t−1}),     r_t = ConvLSTM(E_r(u_t), r_{t−1})
    x̂_{t+1} = D(D_p(p_t) + D_r(r_t))

E and D halve and double the resolution twice; E_p, E_r, D_p and D_r keep it.

Reference: Le Guen and Thome, Disentangling Physical Dynamics from Unknown Factors for Unsupervised Video
Prediction, CVPR 2020, arXiv:2003.01460. The public code squashes x̂ into (0, 1); we do not, fields are not
confined to it.
"""

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ...nn import Conv, ConvBlock, ConvLSTMCell, PhyCell
from ...nn.conv import odd
from ...nn.phy_cell import Constraint
from .recurrent import AbstractRecurrentForecaster


class PhyDNet(AbstractRecurrentForecaster):
    """Forecast video with a learned equation and a ConvLSTM beside it.

    The default sizes are those of the public code on Moving MNIST; no configuration here claims the size of a
    published table. Height and width must be multiples of 4.

    Args:
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: channels of the latent fields, even; half of them are in the outer layers of E and D.
        residual: hidden channels of the inner layers of the ConvLSTM; its last one has `width`.
        kernel: odd size of the kernels of the derivatives.
        constraint: `"soft"`, for which `moment_loss` is to be added to the training loss, or `"hard"`;
            see `PhyCell`.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, an odd width, or an even kernel.
        TypeError: a key that is none.
    """

    encoder: tuple[ConvBlock, ...]
    to_physics: tuple[ConvBlock, ...]
    to_residual: tuple[ConvBlock, ...]
    physics: PhyCell
    residual: tuple[ConvLSTMCell, ...]
    from_physics: tuple[ConvBlock, ...]
    from_residual: tuple[ConvBlock, ...]
    decoder: tuple[ConvBlock, ...]
    readout: Conv
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_out: int,
        channels: int,
        width: int = 64,
        residual: tuple[int, ...] = (128, 128),
        kernel: int = 7,
        constraint: Constraint = "soft",
        key: PRNGKeyArray,
    ):
        self.time_out = whole("PhyDNet", "time_out", time_out)
        self.channels = whole("PhyDNet", "channels", channels)
        width = whole("PhyDNet", "width", width)
        if width % 2:
            raise ValueError(
                f"PhyDNet expected an even width, got {width}; half of it is in the outer layers."
            )
        kernel = odd("PhyDNet", "kernel", kernel)
        widths = (*(whole("PhyDNet", "residual", w) for w in residual), width)
        check_key("PhyDNet", key)
        keys = iter(jax.random.split(key, 15 + len(widths)))
        half = width // 2

        def block(inputs: int, outputs: int, stride: int = 1, upsample: int = 1) -> ConvBlock:
            return ConvBlock(
                in_channels=inputs,
                out_channels=outputs,
                stride=stride,
                upsample=upsample,
                slope=0.2,
                key=next(keys),
            )

        self.encoder = (block(channels, half, 2), block(half, half), block(half, width, 2))
        self.to_physics, self.to_residual, self.from_physics, self.from_residual = (
            (block(width, width), block(width, width)) for _ in range(4)
        )
        self.decoder = (block(width, half, upsample=2), block(half, half))
        self.readout = Conv(
            in_channels=half, out_channels=channels, kernel=(3, 3), upsample=2, key=next(keys)
        )
        self.physics = PhyCell(channels=width, kernel=kernel, constraint=constraint, key=next(keys))
        self.residual = tuple(
            ConvLSTMCell(in_channels=i, width=w, key=next(keys))
            for i, w in zip((width, *widths[:-1]), widths, strict=True)
        )
        # The blocks divide the resolution by 4; frames are not cut into patches before.
        self.patch = 1

    def moment_loss(self) -> Float[Array, ""]:
        """How far the learned derivatives are from derivatives; see `PhyCell.moment_loss`."""
        return self.physics.moment_loss()

    def _start(self, steps: int, space: tuple[int, ...], dtype):
        if space[0] % 4 or space[1] % 4:
            raise ValueError(
                f"PhyDNet expected height and width to be multiples of 4, got {space[0]} and {space[1]}; "
                "pad or crop the frames."
            )
        rows, columns = space[0] // 4, space[1] // 4
        memories = tuple(cell.start(rows, columns, dtype) for cell in self.residual)
        return memories[-1][0], memories

    def _step(self, state, frame: Float[Array, "height width channels"]):
        p, before = state
        u = _through(self.encoder, frame)
        p = self.physics(_through(self.to_physics, u), p)
        after, r = [], _through(self.to_residual, u)
        for cell, memory in zip(self.residual, before, strict=True):
            r, c = cell(r, memory)
            after.append((r, c))
        latent = _through(self.from_physics, p) + _through(self.from_residual, r)
        return (p, tuple(after)), self.readout(_through(self.decoder, latent))


def _through(blocks: tuple[ConvBlock, ...], x: Array) -> Array:
    for block in blocks:
        x = block(x)
    return x
