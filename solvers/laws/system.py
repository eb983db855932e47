"""Hyperbolic systems, u_t + ∇·f(u) = s, written once in their primitive variables w.

Faces see w: densities, depths and pressures that are reconstructed stay positive, and no digits are
lost in subtracting a kinetic from a total energy. The number of channels tells the dimension.

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapter 3.
"""

import abc
import functools
import operator
from collections.abc import Iterable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .law import AbstractLaw, State

Scalar = Float[Array, "*space"]


class AbstractSystem(AbstractLaw):
    """A system of conservation laws with walls and wave-speed bounds.

    Subclasses say what `primitive_flux`, `primitive_wave_speed`, `reflect` and `wave_speeds` are,
    and `to_primitive` and `to_conserved` where w is not u.
    """

    @abc.abstractmethod
    def primitive_flux(self, w: State, axis: int = 0) -> State:
        """f(u(w))."""

    @abc.abstractmethod
    def primitive_wave_speed(self, w: State, axis: int = 0) -> Float[Array, "..."]:
        """Largest |eigenvalue|, as a function of w."""

    @abc.abstractmethod
    def reflect(self, w: State, axis: int = 0) -> State:
        """The mirror image of w in a wall that is normal to an axis."""

    @abc.abstractmethod
    def wave_speeds(self, left: State, right: State, axis: int = 0) -> tuple[Scalar, Scalar]:
        """Bounds S_L ≤ S_R of the waves between two states in primitive variables."""

    @property
    def has_convection(self) -> bool:  # noqa: D102
        return True

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return False

    def flux(self, u: State, axis: int = 0) -> State:
        """f(u)."""
        return self.primitive_flux(self.to_primitive(u), axis)

    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """Largest |eigenvalue| of f'(u)."""
        return self.primitive_wave_speed(self.to_primitive(u), axis)

    def potential(self, u: State) -> State:
        """Zero: nothing diffuses."""
        return jnp.zeros_like(u)

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """Zero: nothing diffuses."""
        return jnp.zeros_like(u)


def channels(w: State | list[Scalar]) -> list[Scalar]:
    """The channels of a state, each ``(*space,)``.

    By a split, whose transpose is a concatenation: each `w[c]` would become, in reverse mode, a state
    of zeros with one channel filled, and dozens of these would be added.
    """
    if isinstance(w, list):
        return w
    return [lax.squeeze(part, (0,)) for part in lax.split(w, [1] * w.shape[0], axis=0)]


def flip(w: State, channel: int) -> State:
    """W with the sign of one channel changed, as a wall does with the normal velocity."""
    return jnp.concatenate([w[:channel], -w[channel : channel + 1], w[channel + 1 :]])


def unit(value: Scalar, like: State, channel: int) -> State:
    """A state that is `value` in one channel and zero in the others."""
    zero = jnp.zeros_like(value)
    return jnp.stack([value if c == channel else zero for c in range(like.shape[0])])


def keep_positive(value: Scalar, jump: Scalar, share: float) -> Scalar:
    """The jump, shortened so that value + jump keeps this share of a positive value."""
    return jnp.maximum(jump, (share - 1.0) * value)


def add(values: Iterable[Scalar]) -> Scalar:
    """The sum of some arrays."""
    return functools.reduce(operator.add, values)
