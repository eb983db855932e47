"""Numerical fluxes: one flux from the two states at a face, consistent, F(u, u) = f(u).

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapters
6 and 10.
"""

import abc

import equinox as eqx
import jax.numpy as jnp

from ..laws.law import AbstractLaw, State


class AbstractRiemann(eqx.Module):
    """A rule for the flux between two states."""

    @abc.abstractmethod
    def __call__(self, law: AbstractLaw, left: State, right: State, axis: int = 0) -> State:
        """Flux along an axis through a face with these states on its two sides."""


class Rusanov(AbstractRiemann):
    """F = ½(f_L + f_R) − ½ s (u_R − u_L), s the larger of the two wave speeds."""

    def __call__(self, law: AbstractLaw, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        speed = jnp.maximum(law.max_wave_speed(left, axis), law.max_wave_speed(right, axis))
        mean = 0.5 * (law.flux(left, axis) + law.flux(right, axis))
        return mean - 0.5 * speed * (right - left)


class Godunov(AbstractRiemann):
    """The flux of the exact Riemann solution, which the law supplies."""

    def __call__(self, law: AbstractLaw, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        return law.godunov_flux(left, right, axis)
