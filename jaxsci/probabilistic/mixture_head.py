r"""A head that predicts several Gaussians, for fields that may turn out in several ways.

    point by point      p(u_i) = Σ_k w_ik N(u_i; μ_ik, σ_ik²)
    whole fields        p(u) = Σ_k w_k Π_i N(u_i; μ_ik, σ_ik²)

with w = softmax of the logits and σ = σ_min + log(1 + e^s). `project` conditions a mixture of whole fields
exactly, component by component. One that mixes at every point has K^n components as a field of n cells:
project its first two moments, ``dist.Normal(*mean_and_scale(mixture))``, which is the best linear estimate.

Reference: C. M. Bishop, Mixture density networks, Aston University, NCRG/94/004 (1994).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .._checks import whole
from ._raw import check_floor, check_raw


class MixtureHead(eqx.Module):
    """Read 3 K C channels as the means, raw scales and logits of K components of C channels.

    It has no parameters: compose it behind an operator with ``out_channels=head.outputs``.

    Args:
        channels: C, the channels of the predicted field.
        components: K.
        whole_field: whether one component holds for the whole field. Its logit is then the mean of
            the logits over channels and points.
        floor: σ_min, the smallest standard deviation, in the unit of the field.

    Raises:
        ValueError: sizes that are not positive whole numbers, or a floor that is not positive and
            finite.
    """

    channels: int = eqx.field(static=True)
    components: int = eqx.field(static=True)
    whole_field: bool = eqx.field(static=True, default=False)
    floor: float = eqx.field(static=True, default=1e-3)

    def __check_init__(self):
        whole("MixtureHead", "channels", self.channels)
        whole("MixtureHead", "components", self.components)
        check_floor("MixtureHead", self.floor)

    @property
    def outputs(self) -> int:
        """Channels that the operator has to put out, 3 K C."""
        return 3 * self.components * self.channels

    def __call__(self, raw: Float[Array, "outputs *space"]) -> dist.MixtureSameFamily:
        """Return the mixture, of batch shape (C, *space), or of event shape (C, *space) for whole fields.

        Its `mean` and `variance` are the moments of the mixture.

        Args:
            raw: operator output; first the K C means, component by component, then the raw scales,
                then the logits.

        Raises:
            ValueError: when `raw` does not have 3 K C channels.
        """
        check_raw("MixtureHead", raw, self.outputs)
        mean, scale, logits = raw.reshape(3, self.components, self.channels, *raw.shape[1:])
        scale = self.floor + jax.nn.softplus(scale)
        if self.whole_field:
            weights = dist.Categorical(logits=logits.reshape(self.components, -1).mean(1))
            fields = dist.Normal(mean, scale).to_event(mean.ndim - 1)
            return dist.MixtureSameFamily(weights, fields)
        mean, scale, logits = (jnp.moveaxis(x, 0, -1) for x in (mean, scale, logits))
        return dist.MixtureSameFamily(dist.Categorical(logits=logits), dist.Normal(mean, scale))
