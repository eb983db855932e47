"""Linear acoustics: pressure and velocity of small disturbances of a medium at rest.

p_t + K ∇·v = 0, v_t + ∇p/ρ = 0, K = ρc². Waves travel at the sound speed c; the impedance Z = ρc is
the ratio of pressure to velocity in each.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), sections 2.7 and 3.9.
"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..guarded import quotient, root
from .law import State, check_parameter, like, parameter
from .system import AbstractSystem, Scalar, flip, unit


class Acoustics(AbstractSystem):
    """Sound in a uniform medium; u = w = (p, v), with d velocity components.

    Args:
        sound_speed: c > 0, a scalar.
        density: ρ > 0, a scalar.

    Raises:
        ValueError: for a parameter that is not positive and finite.
    """

    sound_speed: Float[Array, "..."] = eqx.field(converter=parameter)
    density: Float[Array, "..."] = eqx.field(converter=parameter, default=1.0)
    channels: ClassVar[int] = 2

    def __check_init__(self):
        check_parameter("Acoustics: sound_speed", self.sound_speed, above=0.0)
        check_parameter("Acoustics: density", self.density, above=0.0)

    def channel_count(self, ndim: int) -> int:
        """D + 1."""
        return ndim + 1

    @property
    def impedance(self) -> Float[Array, "..."]:
        """Z = ρc."""
        return self.density * self.sound_speed

    def primitive_flux(self, w: State, axis: int = 0) -> State:
        """(K v_a, (p/ρ) e_a) along axis a."""
        return self._flux(w[0], w[1 + axis], w, axis)

    def primitive_wave_speed(self, w: State, axis: int = 0) -> Float[Array, ""]:
        """c, whatever the state."""
        del axis
        return self.sound_speed.astype(w.dtype)

    def reflect(self, w: State, axis: int = 0) -> State:
        """The normal velocity changes sign."""
        return flip(w, 1 + axis)

    def wave_speeds(self, left: State, right: State, axis: int = 0) -> tuple[Scalar, Scalar]:
        """−c and c."""
        del right, axis
        speed = jnp.broadcast_to(self.sound_speed.astype(left.dtype), left.shape[1:])
        return -speed, speed

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """Of the state between the waves, p = ½(p_L + p_R) − ½Z(v_R − v_L) and v alike."""
        impedance = self.impedance.astype(left.dtype)
        rise, jump = right[0] - left[0], right[1 + axis] - left[1 + axis]
        pressure = 0.5 * (left[0] + right[0] - impedance * jump)
        velocity = 0.5 * (left[1 + axis] + right[1 + axis] - rise / impedance)
        return self._flux(pressure, velocity, left, axis)

    def roe_waves(
        self, left: State, right: State, axis: int = 0
    ) -> tuple[list[Scalar], list[State]]:
        """The two waves, and the shear that does not move; exact, the equations being linear."""
        lower, upper = self.wave_speeds(left, right, axis)
        impedance, jump = self.impedance.astype(left.dtype), right - left
        waves = []
        for sign in (-1.0, 1.0):
            pressure = 0.5 * (jump[0] + sign * impedance * jump[1 + axis])
            velocity = sign * pressure / impedance
            waves.append(unit(pressure, left, 0) + unit(velocity, left, 1 + axis))
        return [lower, upper, jnp.zeros_like(upper)], [*waves, jump - waves[0] - waves[1]]

    def _flux(self, pressure: Scalar, velocity: Scalar, w: State, axis: int) -> State:
        density, speed = self.density.astype(w.dtype), self.sound_speed.astype(w.dtype)
        push = unit(pressure / density, w, 1 + axis)
        return unit(density * speed**2 * velocity, w, 0) + push

    def dalembert(
        self,
        pressure: Callable[[Array], Array],
        velocity: Callable[[Array], Array],
        t: ArrayLike,
        x: Float[Array, "..."],
    ) -> Float[Array, "2 ..."]:
        """(p, v) in one dimension: either half of the initial state travels its own way."""
        time, speed, impedance = like(x, t, self.sound_speed, self.impedance)
        back, ahead = x - speed * time, x + speed * time
        rightward = 0.5 * (pressure(back) + impedance * velocity(back))
        leftward = 0.5 * (pressure(ahead) - impedance * velocity(ahead))
        return jnp.stack([rightward + leftward, (rightward - leftward) / impedance])

    def standing_wave(
        self, t: ArrayLike, *x: Float[Array, "..."], wavenumbers: ArrayLike
    ) -> Float[Array, "channels ..."]:
        """P = cos(κ₁x₁) ⋯ cos(κ_d x_d) cos(c|κ|t) and its velocity, which vanishes at t = 0.

        Args:
            t: time.
            x: coordinates, one array an axis.
            wavenumbers: κ, one number an axis; multiples of π/L fit walls a length L apart.
        """
        time, speed, density, kappa = like(
            x[0], t, self.sound_speed, self.density, jnp.atleast_1d(jnp.asarray(wavenumbers))
        )
        omega = speed * root(jnp.sum(kappa**2))
        cosines = [jnp.cos(k * y) for k, y in zip(kappa, x, strict=True)]
        swing = quotient(jnp.sin(omega * time), density * omega)
        velocity = []
        for axis, (k, y) in enumerate(zip(kappa, x, strict=True)):
            others = [c for a, c in enumerate(cosines) if a != axis]
            velocity.append(_product([k * jnp.sin(k * y), *others]) * swing)
        return jnp.stack([_product(cosines) * jnp.cos(omega * time), *velocity])


def _product(factors: list[Array]) -> Array:
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product
