"""The Stefan problem as a porous medium: u_t = (k(u) u_x)_x with k = k_max · 1[u ≥ u*].

The potential is the enthalpy form Φ = k_max (u − u*)₊. A front at x*(t) = 2z√(k_max t), where u
jumps from u* to zero, moves by u* ẋ* = −k_max u_x(x*⁻).

Reference: similarity solution of Neumann; D. C. Maddix, L. Sampaio, M. Gerritsen,
J. Comput. Phys. 365 (2018) 280, doi:10.1016/j.jcp.2018.03.033.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import erf
from jaxtyping import Array, ArrayLike, Float

from .law import AbstractDiffusionLaw, State, check_parameter, like, parameter


class Stefan(AbstractDiffusionLaw):
    """u_t = ∇·(k_max 1[u ≥ u*] ∇u).

    The similarity solution has u(0, x) = 0 and u(t, 0) = 1, so it needs 0 < u* < 1.

    Args:
        threshold: u*, a scalar.
        conductivity: k_max > 0, a scalar.

    Raises:
        ValueError: for a conductivity that is not positive, or a value that is not finite.
    """

    threshold: Float[Array, "..."] = eqx.field(converter=parameter)
    conductivity: Float[Array, "..."] = eqx.field(converter=parameter, default=1.0)
    channels: ClassVar[int] = 1

    def __check_init__(self):
        check_parameter("Stefan: threshold", self.threshold)
        check_parameter("Stefan: conductivity", self.conductivity, above=0.0)

    def potential(self, u: State) -> State:
        """Φ(u) = k_max (u − u*)₊."""
        k, threshold = self.conductivity.astype(u.dtype), self.threshold.astype(u.dtype)
        return k * jnp.maximum(u - threshold, 0.0)

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """k(u) = k_max 1[u ≥ u*]."""
        k, threshold = self.conductivity.astype(u.dtype), self.threshold.astype(u.dtype)
        return jnp.where(u >= threshold, k, jnp.zeros_like(k))

    def front_coefficient(self) -> Float[Array, "..."]:
        """The root z of u* erf(z) z e^{z²} = (1 − u*)/√π; the front is at 2z√(k_max t)."""
        return _front_coefficient(self.threshold)

    def amplitude(self) -> Float[Array, "..."]:
        """c₁ = (1 − u*)/erf z."""
        return (1.0 - self.threshold) / erf(self.front_coefficient())

    def front(self, t: ArrayLike) -> Float[Array, "..."]:
        """Front position x*(t) = 2z√(k_max t)."""
        return 2.0 * self.front_coefficient() * jnp.sqrt(self.conductivity * t)

    def similarity(self, t: ArrayLike, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """1 − c₁ erf(x/(2√(k_max t))) for x ≤ x*(t), zero beyond; the initial zero at t ≤ 0."""
        eta, started = self._similarity_variable(t, x)
        z, c1 = like(x, self.front_coefficient(), self.amplitude())
        return jnp.where(started & (eta <= z), 1.0 - c1 * erf(eta), 0.0)

    def similarity_mass(self, t: ArrayLike) -> Float[Array, "..."]:
        """∫₀^∞ of `similarity`: 2 c₁ √(k_max t/π)."""
        return 2.0 * self.amplitude() * jnp.sqrt(self.conductivity * t / jnp.pi)

    def similarity_averages(
        self, t: ArrayLike, faces: Float[Array, " faces"]
    ) -> Float[Array, " cells"]:
        """Exact cell averages of `similarity`, the front's jump inside a cell included."""
        eta, started = self._similarity_variable(t, faces)
        z, c1 = like(faces, self.front_coefficient(), self.amplitude())
        y = jnp.minimum(eta, z)
        # ∫ erf = η erf η + e^{−η²}/√π, so this is ∫₀^η (1 − c₁ erf), up to a constant.
        integral = y - c1 * (y * erf(y) + jnp.exp(-(y**2)) / jnp.sqrt(jnp.pi))
        averages = (integral[1:] - integral[:-1]) / (eta[1:] - eta[:-1])
        return jnp.where(started, averages, 0.0)

    def _similarity_variable(self, t: ArrayLike, x: Float[Array, "..."]):
        """η = x/(2√(k_max t)), and whether t > 0 (before, η is kept finite)."""
        k, time = like(x, self.conductivity, t)
        started = time > 0
        return x / (2.0 * jnp.sqrt(k * jnp.where(started, time, 1.0))), started


def _front_coefficient(threshold: Float[Array, "..."]) -> Float[Array, "..."]:
    """The root z, by bisection, then one Newton step that carries the implicit derivative."""

    def residual(z: Array, u_star: Array) -> Array:
        # Logarithms: the left side spans hundreds of decades over the bracket.
        left = jnp.log(u_star) + jnp.log(erf(z)) + jnp.log(z) + z**2
        return left - jnp.log1p(-u_star) + 0.5 * jnp.log(jnp.pi)

    fixed = jax.lax.stop_gradient(threshold)

    def halve(_, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        lower, upper = bracket
        middle = 0.5 * (lower + upper)
        below = residual(middle, fixed) < 0
        return jnp.where(below, middle, lower), jnp.where(below, upper, middle)

    start = (jnp.zeros_like(fixed), jnp.full_like(fixed, 8.0))
    lower, upper = jax.lax.fori_loop(0, 60, halve, start)
    z = 0.5 * (lower + upper)
    slope = jax.lax.stop_gradient(
        jax.jvp(lambda y: residual(y, fixed), (z,), (jnp.ones_like(z),))[1]
    )
    return z - residual(z, threshold) / slope
