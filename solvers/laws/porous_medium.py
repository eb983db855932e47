"""The porous medium equation, u_t = (u^m u_x)_x = (u^{m+1}/(m+1))_xx, and two of its fronts.

Where u = 0 the equation degenerates: disturbances travel at finite speed, behind sharp fronts.

Reference: J. L. Vázquez, The Porous Medium Equation (2007), chapters 1 and 4.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import betaln
from jaxtyping import Array, ArrayLike, Float

from .law import AbstractDiffusionLaw, State, check_parameter, like, parameter, positive_part


class PorousMedium(AbstractDiffusionLaw):
    """u_t = ∇·(u^m ∇u) for u ≥ 0; negative states, which only round-off makes, do not diffuse.

    Args:
        exponent: m > 0, a scalar.

    Raises:
        ValueError: for an exponent that is not positive and finite.
    """

    exponent: Float[Array, "..."] = eqx.field(converter=parameter)
    channels: ClassVar[int] = 1

    def __check_init__(self):
        check_parameter("PorousMedium: exponent", self.exponent, above=0.0)

    def potential(self, u: State) -> State:
        """Φ(u) = u^{m+1}/(m + 1)."""
        power = self.exponent.astype(u.dtype) + 1.0
        return positive_part(u, power) / power

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """k(u) = u^m."""
        return positive_part(u, self.exponent.astype(u.dtype))

    def travelling_wave(self, t: ArrayLike, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The solution (m (t − x)₊)^{1/m}: a front at x = t, fed by u(t, 0) = (m t)^{1/m}."""
        m, time = like(x, self.exponent, t)
        return positive_part(m * (time - x), 1.0 / m)

    def travelling_wave_mass(self, t: ArrayLike) -> Float[Array, "..."]:
        """∫₀^∞ of `travelling_wave`: m^{1+1/m} t^{1+1/m}/(m + 1)."""
        m = self.exponent
        (time,) = like(m, t)
        return positive_part(m * time, 1.0 + 1.0 / m) / (m + 1.0)

    def travelling_wave_averages(
        self, t: ArrayLike, faces: Float[Array, " faces"]
    ) -> Float[Array, " cells"]:
        """Exact cell averages of `travelling_wave`, from its mass to the right of each face."""
        m, time = like(faces, self.exponent, t)
        beyond = positive_part(m * (time - faces), 1.0 + 1.0 / m) / (m + 1.0)
        return (beyond[:-1] - beyond[1:]) / (faces[1:] - faces[:-1])

    def barenblatt(
        self, t: ArrayLike, x: Float[Array, "..."], *, mass: ArrayLike = 1.0
    ) -> Float[Array, "..."]:
        """A point mass released at t = 0 and x = 0, in one dimension.

        `barenblatt_profile` solves v_τ = (v^M)_xx; here M = m + 1 and τ = t/(m + 1).
        """
        m, time = like(x, self.exponent, t)
        return barenblatt_profile(time / (m + 1.0), x, power=m + 1.0, mass=mass)


def barenblatt_constant(power: ArrayLike, mass: ArrayLike = 1.0) -> Float[Array, "..."]:
    """C for which the profile has this mass: (mass √κ / B(½, p + 1))^{1/(p + ½)}, p = 1/(M − 1)."""
    m = jnp.asarray(power).astype(float)
    p = 1.0 / (m - 1.0)
    kappa = (m - 1.0) / (2.0 * m * (m + 1.0))
    return (jnp.asarray(mass).astype(float) * jnp.sqrt(kappa) / jnp.exp(betaln(0.5, p + 1.0))) ** (
        1.0 / (p + 0.5)
    )


def barenblatt_profile(
    t: ArrayLike, x: Float[Array, "..."], *, power: ArrayLike, mass: ArrayLike = 1.0
) -> Float[Array, "..."]:
    """The solution v = t^{−β} (C − κ x² t^{−2β})₊^{1/(M−1)} of v_t = (v^M)_xx with a given mass.

    Here β = 1/(M + 1), κ = (M − 1)/(2M(M + 1)), and M is the `power`.
    """
    m, time, constant = like(x, power, t, barenblatt_constant(power, mass))
    beta = 1.0 / (m + 1.0)
    kappa = (m - 1.0) / (2.0 * m * (m + 1.0))
    inside = constant - kappa * x**2 * time ** (-2.0 * beta)
    return time**-beta * positive_part(inside, 1.0 / (m - 1.0))


def barenblatt_front(
    t: ArrayLike, *, power: ArrayLike, mass: ArrayLike = 1.0
) -> Float[Array, "..."]:
    """Position of the right front, t^β √(C/κ)."""
    m = jnp.asarray(power).astype(float)
    kappa = (m - 1.0) / (2.0 * m * (m + 1.0))
    return jnp.asarray(t).astype(float) ** (1.0 / (m + 1.0)) * jnp.sqrt(
        barenblatt_constant(m, mass) / kappa
    )
