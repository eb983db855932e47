r"""Attention of all points of a field to all, with one head, added to the field.

    y = x + W_o Attention(W_q n, W_k n, W_v n) + b,     n = GN(x)

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022,
arXiv:2112.10752, the middle of the autoencoder.
"""

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._module import Module
from .attention import attend
from .conv_block import GroupNorm
from .cuboid.dense import Dense
from .residual_block import group_norm


class SpatialAttention(Module):
    """Full attention over space; channels come last.

    Args:
        channels: channels of a point.
        epsilon: added to the variance of the normalisation.
        key: random key of the initial weights.
    """

    norm: GroupNorm
    query: Dense
    key_: Dense
    value: Dense
    out: Dense

    def __init__(self, channels: int, *, epsilon: float = 1e-5, key: PRNGKeyArray):
        self.norm = group_norm(channels, epsilon)
        self.query, self.key_, self.value, self.out = (
            Dense(channels, channels, bias=True, key=k) for k in jax.random.split(key, 4)
        )

    def __call__(self, x: Float[Array, "*space channels"]) -> Float[Array, "*space channels"]:
        """Apply the layer to one sample."""
        points = self.norm(x).reshape(-1, x.shape[-1])
        q, k, v = (layer(points) for layer in (self.query, self.key_, self.value))
        return x + self.out(attend(q, k, v)).reshape(x.shape)
