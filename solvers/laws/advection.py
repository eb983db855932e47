"""Linear advection, u_t + a u_x = 0: a profile travels unchanged, u(t, x) = u₀(x − a t).

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), section 2.1.
"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._annotations import answered
from .law import AbstractLaw, State, check_parameter, like, parameter


class Advection(AbstractLaw):
    """u_t + a·∇u = 0.

    Args:
        speed: a, a scalar (the same along every axis) or one entry an axis.

    Raises:
        ValueError: for a speed that is not finite.
    """

    speed: Float[Array, "..."] = eqx.field(converter=parameter)
    channels: ClassVar[int] = 1

    def __check_init__(self):
        check_parameter("Advection: speed", self.speed)

    def check_shape(self, shape: tuple[int, ...]) -> None:  # noqa: D102
        ndim = len(shape)
        if self.speed.shape not in ((), (ndim,)):
            raise ValueError(
                f"Advection expected speed to be a scalar or of shape ({ndim},), one entry an axis, "
                f"got {self.speed.shape}; use jax.vmap over the law for many speeds."
            )

    @property
    def has_convection(self) -> bool:  # noqa: D102
        return True

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return False

    def _speed_along(self, axis: int, dtype) -> Float[Array, ""]:
        speed = self.speed if self.speed.ndim == 0 else self.speed[axis]
        return speed.astype(dtype)

    def flux(self, u: State, axis: int = 0) -> State:
        """f(u) = a u."""
        return self._speed_along(axis, u.dtype) * u

    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """|a|."""
        return jnp.abs(self._speed_along(axis, u.dtype))

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """The upwind flux."""
        a = self._speed_along(axis, left.dtype)
        return a * jnp.where(a > 0, left, right)

    def potential(self, u: State) -> State:
        """Zero: nothing diffuses."""
        return jnp.zeros_like(u)

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """Zero: nothing diffuses."""
        return jnp.zeros_like(u)

    def translated(
        self, initial: Callable[[Array], Array], t: ArrayLike, x: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """The exact solution u₀(x − a t) in one dimension."""
        (time,) = like(x, t)
        moved = x - self._speed_along(0, x.dtype) * time
        return answered("LinearAdvection.translated", "initial", initial(moved))

    def step(
        self, t: ArrayLike, x: Float[Array, "..."], *, position: float = 0.5
    ) -> Float[Array, "..."]:
        """A front that enters from the left: 1[x − a t ≤ position]."""
        return self.translated(lambda y: jnp.where(y <= position, 1.0, 0.0), t, x)

    def step_mass(self, t: ArrayLike, *, position: float = 0.5) -> Float[Array, "..."]:
        """∫₀¹ of `step` for a > 0: position + min(a t, 1 − position)."""
        return position + jnp.minimum(self.speed * t, 1.0 - position)
