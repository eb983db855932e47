r"""Sets that are not planes: a Gaussian field moved to the nearest field of the set, and its spread with it.

    μ̃ = argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,  u in the set,        Σ̃ = Σ − Σ Jᵀ (J Σ Jᵀ)⁻¹ J Σ

J are the rows that hold at μ̃: the derivatives of the equations, and the inequalities that bind. So Σ̃ is that
of the set's tangent plane, right to first order in σ. Draws are draws of the prior, each moved to the
set itself, and satisfy it exactly.

Reference: U. Utkarsh et al., Physics-Constrained Flow Matching, arXiv:2506.04171, for projections of
samples; Hansen et al., ICML 2023, arXiv:2302.11002, for Σ̃ of planes.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from solvers.guarded import root

from .._arrays import check_finite
from .affine import check_batch
from .covariance import moments
from .ensemble import Ensemble
from .projected import AbstractProjected


class AbstractNearest(eqx.Module):
    """A set of fields of n cells that knows its nearest member, for one field of independent cells."""

    values: eqx.AbstractVar[Float[Array, "*batch m"]]

    @property
    @abc.abstractmethod
    def cells(self) -> int:
        """Number n of cells."""

    @abc.abstractmethod
    def nearest(
        self, mean: Float[Array, " n"], scale: Float[Array, " n"], values: Float[Array, " m"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """The nearest field, and the variances on the tangent plane there.

        Args:
            mean: μ.
            scale: σ.
            values: those of one field.
        """


class Projected(AbstractProjected):
    """A field of independent cells moved to a set.

    Attributes:
        prior: the distribution that was projected.
        constraint: the set.
    """

    def log_prob(self, value, intermediates=None):
        """None: fields on the set have no density among all fields."""
        raise NotImplementedError(
            "Projected expected no request for a density, got one; score its cells by `marginal`, or its draws."
        )

    def sample(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        """Draws of the prior, each moved to the set."""
        n = self.constraint.cells
        mean, covariance, space = moments(self.prior, n)
        shape = (*sample_shape, *self._mean.shape[: self._mean.ndim - len(space)], n)
        u = mean + covariance.draw(key, shape)
        moved, _ = _move(self.constraint, u, root(covariance.diagonal()))
        return moved.reshape(*moved.shape[:-1], *space)


def move_normal(distribution: dist.Distribution, constraint: AbstractNearest) -> Projected:
    """Move a `Normal` to a set."""
    while isinstance(distribution, dist.Independent):
        distribution = distribution.base_dist
    if not isinstance(distribution, dist.Normal):
        raise TypeError(
            f"project expected a numpyro Normal or an Ensemble for {type(constraint).__name__}, got "
            f"{type(distribution).__name__}; take its marginals, or draw an Ensemble from it."
        )
    mean, covariance, space = moments(distribution, constraint.cells)
    check_batch(mean.shape[:-1], constraint.values.shape[:-1])
    check_finite("project", "mean", mean)
    check_finite("project", "variance", covariance.diagonal())
    moved, variance = _move(constraint, mean, root(covariance.diagonal()))
    shape = (*moved.shape[:-1], *space)
    return Projected(distribution, constraint, moved.reshape(shape), variance.reshape(shape), space)


def move_members(ensemble: Ensemble, constraint: AbstractNearest) -> Ensemble:
    """Move each member, most where the members differ most."""
    members = ensemble.members
    n = constraint.cells
    if members[0].size != n or constraint.values.ndim > 1:
        raise ValueError(
            f"project expected an Ensemble of single fields of n={n} cells and values of one field, got "
            f"members of shape {members.shape[1:]} and values of shape {constraint.values.shape}; use "
            "jax.vmap over fields."
        )
    flat = members.reshape(-1, n)
    scale = jnp.broadcast_to(root(flat.var(0, ddof=1)), flat.shape)
    return Ensemble(_move(constraint, flat, scale)[0].reshape(members.shape))


def _move(constraint: AbstractNearest, mean: Array, scale: Array) -> tuple[Array, Array]:
    values = constraint.values.astype(mean.dtype)
    move = jnp.vectorize(constraint.nearest, signature="(n),(n),(m)->(n),(n)")
    return move(mean, jnp.broadcast_to(scale, mean.shape), values)
