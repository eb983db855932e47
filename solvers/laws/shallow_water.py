"""The shallow-water equations over a bed z(x): depth h and depth-averaged velocity v.

h_t + ∇·(hv) = 0, (hv)_t + ∇·(hv⊗v + ½gh² I) = −g h ∇z. Dry ground, h = 0, is a state like any other.

Reference: E. F. Toro, Shock-Capturing Methods for Free-Surface Shallow Flows (2001), chapters 3, 6,
10; E. Audusse et al., SIAM J. Sci. Comput. 25 (2004) 2050, doi:10.1137/S1064827503431090.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from ..guarded import quotient, root
from .law import State, check_parameter, parameter
from .system import AbstractSystem, Scalar, flip, keep_positive


def _bed(value: ArrayLike | None) -> Float[Array, "..."] | None:
    return None if value is None else parameter(value)


class ShallowWater(AbstractSystem):
    """Shallow water; u = (h, hv) and w = (h, v), with d velocity components.

    With a bed, `FiniteVolume` uses hydrostatic reconstruction: a lake at rest stays at rest.

    Args:
        gravity: g > 0, a scalar.
        bathymetry: cell averages of the bed's elevation z, of the shape of the grid, or None for a
            flat bed.
        dry_depth: below this depth the velocity (hv)/h fades to zero.

    Raises:
        ValueError: for a gravity that is not positive, or values that are not finite.
    """

    gravity: Float[Array, "..."] = eqx.field(converter=parameter, default=9.81)
    bathymetry: Float[Array, "..."] | None = eqx.field(converter=_bed, default=None)
    dry_depth: float = eqx.field(static=True, default=1e-6)
    channels: ClassVar[int] = 2

    def __check_init__(self):
        check_parameter("ShallowWater: gravity", self.gravity, above=0.0)
        check_parameter("ShallowWater: dry_depth", jnp.asarray(self.dry_depth), above=0.0)
        if self.bathymetry is not None:
            check_parameter("ShallowWater: bathymetry", self.bathymetry)

    def channel_count(self, ndim: int) -> int:
        """D + 1."""
        return ndim + 1

    def check_shape(self, shape: tuple[int, ...]) -> None:  # noqa: D102
        if self.gravity.ndim:
            raise ValueError(
                f"ShallowWater expected gravity to be a scalar, got shape {self.gravity.shape}; use "
                "jax.vmap over the law for many parameters."
            )
        if self.bathymetry is not None and self.bathymetry.shape != shape:
            raise ValueError(
                f"ShallowWater expected bathymetry of the shape {shape} of the grid, got "
                f"{self.bathymetry.shape}; use solvers.cell_averages, and jax.vmap over the law for "
                "many beds."
            )

    def to_primitive(self, u: State) -> State:
        """(h, v); v = hv · 2h/(h² + max(h, ε)²) fades out where there is hardly any water."""
        depth = u[0]
        scale = quotient(2.0 * depth, depth**2 + jnp.maximum(depth, self.dry_depth) ** 2)
        return jnp.stack([depth, *(m * scale for m in u[1:])])

    def to_conserved(self, w: State) -> State:
        """(h, hv)."""
        return jnp.stack([w[0], *(w[0] * v for v in w[1:])])

    def primitive_flux(self, w: State, axis: int = 0) -> State:
        """(h v_a, h v_a v + ½gh² e_a) along axis a."""
        flow = w[0] * w[1 + axis]
        push = self.hydrostatic_force(w[0])
        momentum = [flow * v + push if i == axis else flow * v for i, v in enumerate(w[1:])]
        return jnp.stack([flow, *momentum])

    def hydrostatic_force(self, depth: Scalar) -> Scalar:
        """½gh²."""
        return 0.5 * self.gravity.astype(depth.dtype) * depth**2

    def primitive_wave_speed(self, w: State, axis: int = 0) -> Scalar:
        """|v_a| + √(gh)."""
        return jnp.abs(w[1 + axis]) + self.wave_celerity(w[0])

    def wave_celerity(self, depth: Scalar) -> Scalar:
        """√(gh)."""
        return root(self.gravity.astype(depth.dtype) * depth)

    def reflect(self, w: State, axis: int = 0) -> State:
        """The normal velocity changes sign."""
        return flip(w, 1 + axis)

    def wave_speeds(self, left: State, right: State, axis: int = 0) -> tuple[Scalar, Scalar]:
        """Einfeldt's bounds; beside dry ground the front of a dam break, v ± 2√(gh)."""
        v_left, v_right = left[1 + axis], right[1 + axis]
        c_left, c_right = self.wave_celerity(left[0]), self.wave_celerity(right[0])
        velocity, celerity = self._roe_average(left, right, axis)
        lower = jnp.minimum(v_left - c_left, velocity - celerity)
        upper = jnp.maximum(v_right + c_right, velocity + celerity)
        lower = jnp.where(left[0] <= 0, v_right - 2.0 * c_right, lower)
        upper = jnp.where(right[0] <= 0, v_left + 2.0 * c_left, upper)
        return lower, upper

    def contact_speed(
        self, left: State, right: State, lower: Scalar, upper: Scalar, axis: int = 0
    ) -> Scalar:
        """Speed at which the water between the waves moves, from mass and momentum in them."""
        inflow = left[0] * (lower - left[1 + axis])
        outflow = right[0] * (upper - right[1 + axis])
        force = self.hydrostatic_force(right[0]) - self.hydrostatic_force(left[0])
        force = force + inflow * left[1 + axis] - outflow * right[1 + axis]
        return quotient(force, inflow - outflow)

    def star_state(self, w: State, speed: Scalar, contact: Scalar, axis: int = 0) -> State:
        """Conserved state between the wave of this speed, beyond which w is, and the contact."""
        depth = w[0] * quotient(speed - w[1 + axis], speed - contact)
        velocity = [contact if i == axis else v for i, v in enumerate(w[1:])]
        return jnp.stack([depth, *(depth * v for v in velocity)])

    def roe_waves(
        self, left: State, right: State, axis: int = 0
    ) -> tuple[list[Scalar], list[State]]:
        """Speeds and jumps of the waves of Roe's linearisation: two gravity waves and shear."""
        velocity, celerity = self._roe_average(left, right, axis)
        u_left, u_right = self.to_conserved(left), self.to_conserved(right)
        jump = u_right - u_left
        share = self._share(left, right)
        mean = [b + share * (a - b) for a, b in zip(left[1:], right[1:], strict=True)]
        one, waves = jnp.ones_like(celerity), []
        for sign in (-1.0, 1.0):
            push = sign * (jump[1 + axis] - velocity * jump[0])
            strength = 0.5 * (jump[0] + quotient(push, celerity))
            moved = [v + sign * celerity if i == axis else v for i, v in enumerate(mean)]
            waves.append(strength * jnp.stack([one, *moved]))
        speeds = [velocity - celerity, velocity + celerity, velocity]
        return speeds, [*waves, jump - waves[0] - waves[1]]

    def limit_jump(self, w: State, jump: State) -> State:
        """Keeps the depth at the faces from falling below zero."""
        return jnp.concatenate([keep_positive(w[:1], jump[:1], 0.0), jump[1:]])

    def admissible(self, u: State) -> Bool[Array, "*space"]:
        """Where the depth is not negative by more than `dry_depth`."""
        return u[0] >= -self.dry_depth

    def lake_at_rest(self, level: ArrayLike, shape: tuple[int, ...]) -> State:
        """Still water whose surface is at one level; ground above it is dry.

        Args:
            level: elevation of the surface.
            shape: of the grid.
        """
        bed = jnp.zeros(shape) if self.bathymetry is None else self.bathymetry
        depth = jnp.maximum(jnp.asarray(level).astype(bed.dtype) - bed, 0.0)
        return jnp.stack([depth] + [jnp.zeros_like(depth)] * len(shape))

    def _share(self, left: State, right: State) -> Scalar:
        """√h_L/(√h_L + √h_R); zero where both are dry."""
        roots = [root(w[0]) for w in (left, right)]
        return quotient(roots[0], roots[0] + roots[1])

    def _roe_average(self, left: State, right: State, axis: int) -> tuple[Scalar, Scalar]:
        """Velocity weighted with the roots of the depths, and the celerity of the mean depth."""
        share = self._share(left, right)
        velocity = right[1 + axis] + share * (left[1 + axis] - right[1 + axis])
        return velocity, self.wave_celerity(0.5 * (left[0] + right[0]))
