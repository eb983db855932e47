r"""U-Net: all frames at once as channels of an image, seen at several resolutions.

    e_0 = C(x),  e_{l+1} = C(max-pool e_l);     d_L = e_L,  d_l = C([up d_{l+1}, e_l]);     y = W_1x1 * d_0 + b

C are two 3 × 3 convolutions with normalisation and rectifier, and `up` makes 2 × 2 points of every one with a
learned matrix (a transposed convolution with stride 2). Each level has twice the channels of the one above.

Reference: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
arXiv:1505.04597, figure 1; here with padding, so that the image keeps its size, and group normalisation.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ..._module import Module
from ...nn import Conv, ConvBlock
from ...nn.patches import from_patches
from ._frames import checked_frames

Double = tuple[ConvBlock, ConvBlock]


class UNet(Module):
    """Forecast video with a U-Net.

    Width and depth are those of the paper by default; no configuration here claims the size of a published
    table of forecasts. Height and width must be multiples of 2^depth.

    Args:
        time_in: number of frames that are given.
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: hidden channels of the finest level.
        depth: how often the resolution is halved.
        periodic: whether frames go on periodically instead of with zeros.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive.
        TypeError: a key that is none.
    """

    down: tuple[Double, ...]
    ups: tuple[Conv, ...]
    merge: tuple[Double, ...]
    readout: Conv
    time_in: int = eqx.field(static=True)
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_in: int,
        time_out: int,
        channels: int,
        width: int = 64,
        depth: int = 4,
        periodic: bool = False,
        key: PRNGKeyArray,
    ):
        self.time_in = whole("UNet", "time_in", time_in)
        self.time_out = whole("UNet", "time_out", time_out)
        self.channels = whole("UNet", "channels", channels)
        width = whole("UNet", "width", width)
        depth = whole("UNet", "depth", depth)
        check_key("UNet", key)
        keys = iter(jax.random.split(key, 5 * depth + 3))
        widths = [width * 2**level for level in range(depth + 1)]

        def double(inputs: int, outputs: int) -> Double:
            first, second = (
                ConvBlock(in_channels=i, out_channels=outputs, periodic=periodic, key=next(keys))
                for i in (inputs, outputs)
            )
            return first, second

        inputs = [time_in * channels, *widths[:-1]]
        self.down = tuple(double(i, w) for i, w in zip(inputs, widths, strict=True))
        self.ups = tuple(
            Conv(in_channels=2 * w, out_channels=4 * w, kernel=(1, 1), key=next(keys))
            for w in widths[:-1]
        )
        self.merge = tuple(double(2 * w, w) for w in widths[:-1])
        self.readout = Conv(
            in_channels=width, out_channels=time_out * channels, kernel=(1, 1), key=next(keys)
        )

    def __call__(
        self,
        x: Float[Array, "time_in channels height width"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "time_out channels height width"]:
        """Forecast one sample.

        Args:
            x: the frames so far.
            key: not used, nothing here is random; the interface of all forecasters of video has it.

        Raises:
            ValueError: frames of another shape, or that cannot be halved so often.
        """
        multiple = 2 ** len(self.ups)
        x = checked_frames("UNet", x, channels=self.channels, time=self.time_in, multiple=multiple)
        _, _, height, width = x.shape
        v = jnp.moveaxis(x.reshape(-1, height, width), 0, -1)
        levels = []
        for first, second in self.down:
            v = second(first(v if not levels else _pool(levels[-1])))
            levels.append(v)
        for up, (first, second), skip in reversed(
            list(zip(self.ups, self.merge, levels[:-1], strict=True))
        ):
            v = second(first(jnp.concatenate([from_patches(up(v), 2), skip], axis=-1)))
        y = jnp.moveaxis(self.readout(v), -1, 0)
        return y.reshape(self.time_out, self.channels, height, width)


def _pool(x: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    height, width, channels = x.shape
    return x.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))
