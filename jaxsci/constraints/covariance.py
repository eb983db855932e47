"""Covariances of a field over its n cells, kept in the structure that they come in.

    diagonal                    Σ = diag(σ²)                Normal
    blocks                      Σ = ⊕_b L_b L_bᵀ            MultivariateNormal; one block is a dense Σ
    diagonal plus low rank      Σ = diag(σ²) + W Wᵀ         LowRankMultivariateNormal, ensembles
    Kronecker                   Σ = Σ_1 ⊗ Σ_2               MatrixNormal, as of time and space

A projection asks of them Σ Aᵀ for a few rows A, the diagonal and draws, none of which needs an n × n matrix.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from .._arrays import as_jax, floating
from .affine import flatten, space_axes

Gaussian = (
    dist.Normal | dist.MultivariateNormal | dist.LowRankMultivariateNormal | dist.MatrixNormal
)


class AbstractCovariance(eqx.Module):
    """Covariance Σ of fields that are flattened over their n cells."""

    def times(self, rows: Float[Array, "m n"]) -> Float[Array, "*batch n m"]:
        """Σ Aᵀ."""
        raise NotImplementedError

    def diagonal(self) -> Float[Array, "*batch n"]:
        """Variances of the cells."""
        raise NotImplementedError

    def dense(self) -> Float[Array, "*batch n n"]:
        """Σ as a matrix, for small fields and tests."""
        raise NotImplementedError

    def draw(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Noise of covariance Σ; `shape` is that of the flattened fields, (..., n)."""
        raise NotImplementedError


class Diagonal(AbstractCovariance):
    """Independent cells, by their standard deviations σ."""

    scale: Float[Array, "*batch n"]

    def times(self, rows):
        """Σ Aᵀ."""
        return self.scale[..., None] ** 2 * rows.T

    def diagonal(self):
        """Variances of the cells."""
        return self.scale**2

    def dense(self):
        """Σ as a matrix."""
        return self.scale[..., None] ** 2 * jnp.eye(self.scale.shape[-1], dtype=self.scale.dtype)

    def draw(self, key, shape):
        """Noise of covariance Σ."""
        return self.scale * jax.random.normal(key, shape, self.scale.dtype)


class Blocks(AbstractCovariance):
    """Blocks of cells that depend on each other and on no others, by their triangular factors L_b."""

    factor: Float[Array, "*batch blocks k k"]

    def times(self, rows):
        """Σ Aᵀ."""
        blocks, k, _ = self.factor.shape[-3:]
        parts = rows.reshape(-1, blocks, k).transpose(1, 2, 0)
        spread = self.factor @ (jnp.swapaxes(self.factor, -1, -2) @ parts)
        return spread.reshape(*spread.shape[:-3], blocks * k, -1)

    def diagonal(self):
        """Variances of the cells."""
        variances = (self.factor**2).sum(-1)
        return variances.reshape(*variances.shape[:-2], -1)

    def dense(self):
        """Σ as a matrix."""
        blocks, k, _ = self.factor.shape[-3:]
        squares = self.factor @ jnp.swapaxes(self.factor, -1, -2)
        apart = jnp.eye(blocks, dtype=squares.dtype)
        whole = jnp.einsum("...bij,bc->...bicj", squares, apart)
        return whole.reshape(*whole.shape[:-4], blocks * k, blocks * k)

    def draw(self, key, shape):
        """Noise of covariance Σ."""
        noise = jax.random.normal(key, shape, self.factor.dtype)
        noise = noise.reshape(*shape[:-1], *self.factor.shape[-3:-1])
        return (self.factor @ noise[..., None])[..., 0].reshape(shape)


class LowRank(AbstractCovariance):
    """A few directions W that all cells share, beside independent deviations σ."""

    scale: Float[Array, "*#batch n"]
    factor: Float[Array, "*#batch n rank"]

    def times(self, rows):
        """Σ Aᵀ."""
        shared = self.factor @ (jnp.swapaxes(self.factor, -1, -2) @ rows.T)
        return self.scale[..., None] ** 2 * rows.T + shared

    def diagonal(self):
        """Variances of the cells."""
        return self.scale**2 + (self.factor**2).sum(-1)

    def dense(self):
        """Σ as a matrix."""
        return Diagonal(self.scale).dense() + self.factor @ jnp.swapaxes(self.factor, -1, -2)

    def draw(self, key, shape):
        """Noise of covariance Σ."""
        own, shared = jax.random.split(key)
        noise = jax.random.normal(shared, (*shape[:-1], self.factor.shape[-1]), self.factor.dtype)
        return Diagonal(self.scale).draw(own, shape) + (self.factor @ noise[..., None])[..., 0]


