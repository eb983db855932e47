"""An ideal gas: its states, waves and inviscid fluxes of mass, momentum and energy.

u = (ρ, ρv, E), w = (ρ, v, p), E = p/(γ − 1) + ½ρ|v|². `Euler` and `NavierStokes` build on it.

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapters 3,
10 and 11; P. Batten et al., SIAM J. Sci. Comput. 18 (1997) 1553, doi:10.1137/S1064827593260140.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..guarded import quotient, root
from .law import State
from .system import AbstractSystem, Scalar, add, channels, flip, keep_positive

# The share of a cell that each face state stands for in the proof of positivity, see `limit_jump`.
_SHARE = 0.4
# Face densities and pressures keep at least this share of the cell's.
_KEPT = 0.01


class AbstractGas(AbstractSystem):
    """What the laws of an ideal gas have in common; d velocity components in d dimensions."""

    gamma: eqx.AbstractVar[Float[Array, "..."]]
    """Ratio of specific heats."""

    channels: ClassVar[int] = 3

    def channel_count(self, ndim: int) -> int:
        """D + 2."""
        return ndim + 2

    def to_primitive(self, u: State) -> State:
        """(ρ, v, p), p = (γ − 1)(E − ½ρ|v|²)."""
        density, *momentum, energy = channels(u)
        velocity = [quotient(m, density) for m in momentum]
        kinetic = 0.5 * add(m * v for m, v in zip(momentum, velocity, strict=True))
        return jnp.stack([density, *velocity, (self._gamma(u) - 1.0) * (energy - kinetic)])

    def to_conserved(self, w: State) -> State:
        """(ρ, ρv, E)."""
        density, *velocity, _ = parts = channels(w)
        return jnp.stack([density, *(density * v for v in velocity), self._energy(parts)])

    def primitive_flux(self, w: State, axis: int = 0) -> State:
        """(ρ v_a, ρ v_a v + p e_a, (E + p) v_a) along axis a."""
        density, *velocity, pressure = parts = channels(w)
        flow = density * velocity[axis]
        momentum = [flow * v + pressure if i == axis else flow * v for i, v in enumerate(velocity)]
        return jnp.stack([flow, *momentum, (self._energy(parts) + pressure) * velocity[axis]])

    def primitive_wave_speed(self, w: State, axis: int = 0) -> Scalar:
        """|v_a| + c."""
        parts = channels(w)
        return jnp.abs(parts[1 + axis]) + self.sound_speed(parts)

    def sound_speed(self, w: State | list[Scalar]) -> Scalar:
        """C = √(γp/ρ); a negative pressure, which `solve` reports, counts as none."""
        parts = channels(w)
        return root(self._gamma(parts[0]) * quotient(parts[-1], parts[0]))

    def reflect(self, w: State, axis: int = 0) -> State:
        """The normal velocity changes sign."""
        return flip(w, 1 + axis)

    def wave_speeds(self, left: State, right: State, axis: int = 0) -> tuple[Scalar, Scalar]:
        """Einfeldt's bounds min(u_L − c_L, û − ĉ) and max(u_R + c_R, û + ĉ), with Roe averages."""
        first, second = channels(left), channels(right)
        velocity, enthalpy = self._roe_average(first, second)
        normal = velocity[axis]
        sound = self._sound_of_enthalpy(velocity, enthalpy)
        lower = jnp.minimum(first[1 + axis] - self.sound_speed(first), normal - sound)
        upper = jnp.maximum(second[1 + axis] + self.sound_speed(second), normal + sound)
        return lower, upper

    def contact_speed(
        self, left: State, right: State, lower: Scalar, upper: Scalar, axis: int = 0
    ) -> Scalar:
        """Speed of the contact between bounding waves, Toro eq. (10.37)."""
        first, second = channels(left), channels(right)
        inflow = first[0] * (lower - first[1 + axis])
        outflow = second[0] * (upper - second[1 + axis])
        push = inflow * first[1 + axis] - outflow * second[1 + axis]
        force = second[-1] - first[-1] + push
        return quotient(force, inflow - outflow)

    def star_state(self, w: State, speed: Scalar, contact: Scalar, axis: int = 0) -> State:
        """Conserved state between the wave of this speed, beyond which w is, and the contact."""
        mass, *velocity, pressure = parts = channels(w)
        normal = velocity[axis]
        gap = speed - contact
        squeeze = quotient(speed - normal, gap)
        density = mass * squeeze
        velocity[axis] = contact
        work = (contact - normal) * (density * contact + quotient(pressure, gap))
        energy = self._energy(parts) * squeeze + work
        return jnp.stack([density, *(density * v for v in velocity), energy])

    def roe_waves(
        self, left: State, right: State, axis: int = 0
    ) -> tuple[list[Scalar], list[State]]:
        """Speeds and jumps of the waves of Roe's linearisation: acoustic, contact and shear."""
        first, second = channels(left), channels(right)
        velocity, enthalpy = self._roe_average(first, second)
        sound = self._sound_of_enthalpy(velocity, enthalpy)
        normal, jump = velocity[axis], [b - a for a, b in zip(first, second, strict=True)]
        density = root(first[0]) * root(second[0])
        squeeze = density * quotient(jump[1 + axis], sound)
        push = quotient(jump[-1], sound**2)
        acoustic = [0.5 * (push - squeeze), 0.5 * (push + squeeze)]
        entropy = jump[0] - push
        half_square = 0.5 * add(v * v for v in velocity)
        one = jnp.ones_like(sound)
        waves = []
        for sign, strength in zip((-1.0, 1.0), acoustic, strict=True):
            moved = [v + sign * sound if i == axis else v for i, v in enumerate(velocity)]
            waves.append(strength * jnp.stack([one, *moved, enthalpy + sign * sound * normal]))
        shear = [
            jnp.zeros_like(sound) if i == axis else density * jump[1 + i]
            for i in range(len(velocity))
        ]
        sheared = add(v * s for v, s in zip(velocity, shear, strict=True))
        contact = [entropy * v + s for v, s in zip(velocity, shear, strict=True)]
        waves.append(jnp.stack([entropy, *contact, entropy * half_square + sheared]))
        return [normal - sound, normal + sound, normal], waves

    def to_characteristic(self, w: State, mean: State, axis: int = 0) -> State:
        """The waves along an axis that w consists of, linearised about a mean state.

        Sound ½(p/c² ∓ ρ̄ v_a/c) in the places of v_a and p, entropy ρ − p/c² in that of ρ, and shear.
        """
        sound, (density, *velocity, pressure) = self.sound_speed(mean), channels(w)
        press = 0.5 * quotient(pressure, sound**2)
        push = 0.5 * channels(mean)[0] * quotient(velocity[axis], sound)
        velocity[axis] = press - push
        return jnp.stack([density - 2.0 * press, *velocity, press + push])

    def from_characteristic(self, amplitudes: State, mean: State, axis: int = 0) -> State:
        """The inverse of `to_characteristic`."""
        sound, (entropy, *others, ahead) = self.sound_speed(mean), channels(amplitudes)
        back, press = others[axis], others[axis] + ahead
        others[axis] = quotient((ahead - back) * sound, channels(mean)[0])
        return jnp.stack([entropy + press, *others, press * sound**2])

    def limit_jump(self, w: State, jump: State) -> State:
        """Shortens the jump until the cell average is a mean of admissible states.

        The average of u over a cell is α u(w − j) + (1 − 2α) u* + α u(w + j). With α = 2/5 the
        pressure of u* is positive where ½κ(1 + κ) ρ|j_v|² < p/(γ − 1), κ = 2α/(1 − 2α): velocities
        may jump by a share of the sound speed. A scheme that is positive with piecewise constant
        states then is with these, and smooth flow on a fine grid is not touched.

        Reference: C. Berthon, Numer. Math. 99 (2005) 679, doi:10.1007/s00211-004-0577-y.
        """
        kappa = 2.0 * _SHARE / (1.0 - 2.0 * _SHARE)
        heat = 0.5 * kappa * (1.0 + kappa) * (self._gamma(w) - 1.0)
        parts, (rise, *turns, squeeze) = channels(w), channels(jump)
        needed = heat * parts[0] * add(j * j for j in turns)
        held = jnp.maximum(parts[-1], 0.0)
        slow = quotient(held, jnp.maximum(held, needed))  # at most √(p/needed)
        density = keep_positive(parts[0], rise, _KEPT)
        pressure = keep_positive(parts[-1], squeeze, _KEPT)
        return jnp.stack([density, *(slow * j for j in turns), pressure])

    def admissible(self, u: State) -> Bool[Array, "*space"]:
        """Where density and pressure are positive."""
        density, *_, pressure = channels(self.to_primitive(u))
        return (density > 0) & (pressure > 0)

    def _gamma(self, u: Array) -> Float[Array, ""]:
        return self.gamma.astype(u.dtype)

    def _energy(self, w: list[Scalar]) -> Scalar:
        kinetic = 0.5 * w[0] * add(v * v for v in w[1:-1])
        return w[-1] / (self._gamma(w[0]) - 1.0) + kinetic

    def _roe_average(self, left: list[Scalar], right: list[Scalar]) -> tuple[list[Scalar], Scalar]:
        """Velocity and specific enthalpy, weighted with the roots of the densities."""
        root_left, root_right = root(left[0]), root(right[0])
        share = quotient(root_left, root_left + root_right)
        mix = lambda a, b: b + share * (a - b)
        enthalpies = (quotient(self._energy(w) + w[-1], w[0]) for w in (left, right))
        velocity = [mix(a, b) for a, b in zip(left[1:-1], right[1:-1], strict=True)]
        return velocity, mix(*enthalpies)

    def _sound_of_enthalpy(self, velocity: list[Scalar], enthalpy: Scalar) -> Scalar:
        return root((self._gamma(enthalpy) - 1.0) * (enthalpy - 0.5 * add(v * v for v in velocity)))
