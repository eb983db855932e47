r"""Rainformer: a U of stages that balance local features of convolutions with global ones of attention.

    e_0 = F(merge(x)),  e_{l+1} = F(merge(e_l));     d_{L−1} = e_{L−1},  d_l = F([expand(d_{l+1}), e_l])
    y = F(expand(d_0))

F is `jaxsci.nn.FeatureBalance`; merge makes the points of a patch one point, expand the reverse, each with a
linear map of the channels. All frames enter at once, as channels of an image.

Reference: Bai et al., Rainformer: Features Extraction Balanced Network for Radar-Based Precipitation
Nowcasting, IEEE Geoscience and Remote Sensing Letters 19 (2022), doi:10.1109/LGRS.2022.3162882, in the form of
its public code. There a stage of more than one F drops the output of all but the last; here a stage has one.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..._checks import check_key, whole
from ..._module import Module
from ...nn import Conv, FeatureBalance
from ...nn.patches import from_patches, to_patches
from ._frames import checked_frames


class Rainformer(Module):
    """Forecast video with a Rainformer.

    Width, heads, patch and levels are those of the public code by default, where the window is 9 for frames of
    288 points; no configuration here claims the size of a published table. Height and width must be
    multiples of patch · 2^(levels − 1) · window.

    Args:
        time_in: number of frames that are given.
        time_out: number of forecast frames.
        channels: channels of a frame.
        width: hidden channels of the finest stage, doubled in every next one.
        head_size: channels of an attention head, a divisor of the width.
        window: points of an attention window on each axis.
        patch: points on each axis that the first stage makes one.
        levels: number of stages, at least 2, each but the first at half the resolution.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, heads that do not divide the width, or a width that cannot be
            expanded into patches.
        TypeError: a key that is none.
    """

    merges: tuple[Conv, ...]
    encoder: tuple[FeatureBalance, ...]
    expands: tuple[Conv, ...]
    decoder: tuple[FeatureBalance, ...]
    time_in: int = eqx.field(static=True)
    time_out: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    patch: int = eqx.field(static=True)
    multiple: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        time_in: int,
        time_out: int,
        channels: int,
        width: int = 96,
        head_size: int = 32,
        window: int = 9,
        patch: int = 4,
        levels: int = 4,
        key: PRNGKeyArray,
    ):
        who = "Rainformer"
        self.time_in = whole(who, "time_in", time_in)
        self.time_out = whole(who, "time_out", time_out)
        self.channels = whole(who, "channels", channels)
        self.patch = whole(who, "patch", patch)
        levels = whole(who, "levels", levels, 2)
        width = whole(who, "width", width)
        head_size = whole(who, "head_size", head_size)
        window = whole(who, "window", window)
        if width % head_size or (2 * width) % self.patch**2 or width % 2:
            raise ValueError(
                f"Rainformer expected an even width that is a multiple of head_size={head_size} and of "
                f"patch²/2={self.patch**2 / 2:g}, got {width}; choose for example width=96, head_size=32 and "
                "patch=4."
            )
        check_key(who, key)
        keys = iter(jax.random.split(key, 4 * levels))
        widths = [width * 2**level for level in range(levels)]

        def linear(inputs: int, outputs: int) -> Conv:
            return Conv(in_channels=inputs, out_channels=outputs, kernel=(1, 1), key=next(keys))

        def balance(width: int, heads: int, hidden: int) -> FeatureBalance:
            return FeatureBalance(
                width=width,
                heads=heads,
                head_size=head_size,
                window=window,
                hidden=hidden,
                key=next(keys),
            )

        inputs = [time_in * channels * self.patch**2, *(4 * w for w in widths[:-1])]
        self.merges = tuple(linear(i, w) for i, w in zip(inputs, widths, strict=True))
        self.encoder = tuple(balance(w, w // head_size, 4 * w) for w in widths)
        # Below a skip there are twice the channels of its level, and so also above the next one.
        out = time_out * channels
        self.expands = (
            linear(2 * width // self.patch**2, out),
            *(linear(below // 4, w) for w, below in _below(widths)),
        )
        self.decoder = (
            balance(out, width // head_size, 4 * out),
            *(balance(2 * w, 2 * w // head_size, 4 * w) for w in widths[:-1]),
        )
        self.multiple = self.patch * 2 ** (levels - 1) * window

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
            ValueError: frames of another shape, or that patches and windows do not tile.
        """
        x = checked_frames(
            "Rainformer", x, channels=self.channels, time=self.time_in, multiple=self.multiple
        )
        _, _, height, width = x.shape
        v = jnp.moveaxis(x.reshape(-1, height, width), 0, -1)
        sizes = [self.patch] + [2] * (len(self.merges) - 1)
        skips = []
        for merge, stage, size in zip(self.merges, self.encoder, sizes, strict=True):
            v = stage(merge(to_patches(v, size)))
            skips.append(v)
        for expand, stage, size, skip in reversed(
            list(zip(self.expands, self.decoder, sizes, [None, *skips[:-1]], strict=True))
        ):
            v = expand(from_patches(v, size))
            v = stage(v if skip is None else jnp.concatenate([v, skip], axis=-1))
        return jnp.moveaxis(v, -1, 0).reshape(self.time_out, self.channels, height, width)


def _below(widths: list[int]) -> list[tuple[int, int]]:
    """The width of every level but the deepest, and the channels that come up to it."""
    deepest = len(widths) - 2
    return [(w, 2 * w if level == deepest else 4 * w) for level, w in enumerate(widths[:-1])]
