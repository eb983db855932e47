"""The Riemann problem of the Euler equations: two waves and a contact between them.

Pressure and velocity are equal on both sides of the contact, f_L(p*) + f_R(p*) + u_R − u_L = 0.

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapter 4.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .roots import in_precision_of, positive_root

Number = Float[Array, ""]
Triple = tuple[Number, Number, Number]


class ShockTube(eqx.Module):
    """The solution of a Riemann problem of `Euler` in one dimension; see `riemann`.

    Attributes:
        gamma: ratio of specific heats.
        left: (ρ, u, p) on the left.
        right: (ρ, u, p) on the right.
        star_pressure: p* between the waves.
        star_velocity: u*, the speed of the contact.
        star_density_left: density left of the contact.
        star_density_right: density right of it.
    """

    gamma: Number
    left: Triple
    right: Triple
    star_pressure: Number
    star_velocity: Number
    star_density_left: Number
    star_density_right: Number

    def __init__(self, gamma: Number, left: Triple, right: Triple):
        spread = right[1] - left[1]
        room = 2.0 * (_sound(gamma, left) + _sound(gamma, right)) / (gamma - 1.0)
        positive = jnp.array(True)
        for density, _, pressure in (left, right):
            positive = positive & (density > 0) & (pressure > 0)
        gamma = eqx.error_if(
            gamma,
            ~(positive & (spread < room)),
            "riemann expected positive densities and pressures that do not part into a vacuum, got "
            "others; keep u_R − u_L below 2(c_L + c_R)/(γ − 1).",
        )
        self.gamma, self.left, self.right = gamma, left, right
        args = (gamma, left, right)
        self.star_pressure = positive_root(_residual, _two_rarefactions(*args), args)
        pushes = [_push(gamma, side, self.star_pressure) for side in (left, right)]
        self.star_velocity = 0.5 * (left[1] + right[1] + pushes[1] - pushes[0])
        self.star_density_left = _star_density(gamma, left, self.star_pressure)
        self.star_density_right = _star_density(gamma, right, self.star_pressure)

    @eqx.filter_jit
    def sample(self, xi: Float[Array, "..."]) -> Float[Array, "3 ..."]:
        """(ρ, u, p) at xi = (x − x₀)/t, in the precision of xi."""
        self = in_precision_of(xi, self)
        from_left = self._side(xi, self.left, self.star_density_left, 1.0)
        from_right = self._side(xi, self.right, self.star_density_right, -1.0)
        return jnp.where(xi < self.star_velocity, from_left, from_right)

    def _side(
        self, xi: Float[Array, "..."], state: Triple, star_density: Number, sign: float
    ) -> Float[Array, "3 ..."]:
        """The state left of the contact; with sign −1 right of it, by reflection."""
        (density, u, pressure), gamma = state, self.gamma
        velocity, star_velocity, speed = sign * u, sign * self.star_velocity, sign * xi
        sound = _sound(gamma, state)
        star_sound = jnp.sqrt(gamma * self.star_pressure / star_density)
        # Toro eqs. (4.52) and (4.56).
        ratio = self.star_pressure / pressure
        mach = jnp.sqrt(0.5 * ((gamma + 1.0) * ratio + gamma - 1.0) / gamma)
        shocked = self.star_pressure > pressure
        head = jnp.where(shocked, velocity - sound * mach, velocity - sound)
        tail = jnp.where(shocked, head, star_velocity - star_sound)
        inside = jnp.clip(speed, velocity - sound, jnp.maximum(tail, velocity - sound))
        fan_sound = (2.0 * sound + (gamma - 1.0) * (velocity - inside)) / (gamma + 1.0)
        fan_density = density * (fan_sound / sound) ** (2.0 / (gamma - 1.0))
        fan_pressure = pressure * (fan_sound / sound) ** (2.0 * gamma / (gamma - 1.0))
        regions = (
            (density, fan_density, star_density),
            (velocity, inside + fan_sound, star_velocity),
            (pressure, fan_pressure, self.star_pressure),
        )
        rho, v, p = (
            jnp.where(speed < head, ahead, jnp.where(speed < tail, fan, star))
            for ahead, fan, star in regions
        )
        return jnp.stack([rho, sign * v, p])


def _sound(gamma: Number, state: Triple) -> Number:
    return jnp.sqrt(gamma * state[2] / state[0])


def _push(gamma: Number, state: Triple, pressure: Number) -> Number:
    """f_K(p), the velocity lost across the wave of one side, Toro eq. (4.6)."""
    density, _, outer = state
    ratio = pressure / outer
    shocked = ratio > 1.0
    a, b = 2.0 / ((gamma + 1.0) * density), (gamma - 1.0) / (gamma + 1.0) * outer
    shock = (pressure - outer) * jnp.sqrt(a / (pressure + b))
    power = 0.5 * (gamma - 1.0) / gamma
    rarefaction = 2.0 * _sound(gamma, state) / (gamma - 1.0) * (ratio**power - 1.0)
    return jnp.where(shocked, shock, rarefaction)


def _residual(pressure: Number, args: tuple[Number, Triple, Triple]) -> Number:
    gamma, left, right = args
    push = _push(gamma, left, pressure) + _push(gamma, right, pressure)
    return push + right[1] - left[1]


def _two_rarefactions(gamma: Number, left: Triple, right: Triple) -> Number:
    """The answer if both waves were rarefactions, Toro eq. (4.46)."""
    power = 0.5 * (gamma - 1.0) / gamma
    sounds = _sound(gamma, left), _sound(gamma, right)
    above = sounds[0] + sounds[1] - 0.5 * (gamma - 1.0) * (right[1] - left[1])
    below = sounds[0] / left[2] ** power + sounds[1] / right[2] ** power
    return (above / below) ** (1.0 / power)


def _star_density(gamma: Number, state: Triple, pressure: Number) -> Number:
    """Behind a shock, Toro eq. (4.50), or a rarefaction, eq. (4.53)."""
    ratio, q = pressure / state[2], (gamma - 1.0) / (gamma + 1.0)
    shock = state[0] * (ratio + q) / (q * ratio + 1.0)
    return jnp.where(ratio > 1.0, shock, state[0] * ratio ** (1.0 / gamma))
