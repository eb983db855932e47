r"""A head whose Gaussian field has errors that cells share, in a few directions.

    u ~ N(μ, diag(σ²) + W Wᵀ),    σ = σ_min + log(1 + e^s),    W = V / √r,    output = (μ, s, V_1, …, V_r)

The cost of a density, a draw or a projection is linear in the cells. Dividing by √r keeps the variance of
an untrained network the same whatever the rank.

Reference: Monteiro et al., Stochastic Segmentation Networks: Modelling Spatially Correlated Aleatoric
Uncertainty, NeurIPS 2020, arXiv:2006.06015, section 3.2.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .._checks import whole
from ._raw import check_floor, check_raw


class LowRankHead(eqx.Module):
    """Read (2 + r) C channels as means, raw scales and r shared directions of C channels.

    It has no parameters: compose it behind an operator with ``out_channels=head.outputs``.

    Args:
        channels: C, the channels of the predicted field.
        rank: r, the directions of each channel. Channels are independent of each other, as the rows of
            a constraint hold for each of them.
        floor: σ_min, the smallest independent standard deviation, in the unit of the field.

    Raises:
        ValueError: channels or a rank that is not a positive whole number, or a floor that is not
            positive and finite.
    """

    channels: int = eqx.field(static=True)
    rank: int = eqx.field(static=True)
    floor: float = eqx.field(static=True, default=1e-3)

    def __check_init__(self):
        whole("LowRankHead", "channels", self.channels)
        whole("LowRankHead", "rank", self.rank)
        check_floor("LowRankHead", self.floor)

    @property
    def outputs(self) -> int:
        """Channels that the operator has to put out, (2 + r) C."""
        return (2 + self.rank) * self.channels

    def __call__(self, raw: Float[Array, "outputs *space"]) -> dist.LowRankMultivariateNormal:
        """Return the Gaussian of batch shape (C,) over the flattened cells of each channel.

        Args:
            raw: operator output; first C means, then C raw scales, then r C entries of V, channel by
                channel.

        Raises:
            ValueError: when `raw` does not have (2 + r) C channels.
        """
        check_raw("LowRankHead", raw, self.outputs)
        flat = raw.reshape(self.outputs, -1)
        mean, scale, directions = jnp.split(flat, [self.channels, 2 * self.channels])
        directions = directions.reshape(self.channels, self.rank, -1) / math.sqrt(self.rank)
        return dist.LowRankMultivariateNormal(
            mean,
            jnp.swapaxes(directions, -1, -2),
            (self.floor + jax.nn.softplus(scale)) ** 2,
        )
