r"""Projection of a Gaussian field onto an affine constraint.

    μ̃ = μ − Σ Aᵀ S⁻¹ (A μ − b),      Σ̃ = Σ − Σ Aᵀ S⁻¹ A Σ,      S = A Σ Aᵀ + R

This is the posterior given the observation b = A u + ε; for R = 0 it is the oblique projection
argmin ‖u − μ‖²_{Σ⁻¹} with A u = b. Σ keeps its structure (see `covariance`): for independent cells, or
a few shared directions, the memory is O(n m) and the cost O(n m²) with m rows, and Σ̃ is kept as "Σ minus
m rank-one terms", never as an n × n matrix.

Reference: Hansen et al., ICML 2023, arXiv:2302.11002, theorem 4.1 and equation 8. Its published code forms
the dense matrices, although both are diagonal minus rank one.
"""

from typing import overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from solvers.guarded import root

from .._arrays import as_jax, check_finite
from .._numeric import AnyArray
from .affine import AffineConstraint, apply_rows, check_batch, flatten, space_axes
from .covariance import Gaussian, moments
from .ensemble import Ensemble, members_covariance
from .mixture import project_components
from .nearest import AbstractNearest, Projected, move_members, move_normal
from .nonnegative import Nonnegative, positive_cells
from .projected import AbstractProjected

_ROUNDS = 4  # corrections by several exact rows


class ProjectedGaussian(AbstractProjected):
    """A Gaussian field conditioned on an affine constraint.

    Attributes:
        prior: the distribution that was projected.
        constraint: the constraint.
    """

    pytree_data_fields = ("_gain",)

    def __init__(self, prior, constraint, mean, variance, gain, *, validate_args=None):
        self._gain = gain
        space = space_axes(mean.shape, constraint.rows.shape[1])
        super().__init__(prior, constraint, mean, variance, space, validate_args=validate_args)

    @property
    def covariance_matrix(self) -> Float[Array, "*batch n n"]:
        """Σ̃ as a dense matrix, for small fields and tests."""
        n = self.constraint.rows.shape[1]
        _, covariance, _ = moments(self.prior, n)
        rows = self.constraint.rows.astype(self.mean.dtype)
        return covariance.dense() - self._gain @ jnp.swapaxes(covariance.times(rows), -1, -2)

    @property
    def log_evidence(self) -> Float[Array, "*batch"]:
        """How well the prior foresaw the values: log p(b) = log N(b; A μ, A Σ Aᵀ + R)."""
        mean, covariance, _ = moments(self.prior, self.constraint.rows.shape[1])
        rows = self.constraint.rows.astype(mean.dtype)
        innovation = _innovation(rows, covariance, self.constraint.noise)
        values = self.constraint.values.astype(mean.dtype)
        return dist.MultivariateNormal(apply_rows(rows, mean), innovation).log_prob(values)

    def sample(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "..."]:
        """Draw fields that satisfy an exact constraint up to round-off.

        A draw from the prior is itself projected, onto b + ε with its own ε (Matheron's rule).
        """
        field_key, noise_key = jax.random.split(key)
        mean, covariance, _ = moments(self.prior, self.constraint.rows.shape[1])
        # The values may have a batch that the prior has not: every field gets noise of its own.
        batch = self._mean.shape[: self._mean.ndim - len(self.event_shape)]
        shape = (*sample_shape, *batch, mean.shape[-1])
        u = mean + covariance.draw(field_key, shape)
        values = self.constraint.values.astype(u.dtype)
        if self.constraint.noise is not None:
            scale = jnp.sqrt(self.constraint.noise).astype(u.dtype)
            shape = (*u.shape[:-1], values.shape[-1])
            values = values + scale * jax.random.normal(noise_key, shape, u.dtype)
        moved = _moved(u, self.constraint, values, self._gain)
        space = space_axes(self._mean.shape, self.constraint.rows.shape[1])
        return moved.reshape(*moved.shape[:-1], *space)

    def log_prob(self, value: Float[AnyArray, "..."], intermediates=None) -> Float[Array, "*batch"]:
        """Log density of a field.

        With noise on every row this is the posterior density p(u) p(b|u) / p(b). For exact rows it is the
        density on the constraint's plane (with respect to its own area), and −inf off the plane.
        """
        n = self.constraint.rows.shape[1]
        u = flatten(as_jax("log_prob", "a field", value), n)
        rows = self.constraint.rows.astype(u.dtype)
        mean, covariance, _ = moments(self.prior, n)
        values = self.constraint.values.astype(u.dtype)
        evidence = self.log_evidence
        live = jnp.ones_like(mean, bool)
        if isinstance(self.prior, dist.Normal):  # cells without variance are where they are
            live = covariance.diagonal() > 0
            scale = root(jnp.where(live, covariance.diagonal(), 1.0))
            prior = dist.Normal(mean, scale).log_prob(u)
            prior = jnp.where(live, prior, jnp.where(u == mean, 0.0, -jnp.inf)).sum(-1)
        else:
            prior = self.prior.log_prob(value)
            # A prior of independent blocks has a density of each.
            parts = len(self.event_shape) - self.prior.event_dim
            prior = prior.sum(range(-parts, 0)) if parts > 0 else prior
        if self.constraint.noise is not None:
            scale = jnp.sqrt(self.constraint.noise).astype(u.dtype)
            fit = dist.Normal(apply_rows(rows, u), scale).log_prob(values).sum(-1)
            return prior + fit - evidence
        # Across the plane db = √det(A Aᵀ) dn, so the density along it is p(u) / (p_b(b) √det(A Aᵀ)).
        free = jnp.where(live[..., None, :], rows, 0.0)
        area = jnp.linalg.slogdet(free @ jnp.swapaxes(free, -1, -2))[1] / 2
        size = apply_rows(jnp.abs(rows), jnp.abs(u)) + jnp.abs(values)
        tolerance = 100 * jnp.finfo(u.dtype).eps * size
        on_plane = (jnp.abs(apply_rows(rows, u) - values) <= tolerance).all(-1)
        return jnp.where(on_plane, prior - evidence - area, -jnp.inf)


