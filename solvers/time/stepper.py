"""Explicit strong-stability-preserving Runge–Kutta steps (Shu–Osher methods of order 1, 2, 3).

Whatever bound a forward Euler step keeps under Δt ≤ Δt_FE (total variation, maximum principle,
positivity), these keep under Δt ≤ c Δt_FE, here with c = 1. With piecewise-linear reconstruction
Δt_FE is half a CFL number; between that and one, orders 2 and 3 are stable but may overshoot. They
are written as u plus a combination of slopes, the convex form rearranged: only increments are added
to u, so mass does not drift with the rounding of 1/3 and 2/3.

Reference: S. Gottlieb, C.-W. Shu, E. Tadmor, SIAM Rev. 43 (2001) 89,
doi:10.1137/S003614450036757X, eqs. (4.1) and (4.2).
"""

import abc
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ..finite_volume import FiniteVolume
from ..laws.law import State

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Time = Float[Array, ""]


class AbstractStepper(eqx.Module):
    """A way to advance a semi-discrete system."""

    @abc.abstractmethod
    def cfl_limit(self, field: FiniteVolume) -> float:
        """Largest CFL number at which a step is stable."""


class AbstractExplicit(AbstractStepper):
    """A one-step method that only evaluates the vector field."""

    stages: AbstractClassVar[int]
    """Evaluations a step."""

    @abc.abstractmethod
    def step(self, field: FiniteVolume, t: Time, u: State, dt: Time) -> State:
        """The state at t + dt from the state at t."""


class SSPRK1(AbstractExplicit):
    """Forward Euler."""

    stages: ClassVar[int] = 1

    def cfl_limit(self, field: FiniteVolume) -> float:
        """That of the reconstruction: beyond it, limited slopes feed on themselves."""
        return field.monotone_cfl

    def step(self, field: FiniteVolume, t: Time, u: State, dt: Time) -> State:  # noqa: D102
        return u + dt.astype(u.dtype) * field(t, u)


class SSPRK2(AbstractExplicit):
    """Heun's method, eq. (4.1)."""

    stages: ClassVar[int] = 2

    def cfl_limit(self, field: FiniteVolume) -> float:
        """One; no new extrema up to `FiniteVolume.monotone_cfl`."""
        del field
        return 1.0

    def step(self, field: FiniteVolume, t: Time, u: State, dt: Time) -> State:  # noqa: D102
        h = dt.astype(u.dtype)
        k1 = field(t, u)
        k2 = field(t + dt, u + h * k1)
        return u + h * (0.5 * (k1 + k2))


class SSPRK3(AbstractExplicit):
    """The third-order method of Shu and Osher, eq. (4.2)."""

    stages: ClassVar[int] = 3

    def cfl_limit(self, field: FiniteVolume) -> float:
        """One; no new extrema up to `FiniteVolume.monotone_cfl`."""
        del field
        return 1.0

    def step(self, field: FiniteVolume, t: Time, u: State, dt: Time) -> State:  # noqa: D102
        h = dt.astype(u.dtype)
        k1 = field(t, u)
        k2 = field(t + dt, u + h * k1)
        k3 = field(t + 0.5 * dt, u + h * (0.25 * (k1 + k2)))
        return u + h * ((k1 + k2 + 4.0 * k3) / 6.0)
