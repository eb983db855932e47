r"""Local features of convolutions and global ones of window attention, weighed against each other by gates.

    l = SA(CA(conv(conv(x)))),     g = SwinBlock_shifted(SwinBlock(x))
    Z, R = σ(Norm(W * [g, l] + b)),     y = Z ∘ g + R ∘ l

    CA(x) = x ∘ σ(MLP(mean over points) + MLP(max over points))          channel attention
    SA(x) = x ∘ σ(Norm(W * [mean over channels, max over channels]))     spatial attention
    SwinBlock(x) = x' + MLP(LN(x')),  x' = x + CA(WindowAttention(LN(x)))

References: Bai et al., Rainformer: Features Extraction Balanced Network for Radar-Based Precipitation
Nowcasting, IEEE Geoscience and Remote Sensing Letters 19 (2022), doi:10.1109/LGRS.2022.3162882, in the form of
its public code; CA and SA from Woo et al., CBAM, ECCV 2018, arXiv:1807.06521. That code normalises over the
batch or with weights at every point; here one sample is normalised alone, with weights a channel, so that any
image fits. It also gives CA inside the attention two perceptrons, one for the mean and one for the maximum;
here it has one for both, as in CBAM.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from .conv import Conv
from .conv_block import ConvBlock, GroupNorm
from .pointwise import Pointwise
from .window_attention import WindowAttention


class ChannelAttention(Module):
    """Weigh the channels by what is in them; a sixteenth of the channels is hidden, or all below 16."""

    hidden: Pointwise
    out: Pointwise

    def __init__(self, *, width: int, key: PRNGKeyArray):
        hidden_key, out_key = jax.random.split(key)
        middle = width // 16 or width
        self.hidden = Pointwise(in_channels=width, out_channels=middle, key=hidden_key)
        self.out = Pointwise(in_channels=middle, out_channels=width, key=out_key)

    def __call__(self, x: Float[Array, "rows columns width"]) -> Float[Array, "rows columns width"]:
        """Apply it to one image."""
        pooled = jnp.stack([x.mean(axis=(0, 1)), x.max(axis=(0, 1))], axis=-1)
        scores = self.out(jax.nn.relu(self.hidden(pooled))).sum(axis=-1)
        return x * jax.nn.sigmoid(scores)


class SpatialAttention(Module):
    """Weigh the points by what is at them and around."""

    conv: Conv
    norm: GroupNorm

    def __init__(self, *, key: PRNGKeyArray):
        self.conv = Conv(in_channels=2, out_channels=1, kernel=(3, 3), bias=False, key=key)
        self.norm = GroupNorm(channels=1)

    def __call__(self, x: Float[Array, "rows columns width"]) -> Float[Array, "rows columns width"]:
        """Apply it to one image."""
        pooled = jnp.stack([x.mean(axis=-1), x.max(axis=-1)], axis=-1)
        return x * jax.nn.sigmoid(self.norm(self.conv(pooled)))


class SwinBlock(Module):
    """Window attention and a two-layer perceptron, each added to its input.

    Args:
        width: channels of the image.
        heads: number of heads.
        head_size: channels of a head.
        window: points of a window on each axis.
        shift: how far the windows are moved.
        hidden: hidden channels of the perceptron.
        key: random key of the initial weights.
    """

    attention: WindowAttention
    channels: ChannelAttention
    hidden: Conv
    out: Conv
    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm]

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        head_size: int,
        window: int,
        shift: int,
        hidden: int,
        key: PRNGKeyArray,
    ):
        attention_key, channel_key, hidden_key, out_key = jax.random.split(key, 4)
        self.attention = WindowAttention(
            width=width,
            heads=heads,
            head_size=head_size,
            window=window,
            shift=shift,
            key=attention_key,
        )
        self.channels = ChannelAttention(width=width, key=channel_key)
        self.hidden = Conv(in_channels=width, out_channels=hidden, kernel=(1, 1), key=hidden_key)
        self.out = Conv(in_channels=hidden, out_channels=width, kernel=(1, 1), key=out_key)
        self.norms = (eqx.nn.LayerNorm(width), eqx.nn.LayerNorm(width))

    def __call__(self, x: Float[Array, "rows columns width"]) -> Float[Array, "rows columns width"]:
        """Update every point."""
        x = x + self.channels(self.attention(_at_points(self.norms[0], x)))
        return x + self.out(jax.nn.gelu(self.hidden(_at_points(self.norms[1], x))))


class FeatureBalance(Module):
    """Balance local and global features of one image; see the equations above.

    Args:
        width: channels of the image.
        heads: heads of the window attention.
        head_size: channels of a head.
        window: points of a window on each axis; the second block shifts its windows by half of them.
        hidden: hidden channels of the perceptrons.
        key: random key of the initial weights.
    """

    convs: tuple[ConvBlock, ConvBlock]
    channels: ChannelAttention
    points: SpatialAttention
    swins: tuple[SwinBlock, SwinBlock]
    gate: Conv
    norm: GroupNorm

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        head_size: int,
        window: int,
        hidden: int,
        key: PRNGKeyArray,
    ):
        first, second, channel_key, point_key, gate_key, *swins = jax.random.split(key, 7)
        self.convs = (
            ConvBlock(in_channels=width, out_channels=width, key=first),
            ConvBlock(in_channels=width, out_channels=width, key=second),
        )
        self.channels = ChannelAttention(width=width, key=channel_key)
        self.points = SpatialAttention(key=point_key)
        regular, shifted = (
            SwinBlock(
                width=width,
                heads=heads,
                head_size=head_size,
                window=window,
                shift=shift,
                hidden=hidden,
                key=k,
            )
            for shift, k in zip((0, window // 2), swins, strict=True)
        )
        self.swins = (regular, shifted)
        self.gate = Conv(in_channels=2 * width, out_channels=2 * width, kernel=(3, 3), key=gate_key)
        self.norm = GroupNorm(channels=2 * width)

    def __call__(self, x: Float[Array, "rows columns width"]) -> Float[Array, "rows columns width"]:
        """Apply the module to one image."""
        local_, global_ = x, x
        for conv in self.convs:
            local_ = conv(local_)
        local_ = self.points(self.channels(local_))
        for swin in self.swins:
            global_ = swin(global_)
        both = jnp.concatenate([global_, local_], axis=-1)
        z, r = jnp.split(jax.nn.sigmoid(self.norm(self.gate(both))), 2, axis=-1)
        return z * global_ + r * local_


def _at_points(
    norm: eqx.nn.LayerNorm, x: Float[Array, "rows columns width"]
) -> Float[Array, "rows columns width"]:
    return jax.vmap(jax.vmap(norm))(x)