@overload
def project(  # pyright: ignore[reportOverlappingOverload]
    distribution: dist.MixtureSameFamily,
    constraint: AffineConstraint,
    *,
    key: PRNGKeyArray | None = None,
) -> dist.MixtureSameFamily: ...
@overload
def project(
    distribution: dist.Distribution,
    constraint: AffineConstraint | Nonnegative,
    *,
    key: PRNGKeyArray | None = None,
) -> ProjectedGaussian: ...
@overload
def project(
    distribution: Ensemble,
    constraint: AffineConstraint | Nonnegative,
    *,
    key: PRNGKeyArray | None = None,
) -> Ensemble: ...
@overload
def project(
    distribution: dist.Distribution,
    constraint: AbstractNearest,
    *,
    key: PRNGKeyArray | None = None,
) -> Projected: ...
@overload
def project(
    distribution: Ensemble, constraint: AbstractNearest, *, key: PRNGKeyArray | None = None
) -> Ensemble: ...
def project(
    distribution: dist.Distribution | Ensemble,
    constraint: AffineConstraint | Nonnegative | AbstractNearest,
    *,
    key: PRNGKeyArray | None = None,
) -> ProjectedGaussian | Projected | Ensemble | dist.MixtureSameFamily:
    """Move a Gaussian field, or the members of an ensemble, onto a constraint.

    Args:
        distribution: a field of n cells, prod(space) = n, by its structure: `Normal` of shape
            (..., *space) (independent cells), `LowRankMultivariateNormal` of shape (..., n),
            `MatrixNormal` over two axes (Kronecker), `MultivariateNormal` of shape (..., n), or of
            shape (..., *blocks, k) with prod(blocks) k = n (independent blocks). Leading axes are a
            batch: samples, times, channels. `to_event` changes nothing. Or an `Ensemble`, or one
            `MixtureSameFamily` of whole fields, conditioned by its components (see `mixture`).
        constraint: m rows over n cells; its values are shared by the batch, or broadcast into it. Only
            a single field takes a batch of values: it is projected once for each. Or `Nonnegative`, for a
            `Normal` or an `Ensemble`: cells at zero are then certain, and the others conditioned on the
            total (draws of the Gaussian may be negative; the members of an ensemble are not). Or a set
            that is no plane, as `Invariant`, for the same two.
        key: only for an ensemble with noisy rows, whose members each draw their own noise.

    Returns:
        The conditioned Gaussian, with `mean` and `variance` in the shape of the input field, or the
        moved ensemble, or the mixture of conditioned components; for a set that is no plane, the
        nearest field and the variance on its tangent plane, as `Projected`.

    Raises:
        TypeError: a distribution of another kind, or no constraint.
        ValueError: a field whose trailing axes do not hold n cells, a batch of values that does not
            broadcast into the batch of fields, a mean or variance that is not finite (checked
            where they are concrete, not inside jit), or an ensemble with noisy rows and no key.
        RuntimeError: at run time, where a row has no variance of its own to move the field with
            (A Σ Aᵀ + R singular in the precision of the field), or no nearest field is found.
    """
    if isinstance(constraint, AbstractNearest):
        if isinstance(distribution, Ensemble):
            return move_members(distribution, constraint)
        return move_normal(distribution, constraint)
    if isinstance(constraint, Nonnegative):
        return _project_nonnegative(distribution, constraint.total)
    if not isinstance(constraint, AffineConstraint):
        raise TypeError(
            f"project expected an AffineConstraint, got {type(constraint).__name__}; build one, as in "
            "conservation(grid, total)."
        )
    if isinstance(distribution, Ensemble):
        return _project_members(distribution, constraint, key)
    if isinstance(distribution, dist.MixtureSameFamily):
        return project_components(
            distribution,
            lambda parts: project(parts, constraint),
            constraint.rows.shape[1],
            constraint.values.shape[:-1],
        )
    while isinstance(distribution, dist.Independent):  # what `to_event` makes
        distribution = distribution.base_dist
    if not isinstance(distribution, Gaussian):
        raise TypeError(
            "project expected a numpyro Normal, MultivariateNormal, LowRankMultivariateNormal, "
            f"MatrixNormal, a mixture of them, or an Ensemble, got {type(distribution).__name__}; "
            "project its first two moments, dist.Normal(*mean_and_scale(distribution))."
        )
    n = constraint.rows.shape[1]
    flat, covariance, space = moments(distribution, n)
    check_batch(flat.shape[:-1], constraint.values.shape[:-1])
    check_finite("project", "mean", flat)
    check_finite("project", "variance", covariance.diagonal())
    rows = constraint.rows.astype(flat.dtype)
    spread = covariance.times(rows)  # Σ Aᵀ, (..., n, m)
    gain = _solved(_innovation(rows, covariance, constraint.noise), spread)
    moved = _moved(flat, constraint, constraint.values.astype(flat.dtype), gain)
    # Round-off may leave a variance of −eps where the constraint fixes a cell completely.
    variance = jnp.maximum(covariance.diagonal() - (gain * spread).sum(-1), 0)
    shape = (*moved.shape[:-1], *space)
    return ProjectedGaussian(
        distribution,
        constraint,
        moved.reshape(shape),
        jnp.broadcast_to(variance, moved.shape).reshape(shape),
        gain,
    )