class Kronecker(AbstractCovariance):
    """The product of a covariance along the first axis of a field and one along the second."""

    first: Float[Array, "*#batch t t"]
    second: Float[Array, "*#batch x x"]

    def times(self, rows):
        """Σ Aᵀ."""
        t, x = self.first.shape[-1], self.second.shape[-1]
        first, second = self.first[..., None, :, :], self.second[..., None, :, :]
        inner = jnp.swapaxes(first, -1, -2) @ rows.reshape(-1, t, x) @ second
        spread = first @ inner @ jnp.swapaxes(second, -1, -2)
        return jnp.swapaxes(spread.reshape(*spread.shape[:-2], t * x), -1, -2)

    def diagonal(self):
        """Variances of the cells."""
        variances = (self.first**2).sum(-1)[..., :, None] * (self.second**2).sum(-1)[..., None, :]
        return variances.reshape(*variances.shape[:-2], -1)

    def dense(self):
        """Σ as a matrix."""
        first, second = (f @ jnp.swapaxes(f, -1, -2) for f in (self.first, self.second))
        whole = jnp.einsum("...ij,...kl->...ikjl", first, second)
        n = self.first.shape[-1] * self.second.shape[-1]
        return whole.reshape(*whole.shape[:-4], n, n)

    def draw(self, key, shape):
        """Noise of covariance Σ."""
        noise = jax.random.normal(key, shape, self.first.dtype)
        noise = noise.reshape(*shape[:-1], self.first.shape[-1], self.second.shape[-1])
        return (self.first @ noise @ jnp.swapaxes(self.second, -1, -2)).reshape(shape)


def moments(
    distribution: Gaussian, n: int
) -> tuple[Float[Array, "*batch n"], AbstractCovariance, tuple[int, ...]]:
    """Mean, flattened over the n cells of a field, covariance, and the shape of a field.

    They are read from the parameters: under vmap, numpyro's own `mean` still has the outer batch shape.
    """
    loc = floating("project", as_jax("project", "loc", distribution.loc))
    if isinstance(distribution, dist.Normal):
        scale = as_jax("project", "scale", distribution.scale)
        loc, scale = jnp.broadcast_arrays(loc, scale.astype(loc.dtype))
        return flatten(loc, n), Diagonal(flatten(scale, n)), space_axes(loc.shape, n)
    if isinstance(distribution, dist.MultivariateNormal):
        factor = jnp.asarray(distribution.scale_tril)
        loc = jnp.broadcast_to(loc, jnp.broadcast_shapes(loc.shape, factor.shape[:-1]))
    matrix = isinstance(distribution, dist.MatrixNormal)
    space = loc.shape[-2:] if matrix else space_axes(loc.shape, n)
    if isinstance(distribution, dist.LowRankMultivariateNormal):
        if len(space) > 1:
            raise ValueError(
                f"project expected a LowRankMultivariateNormal over all n={n} cells, got one over "
                f"{loc.shape[-1]}; flatten the grid into one axis."
            )
        factor = jnp.asarray(distribution.cov_factor)
        covariance = LowRank(jnp.sqrt(jnp.asarray(distribution.cov_diag)), factor)
    elif isinstance(distribution, dist.MatrixNormal):
        if math.prod(space) != n:
            raise ValueError(
                f"project expected a MatrixNormal over n={n} cells, got a matrix of shape "
                f"{loc.shape[-2:]}; build the rows for its entries, row by row."
            )
        first, second = distribution.scale_tril_row, distribution.scale_tril_column
        covariance = Kronecker(jnp.asarray(first), jnp.asarray(second))
    else:
        factor = jnp.asarray(distribution.scale_tril)
        k = factor.shape[-1]
        batch = factor.shape[: max(factor.ndim - 1 - len(space), 0)]
        factor = jnp.broadcast_to(factor, (*batch, *space[:-1], k, k))
        covariance = Blocks(factor.reshape(*batch, n // k, k, k))
    mean = loc.reshape(*loc.shape[: loc.ndim - len(space)], n)
    batch = jnp.broadcast_shapes(mean.shape, covariance.diagonal().shape)
    return jnp.broadcast_to(mean, batch), covariance, space
