"""What every law offers: u_t + ∇·f(u) = ΔΦ(u) + s(t, x, u).

A law is data (its parameters are leaves) and pure functions of a state ``(channels, *space)``. What
happens at faces is a function of the primitive variables w, which are reconstructed there; for a
scalar they are u itself. The diffusive part is written as the Laplacian of a potential Φ
(Kirchhoff's transform, or the enthalpy of a Stefan problem) and not as ∇·(k ∇u): differences of Φ
are conservative and move a front that an averaged k would lock wherever k vanishes on one side.

Reference: V. R. Voller, C. R. Swaminathan, Numer. Heat Transfer B 19 (1991) 175,
doi:10.1080/10407799108944962.
"""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

State = Float[Array, "channels *space"]


class AbstractLaw(eqx.Module):
    """A conservation law in any number of space dimensions; see the module docstring."""

    channels: AbstractClassVar[int]
    """Number of conserved quantities (of a system, in one dimension)."""

    @property
    @abc.abstractmethod
    def has_convection(self) -> bool:
        """Whether f is not identically zero; known when the program is compiled."""

    @property
    @abc.abstractmethod
    def has_diffusion(self) -> bool:
        """Whether Φ is not identically zero; known when the program is compiled."""

    @abc.abstractmethod
    def flux(self, u: State, axis: int = 0) -> State:
        """Convective flux f(u) along a space axis."""

    @abc.abstractmethod
    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """Largest |eigenvalue| of f'(u) along a space axis, broadcastable against u."""

    @abc.abstractmethod
    def potential(self, u: State) -> State:
        """Diffusive potential Φ(u)."""

    @abc.abstractmethod
    def diffusivity(self, u: State) -> Float[Array, "..."]:
        """Φ'(u), broadcastable against u."""

    def channel_count(self, ndim: int) -> int:
        """Number of conserved quantities in `ndim` space dimensions."""
        del ndim
        return self.channels

    def to_primitive(self, u: State) -> State:
        """w(u), the variables that are reconstructed at faces."""
        return u

    def to_conserved(self, w: State) -> State:
        """u(w)."""
        return w

    def primitive_flux(self, w: State, axis: int = 0) -> State:
        """f(u(w))."""
        return self.flux(w, axis)

    def primitive_wave_speed(self, w: State, axis: int = 0) -> Float[Array, "..."]:
        """`max_wave_speed` as a function of w."""
        return self.max_wave_speed(w, axis)

    def limit_jump(self, w: State, jump: State) -> State:
        """The jump from a cell's w to its face, shortened where the face state has no meaning."""
        del w
        return jump

    def admissible(self, u: State) -> Bool[Array, "*space"] | None:
        """Where a state has a meaning (positive density, ...), or None if all states have one."""
        del u
        return None

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse parameters whose shapes do not fit a grid of this shape; most are scalars.

        Raises:
            ValueError: naming the shapes.
        """
        del shape
        for name, leaf in vars(self).items():
            if isinstance(leaf, jax.Array) and leaf.ndim:
                raise ValueError(
                    f"{type(self).__name__} expected {name} to be a scalar, got shape "
                    f"{leaf.shape}; use jax.vmap over the law for many parameters: none can vary in "
                    "space."
                )

    def source(self, t: ArrayLike, x: tuple[Array, ...], u: State) -> State | None:
        """Source per unit volume at cell centres x (one array an axis), or None."""
        del t, x, u
        return None


class AbstractDiffusionLaw(AbstractLaw):
    """The generalised porous medium equation u_t = ∇·(k(u) ∇u) = ΔΦ(u), Φ' = k, without convection.

    Subclasses say what `potential` and `diffusivity` are.
    """

    @property
    def has_convection(self) -> bool:  # noqa: D102
        return False

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return True

    def flux(self, u: State, axis: int = 0) -> State:
        """Zero: nothing is convected."""
        del axis
        return jnp.zeros_like(u)

    def max_wave_speed(self, u: State, axis: int = 0) -> Float[Array, "..."]:
        """Zero: nothing is convected."""
        del axis
        return jnp.zeros_like(u)

    def godunov_flux(self, left: State, right: State, axis: int = 0) -> State:
        """Zero: nothing is convected."""
        del right, axis
        return jnp.zeros_like(left)


def parameter(value: ArrayLike) -> Float[Array, "..."]:
    """A law's parameter as a floating-point leaf.

    Raises:
        ValueError: for complex numbers.
    """
    array = jnp.asarray(value)
    if jnp.iscomplexobj(array):
        raise ValueError(
            f"A parameter, time or position was expected to be real, got {array.dtype}; take its real part."
        )
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def check_parameter(name: str, value: Array, *, above: float = -jnp.inf, closed: bool = False):
    """Refuse a parameter that is not finite or not above a bound, where its values are known.

    Shapes are not looked at: a law with batched leaves is what ``jax.vmap`` takes. `solve` watches
    the values of traced parameters on the way.

    Raises:
        ValueError: naming the parameter.
    """
    if isinstance(value, Tracer):
        return
    known = np.atleast_1d(np.asarray(value))  # in NumPy: within jit, what is known stays known
    good = np.isfinite(known) & (known >= above if closed else known > above)
    if not np.all(good):
        bound = "" if above == -jnp.inf else f" {'>=' if closed else '>'} {above:g}"
        first = known[~good][0]
        raise ValueError(
            f"{name} was expected to be finite{bound}, got {first:g}; correct the parameter, the "
            "equation has no solution with this one."
        )


def like(x: ArrayLike, *values: ArrayLike) -> tuple[Array, ...]:
    """The values as arrays of x's precision, for exact solutions evaluated at positions x."""
    dtype = parameter(x).dtype
    return tuple(parameter(value).astype(dtype) for value in values)


def positive_part(x: Float[Array, "..."], exponent: Float[Array, "..."]) -> Float[Array, "..."]:
    """max(x, 0)^exponent, whose derivatives are zero rather than NaN where x ≤ 0."""
    safe = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, safe**exponent, 0.0)


def diffusive_flux(
    law: AbstractLaw, u: State, gradient: Float[Array, "..."]
) -> Float[Array, "..."]:
    """−Φ'(u) ∂u/∂x for a known gradient at a face."""
    _, slope = jax.jvp(law.potential, (u,), (jnp.broadcast_to(gradient, u.shape),))
    return -slope
