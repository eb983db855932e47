r"""Stationary covariance functions of Gaussian processes, with one length scale for each coordinate.

    k(x, x') = a² ρ(r),      r² = Σ_d ((x_d − x'_d) / ℓ_d)²

    RBF            ρ = exp(−r²/2)                              smooth fields
    Matérn 1/2     ρ = exp(−r)                                 continuous ones
    Matérn 3/2     ρ = (1 + √3 r) exp(−√3 r)                   with one derivative
    Matérn 5/2     ρ = (1 + √5 r + 5r²/3) exp(−√5 r)           with two

Reference: Rasmussen, Williams, Gaussian Processes for Machine Learning (2006), section 4.2.1, equations 4.9
and 4.16 to 4.17.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._arrays import as_jax, check_finite, floating
from .._module import Module


class AbstractKernel(Module):
    """A covariance function a² ρ(r)."""

    log_lengthscale: eqx.AbstractVar[Float[Array, " dims"]]
    log_amplitude: eqx.AbstractVar[Float[Array, ""]]

    def correlation(self, square: Float[Array, "..."]) -> Float[Array, "..."]:
        """ρ as a function of r²."""
        raise NotImplementedError

    @property
    def lengthscale(self) -> Float[Array, " dims"]:
        """ℓ, in the units of the coordinates."""
        return jnp.exp(self.log_lengthscale)

    @property
    def variance(self) -> Float[Array, ""]:
        """a², the variance of the process at a point."""
        return jnp.exp(2 * self.log_amplitude)

    def __call__(self, x: Float[Array, "a dims"], y: Float[Array, "b dims"]) -> Float[Array, "a b"]:
        """Covariances between two sets of points."""
        # Differences, not |x|² − 2 x·y + |y|², which loses the digits of close points.
        difference = (x[:, None] - y[None]) / self.lengthscale.astype(x.dtype)
        return self.variance.astype(x.dtype) * self.correlation((difference**2).sum(-1))


class RBF(AbstractKernel):
    """The squared exponential, for smooth fields.

    Args:
        lengthscale: ℓ, positive, one for each coordinate.
        amplitude: a, positive, in the unit of the field.

    Raises:
        ValueError: parameters that are not positive and finite, or of another shape.
    """

    log_lengthscale: Float[Array, " dims"]
    log_amplitude: Float[Array, ""]

    def __init__(self, lengthscale: ArrayLike | Sequence[float], amplitude: ArrayLike = 1.0):
        self.log_lengthscale, self.log_amplitude = _logarithms("RBF", lengthscale, amplitude)

    def correlation(self, square):
        """ρ as a function of r²."""
        return jnp.exp(-0.5 * square)


class Matern(AbstractKernel):
    """The Matérn family, for fields with few derivatives.

    Args:
        lengthscale: ℓ, positive, one for each coordinate.
        amplitude: a, positive, in the unit of the field.
        smoothness: ν, one of 0.5, 1.5 and 2.5; the field has ν − 1/2 derivatives.

    Raises:
        ValueError: parameters that are not positive and finite, of another shape, or another ν.
    """

    log_lengthscale: Float[Array, " dims"]
    log_amplitude: Float[Array, ""]
    smoothness: float = eqx.field(static=True)

    def __init__(
        self,
        lengthscale: ArrayLike | Sequence[float],
        amplitude: ArrayLike = 1.0,
        *,
        smoothness: float = 1.5,
    ):
        self.log_lengthscale, self.log_amplitude = _logarithms("Matern", lengthscale, amplitude)
        if smoothness not in (0.5, 1.5, 2.5):
            raise ValueError(
                f"Matern expected a smoothness of 0.5, 1.5 or 2.5, got {smoothness}; take RBF for smooth "
                "fields."
            )
        self.smoothness = smoothness

    def correlation(self, square):
        """ρ as a function of r²."""
        # The inner `where` keeps the derivative of the root finite where two points are one.
        apart = square != 0  # NaN too, which is not beside anything
        r = jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)
        r = math.sqrt(2 * self.smoothness) * r
        polynomial = {0.5: 1.0, 1.5: 1.0 + r, 2.5: 1.0 + r + r**2 / 3}[self.smoothness]
        return polynomial * jnp.exp(-r)


def _logarithms(
    who: str, lengthscale: ArrayLike | Sequence[float], amplitude: ArrayLike
) -> tuple[Array, Array]:
    """Parameters that may be learned: their logarithms are free."""
    lengthscale, amplitude = (
        floating(who, as_jax(who, "lengthscale", lengthscale)),
        floating(who, amplitude),
    )
    if lengthscale.ndim != 1 or amplitude.ndim != 0:
        raise ValueError(
            f"{who} expected lengthscale of shape (dims,) and a single amplitude, got {lengthscale.shape} "
            f"and {amplitude.shape}; give one length for each coordinate."
        )
    logarithms = jnp.log(lengthscale), jnp.log(amplitude)
    for name, value in zip(("log lengthscale", "log amplitude"), logarithms, strict=True):
        check_finite(who, name, value)
    return logarithms
