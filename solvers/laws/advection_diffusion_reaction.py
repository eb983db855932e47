"""Advection, diffusion and reaction of one or more species, u_t + a·∇u = D Δu + r(u).

Reference: M. J. Ablowitz, A. Zeppetella, Bull. Math. Biol. 41 (1979) 835, doi:10.1007/BF02462380
(an exact travelling wave); J. D. Murray, Mathematical Biology I (2002), chapters 11 and 13.
"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .law import AbstractLaw, State, check_parameter, like, parameter


class Fisher(eqx.Module):
    """Logistic growth, r(u) = r u (1 − u).

    Args:
        rate: r.
    """

    rate: Float[Array, "..."] = eqx.field(converter=parameter, default=1.0)

    def __call__(self, u: State) -> State:
        """The growth r u (1 − u)."""
        return self.rate.astype(u.dtype) * u * (1.0 - u)


class AdvectionDiffusionReaction(AbstractLaw):
    """u_t + a·∇u = D Δu + r(u), for one or more species that a flow carries and that react.

    The reaction is a source and explicit like the rest: where it is faster than the flow, steps follow
    its Jacobian; where that makes them too short, use `Implicit`.

    Args:
        velocity: a, a scalar (the same along every axis) or one entry an axis.
        diffusivity: D, a scalar or one entry a species.
        reaction: r, a function of the state ``(species, *space)`` to its rate of change, or None. A
            module is recognised by the compilation cache, and its leaves are differentiated.
        species: number of species.

    Raises:
        ValueError: for a velocity that is not finite, a negative diffusivity, a diffusivity for
            another number of species, or no species.
    """

    velocity: Float[Array, "..."]
    diffusivities: Float[Array, "..."]
    reaction: Callable[[State], State] | None
    species: int = eqx.field(static=True)
    channels: ClassVar[int] = 1

    def __init__(
        self,
        *,
        velocity: ArrayLike = 0.0,
        diffusivity: ArrayLike = 0.0,
        reaction: Callable[[State], State] | None = None,
        species: int = 1,
    ):
        self.velocity = parameter(velocity)
        self.diffusivities = parameter(diffusivity)
        self.reaction = reaction
        self.species = species

    def __check_init__(self):
        name = "AdvectionDiffusionReaction"
        if not isinstance(self.species, int | np.integer) or self.species < 1:
            raise ValueError(
                f"{name} expected a whole number of species >= 1, got {self.species!r}; name at "
                "least one."
            )
        check_parameter(f"{name}: velocity", self.velocity)
        check_parameter(f"{name}: diffusivity", self.diffusivities, above=0.0, closed=True)

    def channel_count(self, ndim: int) -> int:
        """The number of species."""
        del ndim
        return self.species

    def check_shape(self, shape: tuple[int, ...]) -> None:  # noqa: D102
        for name, leaf, entries, each in (
            ("velocity", self.velocity, len(shape), "axis"),
            ("diffusivity", self.diffusivities, self.species, "species"),
        ):
            if leaf.shape not in ((), (entries,)):
                raise ValueError(
                    f"AdvectionDiffusionReaction expected {name} to be a scalar or of shape "
                    f"({entries},), one entry a {each}, got {leaf.shape}; use jax.vmap over the law "
                    "for many parameters."
                )

    @property
    def has_convection(self) -> bool:  # noqa: D102
        return True

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return True

    def flux(self, u: State, axis: int = 0) -> State:
        """f(u) = a u."""
        return self._along(axis, u) * u

    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """|a|."""
        return jnp.abs(self._along(axis, u))

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """The upwind flux."""
        a = self._along(axis, left)
        return a * jnp.where(a > 0, left, right)

    def potential(self, u: State) -> State:
        """Φ(u) = D u."""
        return self.diffusivity(u) * u

    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """D."""
        value = self.diffusivities.astype(u.dtype)
        return value if value.ndim == 0 else value.reshape((-1,) + (1,) * (u.ndim - 1))

    def source(self, t: ArrayLike, x: tuple[Array, ...], u: State) -> State | None:
        """r(u)."""
        del t, x
        return None if self.reaction is None else self.reaction(u)

    def fisher_wave(self, t: ArrayLike, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The front (1 + e^z)⁻², z = √(r/6D)(x − (a + 5√(rD/6)) t), of one species with `Fisher`.

        Raises:
            TypeError: for another reaction.
        """
        if not isinstance(self.reaction, Fisher):
            raise TypeError(
                "fisher_wave expected the reaction Fisher(rate), got "
                f"{type(self.reaction).__name__}; no other has this solution."
            )
        parts = (t, self.velocity, self.diffusivities, self.reaction.rate)
        time, velocity, diffusivity, rate = like(x, *parts)
        speed = velocity + 5.0 * jnp.sqrt(rate * diffusivity / 6.0)
        z = jnp.sqrt(rate / (6.0 * diffusivity)) * (x - speed * time)
        return (1.0 + jnp.exp(z)) ** -2

    def _along(self, axis: int, like: State) -> Float[Array, ""]:
        speed = self.velocity if self.velocity.ndim == 0 else self.velocity[axis]
        return speed.astype(like.dtype)