def _project_members(
    ensemble: Ensemble, constraint: AffineConstraint, key: PRNGKeyArray | None
) -> Ensemble:
    """Each member moved onto b, or onto b + ε with its own ε (Matheron's rule)."""
    n = constraint.rows.shape[1]
    members = ensemble.members
    if members[0].size != n or constraint.values.ndim > 1:
        raise ValueError(
            f"project expected an Ensemble of single fields of n={n} cells and one value for each row, "
            f"got members of shape {members.shape[1:]} and values of shape {constraint.values.shape}; "
            "use jax.vmap over fields."
        )
    flat = members.reshape(-1, n)
    values = constraint.values.astype(flat.dtype)
    if constraint.noise is not None:
        if key is None:
            raise ValueError(
                "project expected a key for an Ensemble and rows with noise, got none; pass "
                "key=jax.random.key(0), or rows without noise."
            )
        scale = jnp.sqrt(constraint.noise).astype(flat.dtype)
        shape = (flat.shape[0], values.shape[-1])
        values = values + scale * jax.random.normal(key, shape, flat.dtype)
    rows, covariance = constraint.rows.astype(flat.dtype), members_covariance(flat)
    spread, innovation = covariance.times(rows), _innovation(rows, covariance, constraint.noise)
    # Members that share a row's value differ in it by round-off, which is no direction to move in. A row
    # that they meet stays as it is; one that they miss is refused.
    off = jnp.abs(apply_rows(rows, flat) - values).max(0)
    size = apply_rows(jnp.abs(rows), jnp.abs(flat)).max(0)
    smallest = 8 * jnp.finfo(flat.dtype).eps * size
    settled = jnp.diagonal(innovation) <= smallest**2
    spread = eqx.error_if(
        spread,
        settled & (off > smallest),
        "project expected members that differ in every row that they do not meet, got a row whose value "
        "they share; project Ensemble.gaussian(scale) instead.",
    )
    apart = settled[:, None] | settled
    innovation = jnp.where(apart, jnp.eye(len(rows), dtype=flat.dtype), innovation)
    gain = _solved(innovation, jnp.where(settled, 0.0, spread))
    return Ensemble(_moved(flat, constraint, values, gain).reshape(members.shape))


