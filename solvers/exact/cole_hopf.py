r"""Viscous Burgers on a circle, exactly: the Cole-Hopf transformation to the heat equation.

    u = −2ν φ_x/φ,    φ_t = ν φ_xx,    φ(0, x) = exp(−(1/2ν) ∫₀ˣ (u₀ − ū) dx'),

with the mean ū removed first, which only carries the solution along: u(t, x) = ū + w(t, x − ū t). On
equispaced points every step is diagonal in Fourier space, so that smooth data keep spectral accuracy.

References: E. Hopf, Comm. Pure Appl. Math. 3 (1950) 201, doi:10.1002/cpa.3160030302; J. D. Cole, Quart.
Appl. Math. 9 (1951) 225, doi:10.1090/qam/42889.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from solvers.laws.law import like


def cole_hopf(
    u0: Float[Array, " points"], t: ArrayLike, *, viscosity: ArrayLike, length: float = 1.0
) -> Float[Array, " points"]:
    """The solution of u_t + (u²/2)_x = ν u_xx at time t.

    Args:
        u0: initial values at `points` equispaced points of the circle, the first not repeated.
        t: time, not negative.
        viscosity: ν > 0.
        length: of the circle.

    Returns:
        u at the same points.

    Raises:
        ValueError: for another shape or type of u0, or a length that is not positive.
        equinox.EquinoxRuntimeError: for a viscosity or a time out of range, and where ∫u₀ is so large beside
            2ν that φ would keep fewer than half of the digits; finite volumes solve such a flow.
    """
    u0 = jnp.asarray(u0)
    if u0.ndim != 1 or u0.size < 3 or not jnp.issubdtype(u0.dtype, jnp.floating):
        raise ValueError(
            f"cole_hopf expected floating-point values at 3 or more points, got {u0.dtype} of shape "
            f"{u0.shape}; use jax.vmap for batches."
        )
    if not 0 < length < math.inf:
        raise ValueError(
            f"cole_hopf expected a positive, finite length, got {length}; give that of the circle."
        )
    points = u0.size
    time, nu = like(u0, t, viscosity)
    nu = eqx.error_if(
        nu,
        ~((nu > 0) & (time >= 0)),
        "cole_hopf expected a positive viscosity and a time that is not negative, got others; without "
        "viscosity, use by_characteristics or solvers.solve.",
    )
    kappa = jnp.asarray(2 * np.pi / length * np.arange(points // 2 + 1), u0.dtype)
    # The highest coefficient of an even number of points is real: it has no derivative there.
    slope = kappa.at[-1].set(0.0) if points % 2 == 0 else kappa
    mean = u0.mean()
    coefficients = jnp.fft.rfft(u0 - mean)
    integral = coefficients / _imaginary(kappa.at[0].set(1.0))
    exponent = -jnp.fft.irfft(integral.at[0].set(0.0), n=points) / (2 * nu)
    exponent = exponent - exponent.max()
    digits = -math.log(float(jnp.finfo(u0.dtype).eps))
    exponent = eqx.error_if(
        exponent,
        exponent.min() < -0.5 * digits,
        "cole_hopf expected |∫u₀|/2ν to span at most half of the digits of its precision, got more; use "
        "double precision, a larger viscosity, or solvers.solve.",
    )
    decay, angle = jnp.exp(-nu * kappa**2 * time), kappa * mean * time
    carried = jax.lax.complex(decay * jnp.cos(angle), -decay * jnp.sin(angle))
    phi = jnp.fft.rfft(jnp.exp(exponent)) * carried
    value = jnp.fft.irfft(phi, n=points)
    return mean - 2 * nu * jnp.fft.irfft(_imaginary(slope) * phi, n=points) / value


def _imaginary(x: Float[Array, "..."]) -> Array:
    return jax.lax.complex(jnp.zeros_like(x), x)
