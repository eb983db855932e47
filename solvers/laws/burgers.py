"""Burgers' equation, u_t + (u²/2)_x = ν u_xx, inviscid or viscous, and four exact solutions.

Reference: G. B. Whitham, Linear and Nonlinear Waves (1974), chapters 2 and 4.
"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._annotations import answered
from .law import AbstractLaw, State, check_parameter, like, parameter


def _viscosity(value: ArrayLike | None) -> Float[Array, "..."] | None:
    if value is None or (isinstance(value, int | float) and value == 0):
        return None
    return parameter(value)


class Burgers(AbstractLaw):
    """u_t + (u²/2)_x = ν u_xx, with the same flux along every axis in more dimensions.

    Args:
        viscosity: ν. The number 0 removes the diffusive part from the program altogether; an array
            keeps it, whatever its value, so that one can map over or differentiate in ν.

    Raises:
        ValueError: for a negative or non-finite viscosity.
    """

    viscosity: Float[Array, "..."] | None = eqx.field(converter=_viscosity, default=None)
    channels: ClassVar[int] = 1

    def __check_init__(self):
        if self.viscosity is not None:
            check_parameter("Burgers: viscosity", self.viscosity, above=0.0, closed=True)

    @property
    def has_convection(self) -> bool:  # noqa: D102
        return True

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return self.viscosity is not None

    def flux(self, u: State, axis: int = 0) -> State:
        """f(u) = u²/2."""
        del axis
        return 0.5 * u * u

    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """|u|."""
        del axis
        return jnp.abs(u)

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """max(f(max(u_L, 0)), f(min(u_R, 0))): f is convex with its minimum at 0."""
        del axis
        return jnp.maximum(self.flux(jnp.maximum(left, 0.0)), self.flux(jnp.minimum(right, 0.0)))

    def potential(self, u: State) -> State:
        """Φ(u) = ν u."""
        return self.diffusivity(u) * u

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """ν."""
        if self.viscosity is None:
            return jnp.zeros((), u.dtype)
        return self.viscosity.astype(u.dtype)

    def travelling_wave(
        self,
        t: ArrayLike,
        x: Float[Array, "..."],
        *,
        left: ArrayLike,
        right: ArrayLike,
        center: ArrayLike = 0.0,
    ) -> Float[Array, "..."]:
        """The viscous shock s − ½(u_L − u_R) tanh((u_L − u_R)(x − x₀ − s t)/4ν), s = ½(u_L + u_R).

        Raises:
            ValueError: for the inviscid equation, whose shock is a jump.
        """
        if self.viscosity is None:
            raise ValueError(
                "Burgers.travelling_wave expected a viscosity, got none; use Burgers(viscosity=ν)."
            )
        time, above, below, start, nu = like(x, t, left, right, center, self.viscosity)
        speed, jump = 0.5 * (above + below), above - below
        return speed - 0.5 * jump * jnp.tanh(jump * (x - start - speed * time) / (4.0 * nu))


def ramp_to_shock(t: ArrayLike, x: Float[Array, "..."], height: ArrayLike) -> Float[Array, "..."]:
    """A ramp on [−1, 1] that steepens into a shock at t = 1/a.

    u₀ = a for x ≤ −1, −a x on (−1, 0], 0 beyond; a = height > 0. For t ≤ 1/a the ramp spans
    (a t − 1, 0]; after that a shock of height a runs at speed a/2 from x = 0.
    """
    a, time = like(x, height, t)
    foot = a * time - 1.0
    # The slope a/(at − 1) blows up as the shock forms: outside the ramp the division is guarded.
    ramp = a * x / jnp.where(foot < 0, foot, -1.0)
    before = jnp.where(x <= foot, a, jnp.where(x <= 0, ramp, 0.0))
    after = jnp.where(x <= 0.5 * foot, a, 0.0)
    return jnp.where(foot < 0, before, after)


def ramp_mass(t: ArrayLike, height: ArrayLike) -> Float[Array, "..."]:
    """∫₋₁¹ of `ramp_to_shock`: min((a/2)(1 + a t), 2a), saturated once the shock has left."""
    a = jnp.asarray(height, dtype=float)
    return jnp.minimum(0.5 * a * (1.0 + a * t), 2.0 * a)


def by_characteristics(
    initial: Callable[[Array], Array], t: ArrayLike, x: Float[Array, "..."], *, iterations: int = 50
) -> Float[Array, "..."]:
    """Smooth inviscid solution before any shock: u₀(ξ) with ξ + t u₀(ξ) = x, by Newton's method.

    Valid for t < −1/min u₀'. The last Newton step is the one that is differentiated, which gives
    the derivative of the implicit function; the others only supply its starting point.

    Args:
        initial: scalar function u₀.
        t: time.
        x: positions.
        iterations: Newton steps.
    """
    (time,) = like(x, t)

    def newton(xi: Array, point: Array) -> Array:
        value, slope = jax.jvp(initial, (xi,), (jnp.ones_like(xi),))
        return xi - (xi + time * value - point) / (1.0 + time * slope)

    def solve(point: Array) -> Array:
        start = jax.lax.stop_gradient(point)
        first = answered("by_characteristics", "initial", initial(start))
        xi = jax.lax.fori_loop(0, iterations, lambda _, xi: newton(xi, start), start - time * first)
        return initial(newton(jax.lax.stop_gradient(xi), point))

    return jnp.vectorize(solve)(x)