def _project_nonnegative(
    distribution: dist.Distribution | Ensemble, total: AffineConstraint
) -> ProjectedGaussian | Ensemble:
    """The projection of the cells that stay above zero; the others are at zero."""
    n = total.rows.shape[1]
    if isinstance(distribution, Ensemble):
        if distribution.members[0].size != n or total.values.ndim > 1:
            raise ValueError(
                f"project expected an Ensemble of single fields of n={n} cells and one total, got members "
                f"of shape {distribution.members.shape[1:]} and totals of shape "
                f"{total.values.shape[:-1]}; use jax.vmap over fields."
            )
        flat = distribution.members.reshape(-1, n)
        # Each member is moved most where the members differ most. Its own error is not known better.
        variance = jnp.broadcast_to(flat.var(0, ddof=1), flat.shape)
        _, moved, _, _ = _positive_part(flat, variance, total)
        return Ensemble(moved.reshape(distribution.members.shape))
    while isinstance(distribution, dist.Independent):
        distribution = distribution.base_dist
    if not isinstance(distribution, dist.Normal):
        raise TypeError(
            f"project expected a numpyro Normal or an Ensemble for Nonnegative, got "
            f"{type(distribution).__name__}; take its marginals, or draw an Ensemble from it."
        )
    mean, covariance, space = moments(distribution, n)
    check_batch(mean.shape[:-1], total.values.shape[:-1])
    check_finite("project", "mean", mean)
    check_finite("project", "variance", covariance.diagonal())
    (kept, left), moved, variance, gain = _positive_part(mean, covariance.diagonal(), total)
    shape = (*moved.shape[:-1], *space)
    field = dist.Normal(kept.reshape(shape), root(left).reshape(shape), validate_args=False)
    return ProjectedGaussian(
        field, total, moved.reshape(shape), variance.reshape(shape), gain[..., None]
    )


def _positive_part(mean, variance, total):
    """Mean and variance of the cells that stay above zero, those of the moved field, and the gain."""
    weights, values = total.rows[0].astype(mean.dtype), total.values[..., 0].astype(mean.dtype)
    values = eqx.error_if(
        values,
        values < 0,
        "project expected a total of zero or more for a positive field, got less; correct it, or project "
        "without Nonnegative.",
    )
    active = jnp.vectorize(positive_cells, signature="(n),(n),(n),()->(n)")(
        mean, variance, weights, values
    )
    mean, variance = (jnp.where(active, x, 0.0) for x in (mean, variance))
    spread = variance * weights
    slope = jnp.sum(weights * spread, -1, keepdims=True)
    slope = eqx.error_if(
        slope,
        (slope[..., 0] <= 0) & (values > 0),
        "project expected a cell that may move to meet the total; give cells a positive scale.",
    )
    gain = spread / jnp.where(slope > 0, slope, 1.0)
    # What is above zero up to round-off is so to the last digit.
    moved = jnp.maximum(_moved(mean, total, values[..., None], gain[..., None]), 0.0)
    left = jnp.maximum(variance - gain * spread, 0.0)
    return (jnp.broadcast_to(mean, moved.shape), variance), moved, left, gain


def _innovation(rows, covariance, noise) -> Float[Array, "*batch m m"]:
    """S = A Σ Aᵀ + R."""
    spread = covariance.times(rows)
    s = jax.vmap(lambda column: apply_rows(rows, column), in_axes=-1, out_axes=-1)(spread)
    if noise is None:
        return s
    return s + jnp.broadcast_to(noise, rows.shape[:1]).astype(s.dtype) * jnp.eye(
        rows.shape[0], dtype=s.dtype
    )


def _solved(innovation, spread) -> Float[Array, "*batch n m"]:
    """The gain Σ Aᵀ S⁻¹."""
    message = (
        "project expected every row to meet some variance of its own, independent of the other rows, got "
        f"A Σ Aᵀ + R singular in {innovation.dtype}; remove rows that repeat or contradict others, give "
        "their cells a positive scale, the rows noise, or compute in float64."
    )
    if innovation.shape[-1] == 1:
        # One row, the common case: a division instead of a batch of 1 × 1 factorisations.
        innovation = eqx.error_if(innovation, ~(innovation > 0), message)
        return spread / innovation
    factor = jnp.linalg.cholesky(innovation)
    # A pivot is what the rows before leave of a row's variance, lost to round-off by ε over that share.
    # Each round of `_moved` shrinks the residual by as much, and ε is to be left after the last.
    pivots, variances = (jnp.diagonal(x, axis1=-2, axis2=-1) for x in (factor**2, innovation))
    least = jnp.finfo(innovation.dtype).eps ** (1 - 1 / _ROUNDS)
    factor = eqx.error_if(factor, ~(pivots > least * variances), message)
    solve = jnp.vectorize(
        lambda c, rhs: jax.scipy.linalg.cho_solve((c, True), rhs.T).T,
        signature="(m,m),(n,m)->(n,m)",
    )
    return solve(factor, spread)


def _moved(u, constraint, values, gain) -> Float[Array, "*batch n"]:
    """U − gain (A u − b); repeated for exact rows, so that only the last rounding remains.

    The gain of several rows has the error of a factorisation, by which each round shrinks the residual.
    """
    rows = constraint.rows.astype(u.dtype)
    exact = 2 if rows.shape[0] == 1 else _ROUNDS
    for _ in range(exact if constraint.noise is None else 1):
        residual = apply_rows(rows, u) - values
        u = u - jnp.einsum("...nm,...m->...n", gain, residual, precision="highest")
    return u
