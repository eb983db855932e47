"""The heat equation, u_t = k u_xx, with its sine modes, driven rod and oscillating plate.

Reference: H. S. Carslaw, J. C. Jaeger, Conduction of Heat in Solids (1959), chapters 2 and 3.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from .law import AbstractDiffusionLaw, State, check_parameter, like, parameter


class Diffusion(AbstractDiffusionLaw):
    """u_t = ∇·(k ∇u) with a constant k.

    Args:
        diffusivity: k ≥ 0, a scalar.

    Raises:
        ValueError: for a negative or non-finite diffusivity.
    """

    k: Float[Array, "..."] = eqx.field(converter=parameter)
    channels: ClassVar[int] = 1

    def __init__(self, diffusivity: ArrayLike):
        self.k = diffusivity  # pyright: ignore[reportAttributeAccessIssue]

    def __check_init__(self):
        check_parameter("Diffusion: diffusivity", self.k, above=0.0, closed=True)

    def potential(self, u: State) -> State:
        """Φ(u) = k u."""
        return self.diffusivity(u) * u

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """The constant k."""
        return self.k.astype(u.dtype)

    def sine_mode(
        self,
        t: ArrayLike,
        x: Float[Array, "..."],
        *,
        wavenumber: ArrayLike = 1.0,
        phase: ArrayLike = 0.0,
    ) -> Float[Array, "..."]:
        """e^{−k κ² t} sin(κ x + φ), with wavenumber κ."""
        k, time, kappa, shift = like(x, self.k, t, wavenumber, phase)
        return jnp.exp(-k * kappa**2 * time) * jnp.sin(kappa * x + shift)

    def oscillating_plate(
        self, t: ArrayLike, y: Float[Array, "..."], *, amplitude: ArrayLike, frequency: ArrayLike
    ) -> Float[Array, "..."]:
        """Stokes' second problem: U e^{−κy} cos(κy − ωt), κ = √(ω/2ν), above a plate U cos ωt."""
        nu, time, scale, omega = like(y, self.k, t, amplitude, frequency)
        kappa = jnp.sqrt(omega / (2.0 * nu))
        return scale * jnp.exp(-kappa * y) * jnp.cos(kappa * y - omega * time)

    def driven_rod(
        self,
        t: ArrayLike,
        x: Float[Array, "..."],
        *,
        omega: ArrayLike,
        amplitude: ArrayLike = 5.0,
        terms: int = 400,
    ) -> Float[Array, "..."]:
        """A rod on [0, 1], insulated at 0, whose slope at 1 is forced: u_x(t, 1) = U sin πt.

        From u₀ = cos(ωπx). The solution is the periodic response Im[C cosh(qx) e^{iπt}], with
        q² = iπ/k and C = U/(q sinh q), plus Σ b_n cos(nπx) e^{−k n²π² t}, the cosine series of what
        u₀ lacks of it. The terms decay like a Gaussian in n, so `terms` of them give full
        precision for k t ≥ 40/(π · terms)²; at t ≤ 0 the initial condition itself is returned.

        Args:
            t: time, a scalar.
            x: positions in [0, 1].
            omega: ω.
            amplitude: U.
            terms: number of cosines.
        """
        k, time, scale, om, n = like(x, self.k, t, amplitude, omega, jnp.arange(terms))
        root = jnp.sqrt(jnp.pi / (2.0 * k))
        q = lax.complex(root, root)
        # cosh(qx)/sinh(q), scaled by e^{-q} against overflow for a small diffusivity.
        shape = (jnp.exp(q * _complex(x - 1.0)) + jnp.exp(-q * _complex(x + 1.0))) / (
            1.0 - jnp.exp(-2.0 * q)
        )
        turning = lax.complex(jnp.cos(jnp.pi * time), jnp.sin(jnp.pi * time))
        response = scale * jnp.imag(shape / q * turning)
        wave = n * jnp.pi
        single = jnp.where(n == 0, 0.5, 1.0)  # the constant has half the weight of a cosine
        start = single * (jnp.sinc(om - n) + jnp.sinc(om + n))
        sign = jnp.where(n % 2 == 0, 1.0, -1.0)
        forced = 2.0 * scale * single * sign * jnp.imag(1.0 / (q**2 + _complex(wave**2)))
        decay = jnp.exp(-k * wave**2 * time)
        transient = jnp.cos(x[..., None] * wave) @ ((start - forced) * decay)
        return jnp.where(time > 0, response + transient, jnp.cos(om * jnp.pi * x))

    def driven_rod_mass(
        self, t: ArrayLike, *, omega: ArrayLike, amplitude: ArrayLike = 5.0
    ) -> Float[Array, "..."]:
        """∫₀¹ of `driven_rod`: sin(ωπ)/(ωπ) + (k U/π)(1 − cos πt)."""
        return jnp.sinc(jnp.asarray(omega)) + self.k * amplitude / jnp.pi * (
            1.0 - jnp.cos(jnp.pi * t)
        )


def _complex(x: Array) -> Array:
    return lax.complex(x, jnp.zeros_like(x))
