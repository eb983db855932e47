"""Numerical fluxes: one flux from the two states at a face, consistent, F(w, w) = f(w).

States are in the law's primitive variables, which are the conserved ones for scalar laws. A flux
asks the law for what it needs, and fits the laws that supply it.

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapters
6, 10 and 11; A. Harten, J. Comput. Phys. 49 (1983) 357, doi:10.1016/0021-9991(83)90136-5.
"""

import abc
import inspect
import math
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..guarded import quotient
from ..laws.law import AbstractLaw, State
from ..laws.system import Scalar

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


@runtime_checkable
class HasExactFlux(Protocol):
    """A law that knows the flux of its exact Riemann solution."""

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """Flux of the exact solution of the Riemann problem (left, right) at its origin."""
        ...


@runtime_checkable
class HasWaveSpeeds(Protocol):
    """A law that bounds the waves of a Riemann problem."""

    def wave_speeds(self, left: State, right: State, axis: int = 0) -> tuple[Scalar, Scalar]:
        """Bounds S_L ≤ S_R."""
        ...


@runtime_checkable
class HasContact(HasWaveSpeeds, Protocol):
    """A law whose waves enclose a contact."""

    def contact_speed(
        self, left: State, right: State, lower: Scalar, upper: Scalar, axis: int = 0
    ) -> Scalar:
        """Speed of the contact between the bounds."""
        ...

    def star_state(self, w: State, speed: Scalar, contact: Scalar, axis: int = 0) -> State:
        """Conserved state between the wave of this speed, beyond which w is, and the contact."""
        ...


@runtime_checkable
class HasRoeWaves(Protocol):
    """A law with a linearisation of Roe's."""

    def roe_waves(
        self, left: State, right: State, axis: int = 0
    ) -> tuple[list[Scalar], list[State]]:
        """Speeds of the waves, and the jumps of u across them, which add up to u_R − u_L."""
        ...


class AbstractRiemann(eqx.Module):
    """A rule for the flux between two states."""

    needs: AbstractClassVar[type]
    """What a law has to supply."""

    @abc.abstractmethod
    def __call__(self, law: Any, left: State, right: State, axis: int = 0) -> State:
        """Flux along an axis through a face with these primitive states on its two sides."""


class Rusanov(AbstractRiemann):
    """F = ½(f_L + f_R) − ½ s (u_R − u_L), s the larger of the two wave speeds."""

    needs: ClassVar[type] = AbstractLaw

    def __call__(self, law: AbstractLaw, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        speed = jnp.maximum(
            law.primitive_wave_speed(left, axis), law.primitive_wave_speed(right, axis)
        )
        mean = 0.5 * (law.primitive_flux(left, axis) + law.primitive_flux(right, axis))
        return mean - 0.5 * speed * (law.to_conserved(right) - law.to_conserved(left))


class Godunov(AbstractRiemann):
    """The flux of the exact Riemann solution, which scalar laws and acoustics supply."""

    needs: ClassVar[type] = HasExactFlux

    def __call__(self, law: Any, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        return law.godunov_flux(left, right, axis)


class HLL(AbstractRiemann):
    """One constant state between the bounding waves (Harten, Lax and van Leer); contacts smear."""

    needs: ClassVar[type] = HasWaveSpeeds

    def __call__(self, law: Any, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        lower, upper = law.wave_speeds(left, right, axis)
        below, above = jnp.minimum(lower, 0.0), jnp.maximum(upper, 0.0)
        # Two dry or resting states have no waves and no flux.
        share = quotient(above, above - below)
        jump = law.to_conserved(right) - law.to_conserved(left)
        flux_left, flux_right = law.primitive_flux(left, axis), law.primitive_flux(right, axis)
        return flux_right + share * (flux_left - flux_right + below * jump)


class HLLC(AbstractRiemann):
    """Two states beside a contact between the bounding waves: contacts and shear stay sharp."""

    needs: ClassVar[type] = HasContact

    def __call__(self, law: Any, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        lower, upper = law.wave_speeds(left, right, axis)
        contact = law.contact_speed(left, right, lower, upper, axis)
        # The state on the side of the face that the contact has left behind decides.
        ahead = contact >= 0
        w = jnp.where(ahead, left, right)
        speed = jnp.where(ahead, lower, upper)
        across = jnp.where(ahead, jnp.minimum(lower, 0.0), jnp.maximum(upper, 0.0))
        jump = law.star_state(w, speed, contact, axis) - law.to_conserved(w)
        return law.primitive_flux(w, axis) + across * jump


class Roe(AbstractRiemann):
    """F = ½(f_L + f_R) − ½ Σ|λ_k| (jump across wave k) of a linearised problem.

    Sharp, but not positive: near vacuum use `HLLC`.

    Args:
        entropy_fix: Harten's: speeds below this share δ of the largest are raised, as
            (λ² + δ²)/2δ, so that no rarefaction becomes a jump.

    Raises:
        ValueError: for a share outside [0, 1].
    """

    entropy_fix: float = eqx.field(static=True, default=0.1)
    needs: ClassVar[type] = HasRoeWaves

    def __check_init__(self):
        if not (math.isfinite(self.entropy_fix) and 0 <= self.entropy_fix <= 1):
            raise ValueError(
                f"Roe expected 0 <= entropy_fix <= 1, got {self.entropy_fix}; choose for example 0.1."
            )

    def __call__(self, law: Any, left: State, right: State, axis: int = 0) -> State:  # noqa: D102
        speeds, jumps = law.roe_waves(left, right, axis)
        sizes = [jnp.abs(speed) for speed in speeds]
        if self.entropy_fix:
            floor = self.entropy_fix * _largest(sizes)
            sizes = [_raised(size, floor) for size in sizes]
        upwind = sum(size * jump for size, jump in zip(sizes, jumps, strict=True))
        return 0.5 * (law.primitive_flux(left, axis) + law.primitive_flux(right, axis) - upwind)


def _largest(values: list[Float[Array, "..."]]) -> Float[Array, "..."]:
    largest = values[0]
    for value in values[1:]:
        largest = jnp.maximum(largest, value)
    return largest


def _raised(size: Float[Array, "..."], floor: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.where(size < floor, 0.5 * (size * quotient(size, floor) + floor), size)


def fitting(law: AbstractLaw) -> list[type[AbstractRiemann]]:
    """The fluxes that a law supplies what is needed for, the sharpest first."""
    return [kind for kind in (HLLC, Godunov, Roe, HLL, Rusanov) if isinstance(law, kind.needs)]


def lacking(law: AbstractLaw, needs: type) -> str:
    """The methods that a law would have to have, with their arguments."""
    methods = inspect.getmembers(needs, inspect.isfunction)
    return " and ".join(
        f"{name}({', '.join(list(inspect.signature(method).parameters)[1:])})"
        for name, method in methods
        if not name.startswith("_") and not hasattr(law, name)
    )
