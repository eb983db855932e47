"""What every field that went through `project` has: a mean and a variance in the shape of its prior's field."""

from typing import Any

import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import constraints as support_constraints

from solvers.guarded import root


class AbstractProjected(dist.Distribution):
    """A prior moved to a constraint.

    Attributes:
        prior: the distribution that was projected.
        constraint: where to.
    """

    pytree_data_fields = ("prior", "constraint", "_mean", "_variance")

    def __init__(
        self,
        prior: Any,
        constraint: Any,
        mean: Float[Array, "*field"],
        variance: Float[Array, "*field"],
        space: tuple[int, ...],
        *,
        validate_args: bool | None = None,
    ):
        self.prior = prior
        self.constraint = constraint
        self._mean = mean
        self._variance = variance
        split = mean.ndim - len(space)
        super().__init__(mean.shape[:split], mean.shape[split:], validate_args=validate_args)

    @property
    def support(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        """All fields of the grid, although almost all of them are off an exact constraint."""
        return support_constraints.independent(support_constraints.real, len(self.event_shape))

    @property
    def mean(self) -> Float[Array, "*field"]:
        """μ̃, in the shape of the prior's field."""
        return self._mean

    @property
    def variance(self) -> Float[Array, "*field"]:
        """Diagonal of Σ̃, in the shape of the prior's field."""
        return self._variance

    @property
    def marginal(self) -> dist.Normal:
        """The Gaussian of every cell on its own, as scores of single cells use it.

        Cells that the constraint fixes have the scale zero, and no density.
        """
        return dist.Normal(self.mean, root(self.variance), validate_args=False)
