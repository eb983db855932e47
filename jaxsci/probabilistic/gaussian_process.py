r"""Gaussian process regression of a field from observations at points, in space and time.

    u ~ GP(m, k),      y_i = u(x_i) + ε_i,      ε_i ~ N(0, s²),      K = k(X, X) + s² I = L Lᵀ
    mean(x*) = m + k(x*, X) K⁻¹ (y − m)
    cov(x*, x*') = k(x*, x*') − k(x*, X) K⁻¹ k(X, x*')
    log p(y) = −½ |L⁻¹ (y − m)|² − Σ_i log L_ii − ½ n log 2π

Reference: Rasmussen, Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1. Both matrices
get a relative jitter of n ε on their diagonals, the round-off of a Cholesky factorisation of n × n (Higham,
Accuracy and Stability of Numerical Algorithms (2002), theorem 10.7), so that single precision factorises
what double precision would.
"""

import math

import equinox as eqx
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Float

from .._arrays import as_jax, check_finite, floating
from .._module import Module
from .kernels import AbstractKernel


class GaussianProcess(Module):
    """A Gaussian process, whose hyperparameters are leaves that `fit_gaussian_process` learns.

    Args:
        kernel: k, such as `RBF` or `Matern`.
        noise: s, the standard deviation of an observation, positive.
        mean: m, the level that the field returns to far from observations.

    Raises:
        ValueError: a noise that is not positive and finite, or arrays where numbers are expected.
    """

    kernel: AbstractKernel
    log_noise: Float[Array, ""]
    mean: Float[Array, ""]

    def __init__(self, kernel: AbstractKernel, *, noise: ArrayLike, mean: ArrayLike = 0.0):
        noise, mean = floating("GaussianProcess", noise), floating("GaussianProcess", mean)
        if noise.ndim or mean.ndim:
            raise ValueError(
                f"GaussianProcess expected a single noise and a single mean, got shapes {noise.shape} and "
                f"{mean.shape}; subtract a mean that varies from the observations."
            )
        self.kernel = kernel
        self.log_noise = jnp.log(noise)
        self.mean = mean
        check_finite("GaussianProcess", "log noise", self.log_noise)
        check_finite("GaussianProcess", "mean", mean)

    @property
    def noise(self) -> Float[Array, ""]:
        """Standard deviation of an observation, s."""
        return jnp.exp(self.log_noise)

    def __call__(
        self,
        context_x: Float[Array, "context dims"],
        context_y: Float[Array, " context"],
        target_x: Float[Array, "targets dims"],
    ) -> dist.MultivariateNormal:
        """The field at the targets, given the observations and free of their noise.

        Args:
            context_x: where the field was observed.
            context_y: what was observed.
            target_x: where to predict; the cells of a grid, say, that a constraint has rows for.

        Raises:
            ValueError: shapes that do not fit, or observations that are not finite.
            RuntimeError: at run time, a covariance that is not positive definite.
        """
        mean, solved = self._conditioned(context_x, context_y, target_x)
        covariance = self.kernel(target_x, target_x) - solved.T @ solved
        covariance = covariance + _jitter(target_x) * self.kernel.variance.astype(
            target_x.dtype
        ) * jnp.eye(target_x.shape[0], dtype=target_x.dtype)
        return dist.MultivariateNormal(mean, scale_tril=_cholesky(covariance))

    def marginal(
        self,
        context_x: Float[Array, "context dims"],
        context_y: Float[Array, " context"],
        target_x: Float[Array, "targets dims"],
    ) -> dist.Normal:
        """The field at each target on its own, without a matrix of targets by targets.

        Raises:
            ValueError: shapes that do not fit, or observations that are not finite.
            RuntimeError: at run time, a covariance that is not positive definite.
        """
        target_x = as_jax("GaussianProcess", "target_x", target_x)
        mean, solved = self._conditioned(context_x, context_y, target_x)
        variance = self.kernel.variance.astype(mean.dtype)
        # Where an observation is nearly exact, round-off may leave a variance below zero.
        least = _jitter(target_x) * variance
        return dist.Normal(mean, jnp.sqrt(jnp.maximum(variance - (solved**2).sum(0), 0.0) + least))

    def log_marginal_likelihood(
        self, x: Float[Array, "context dims"], y: Float[Array, " context"]
    ) -> Float[Array, ""]:
        """Log density of all observations together, in nats.

        Raises:
            ValueError: shapes that do not fit, or observations that are not finite.
            RuntimeError: at run time, a covariance that is not positive definite.
        """
        factor, whitened = self._factored(x, y)
        log_det = jnp.log(jnp.diagonal(factor)).sum()
        return -0.5 * (whitened**2).sum() - log_det - 0.5 * whitened.size * math.log(2 * math.pi)

    def _factored(self, x: Array, y: Array) -> tuple[Array, Array]:
        """L and L⁻¹ (y − m)."""
        x, y = as_jax("GaussianProcess", "x", x), as_jax("GaussianProcess", "y", y)
        dims = self.kernel.log_lengthscale.shape[0]
        if x.ndim != 2 or x.shape[1] != dims or y.shape != x.shape[:1] or not x.shape[0]:
            raise ValueError(
                f"GaussianProcess expected observations at points of shape (n >= 1, {dims}) with values of "
                f"shape (n,), got {x.shape} and {y.shape}; flatten the grid, and use jax.vmap for batches."
            )
        check_finite("GaussianProcess", "points", x)
        check_finite("GaussianProcess", "observations", y)
        least = _jitter(x) * self.kernel.variance.astype(x.dtype)
        noise = self.noise.astype(x.dtype) ** 2 + least
        factor = _cholesky(self.kernel(x, x) + noise * jnp.eye(x.shape[0], dtype=x.dtype))
        return factor, solve_triangular(factor, y - self.mean.astype(y.dtype), lower=True)

    def _conditioned(self, x: Array, y: Array, target_x: Array) -> tuple[Array, Array]:
        """Mean at the targets, and L⁻¹ k(X, x*)."""
        given = zip(("context_x", "context_y", "target_x"), (x, y, target_x), strict=True)
        x, y, target_x = (as_jax("GaussianProcess", name, value) for name, value in given)
        factor, whitened = self._factored(x, y)
        if target_x.ndim != 2 or target_x.shape[1] != x.shape[1]:
            raise ValueError(
                f"GaussianProcess expected targets of shape (targets, {x.shape[1]}), got {target_x.shape}; "
                "flatten the grid, and use jax.vmap for batches."
            )
        solved = solve_triangular(factor, self.kernel(x, target_x), lower=True)
        return self.mean.astype(y.dtype) + solved.T @ whitened, solved


def _jitter(x: Array) -> float:
    return x.shape[0] * float(jnp.finfo(x.dtype).eps)


def _cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    factor = jnp.linalg.cholesky(matrix)
    return eqx.error_if(
        factor,
        ~jnp.isfinite(factor).all(),
        f"GaussianProcess expected a covariance that is positive definite in {matrix.dtype}, got one that is "
        "not; raise the noise, shorten the length scales, merge points that coincide, or compute in float64.",
    )
