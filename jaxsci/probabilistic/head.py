r"""A head that turns the output of an operator into a Gaussian field.

    u(x) ~ N(μ(x), σ(x)²),    σ = σ_min + log(1 + e^s),    operator output = (μ, s)

Reference: Lakshminarayanan, Pritzel, Blundell, Simple and Scalable Predictive Uncertainty
Estimation using Deep Ensembles, NeurIPS 2017, arXiv:1612.01474, section 2.2.1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .._checks import whole
from ._raw import check_floor, check_raw


class GaussianHead(eqx.Module):
    """Read 2C channels as the means and the raw scales of C channels.

    It has no parameters: compose it behind an operator with ``out_channels=2 * C``.

    Args:
        channels: C, the channels of the predicted field.
        floor: σ_min, the smallest standard deviation, in the unit of the field.

    Raises:
        ValueError: a channel count that is not a positive integer, or a floor that is not
            positive and finite.
    """

    channels: int = eqx.field(static=True)
    floor: float = eqx.field(static=True, default=1e-3)

    def __check_init__(self):
        whole("GaussianHead", "channels", self.channels)
        check_floor("GaussianHead", self.floor)

    @property
    def outputs(self) -> int:
        """Channels that the operator has to put out, 2 C."""
        return 2 * self.channels

    def __call__(self, raw: Float[Array, "outputs *space"]) -> dist.Normal:
        """Return the `Normal` of batch shape (channels, *space).

        Args:
            raw: operator output; the first C channels are means, the last C raw scales.

        Raises:
            ValueError: when `raw` does not have 2C channels.
        """
        check_raw("GaussianHead", raw, self.outputs)
        mean, scale = jnp.split(raw, 2)
        return dist.Normal(mean, self.floor + jax.nn.softplus(scale))
