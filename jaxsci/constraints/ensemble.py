r"""An ensemble: a predictive distribution that is a set of fields.

    mean = (1/M) Σ_s u_s,      Σ = W Wᵀ,      W = (u_1 − mean, …, u_M − mean) / √(M − 1)

Its covariance has the rank M − 1 at most, so a projection moves each member by combinations of the members'
deviations, as the ensemble Kalman filter does.

Reference: G. Burgers, P. J. van Leeuwen, G. Evensen, Mon. Weather Rev. 126 (1998) 1719,
doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .._arrays import check_finite, floating
from .covariance import LowRank


class Ensemble(eqx.Module):
    """A predictive distribution given by samples.

    Args:
        members: the fields, shape (members, *field).

    Raises:
        ValueError: fewer than two members, or members that are not finite.
    """

    members: Float[Array, "members *field"]

    def __init__(self, members: ArrayLike):
        self.members = floating("Ensemble", members)

    def __check_init__(self):
        if self.members.ndim < 2 or self.members.shape[0] < 2:
            raise ValueError(
                "Ensemble expected members of shape (members >= 2, *field), got "
                f"{self.members.shape}; stack the samples along a first axis."
            )
        check_finite("Ensemble", "members", self.members)

    @property
    def mean(self) -> Float[Array, "*field"]:
        """Mean of the members."""
        return self.members.mean(0)

    @property
    def variance(self) -> Float[Array, "*field"]:
        """Unbiased variance of the members at every point."""
        return self.members.var(0, ddof=1)

    def gaussian(self, scale: ArrayLike) -> dist.LowRankMultivariateNormal:
        """The Gaussian with the members' mean and covariance, and independent deviations beside.

        Args:
            scale: standard deviation of what the members do not show, positive; a scalar, or one for
                each point.

        Raises:
            ValueError: a scale that is not positive and finite, or of another shape.
        """
        scale = floating("Ensemble.gaussian", scale)
        if scale.shape not in ((), self.mean.shape):
            raise ValueError(
                f"Ensemble.gaussian expected a scale of shape () or {self.mean.shape}, got {scale.shape}; "
                "give one for each point of a member."
            )
        check_finite("Ensemble.gaussian", "scale", scale)
        if not isinstance(scale, Tracer) and not (np.asarray(scale) > 0).all():
            raise ValueError(
                f"Ensemble.gaussian expected a positive scale, got {np.asarray(scale).min()}; project the "
                "Ensemble itself to move it by its members alone."
            )
        flat = self.members.reshape(self.members.shape[0], -1)
        scale = jnp.broadcast_to(scale.astype(flat.dtype), self.mean.shape).ravel()
        return dist.LowRankMultivariateNormal(flat.mean(0), _directions(flat), scale**2)


def members_covariance(members: Float[Array, "members n"]) -> LowRank:
    """The covariance of flattened members."""
    return LowRank(jnp.zeros_like(members[0]), _directions(members))


def _directions(members: Float[Array, "members n"]) -> Float[Array, "n members"]:
    return (members - members.mean(0)).T / (members.shape[0] - 1) ** 0.5
