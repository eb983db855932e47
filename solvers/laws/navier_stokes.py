"""The compressible Navier–Stokes equations of an ideal gas.

ρ_t + ∇·(ρv) = 0, (ρv)_t + ∇·(ρv⊗v + pI) = ∇·τ, E_t + ∇·((E + p)v) = ∇·(τv + k∇T), with
τ = μ(∇v + ∇vᵀ − ⅔ ∇·v I), T = p/ρ (temperature in units of the gas constant) and
k = μγ/((γ − 1) Pr).

Reference: R. Becker, Z. Physik 8 (1922) 321, doi:10.1007/BF01329605; M. Morduchow, P. A. Libby,
J. Aeronaut. Sci. 16 (1949) 674, doi:10.2514/8.11882 (the shock profile at Pr = ¾).
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..guarded import quotient
from .gas import AbstractGas
from .law import State, check_parameter, like, parameter
from .system import Scalar, add


class NavierStokes(AbstractGas):
    """Viscous, heat-conducting compressible flow; u = (ρ, ρv, E) and w = (ρ, v, p).

    A `Wall` does not move, is insulated, and the fluid sticks to it. A wall that moves or has a given
    temperature is a `Dirichlet` state.

    Args:
        viscosity: dynamic viscosity μ, a scalar.
        prandtl: Prandtl number Pr = μ c_p/k.
        gamma: ratio of specific heats γ > 1.

    Raises:
        ValueError: for a negative viscosity, a Prandtl number that is not positive, or a γ that is
            not above one.
    """

    viscosity: Float[Array, "..."] = eqx.field(converter=parameter)
    prandtl: Float[Array, "..."] = eqx.field(converter=parameter, default=0.72, kw_only=True)
    gamma: Float[Array, "..."] = eqx.field(converter=parameter, default=1.4, kw_only=True)

    def __check_init__(self):
        check_parameter("NavierStokes: viscosity", self.viscosity, above=0.0, closed=True)
        check_parameter("NavierStokes: prandtl", self.prandtl, above=0.0)
        check_parameter("NavierStokes: gamma", self.gamma, above=1.0)

    @property
    def has_diffusion(self) -> bool:  # noqa: D102
        return True

    def diffusivity(self, u: State) -> Scalar:
        """max(4/3, γ/Pr) μ/ρ, the faster of the compressive stress and of the conduction of heat."""
        gamma, prandtl, viscosity = self._parameters(u)
        return jnp.maximum(4.0 / 3.0, gamma / prandtl) * quotient(viscosity, u[0])

    def reflect(self, w: State, axis: int = 0) -> State:
        """All velocities change sign: the fluid sticks to a wall."""
        del axis
        return jnp.concatenate([w[:1], -w[1:-1], w[-1:]])

    def gradient_flux(self, w: State, gradients: Sequence[State], axis: int = 0) -> State:
        """Viscous flux (0, −τ_a, −τ_a·v − k ∂_a T) along axis a.

        Args:
            w: primitive state at the faces.
            gradients: ∂w/∂x_b there, one an axis b.
            axis: a.
        """
        gamma, prandtl, viscosity = self._parameters(w)
        velocity = w[1:-1]
        divergence = add(slope[1 + b] for b, slope in enumerate(gradients))
        stress = []
        for i in range(len(velocity)):
            shear = gradients[axis][1 + i]
            if i < len(gradients):
                shear = shear + gradients[i][1 + axis]
            stress.append(viscosity * (shear - (2.0 / 3.0) * divergence if i == axis else shear))
        density, pressure = gradients[axis][0], gradients[axis][-1]
        warming = quotient(pressure - quotient(w[-1], w[0]) * density, w[0])
        conductivity = viscosity * gamma / ((gamma - 1.0) * prandtl)
        work = add(v * s for v, s in zip(velocity, stress, strict=True))
        return jnp.stack(
            [jnp.zeros_like(work), *(-s for s in stress), -(work + conductivity * warming)]
        )

    def becker_shock(
        self, x: Float[Array, "*points"], mach: ArrayLike = 2.0
    ) -> Float[Array, "3 *points"]:
        """(ρ, v, p) of the steady shock at x = 0 in a stream of ρ = 1, c = 1 from the left.

        Exact for Pr = ¾, where the total enthalpy is constant: v falls from M to v₁ = M (2/M² + γ − 1)
        /(γ + 1) along μ v v' = κ (v − M)(v − v₁), κ = 3M(γ + 1)/(8γ), whose x(v) is solved for v by
        bisection. x = 0 where v is the mean of the two.
        """
        gamma, viscosity, number = like(x, self.gamma, self.viscosity, mach)
        fast = number
        slow = fast * (2.0 / number**2 + gamma - 1.0) / (gamma + 1.0)
        rate = 3.0 * number * (gamma + 1.0) / (8.0 * gamma) / viscosity

        def place(share: Float[Array, "..."]) -> Float[Array, "..."]:
            """Where v = slow + (fast − slow)/(1 + e^share), up to a constant."""
            lost, left = jax.nn.log_sigmoid(share), jax.nn.log_sigmoid(-share)
            return (fast * lost - slow * left) / ((fast - slow) * rate)

        # v' < 0 and x grows with `share`, by at least slow/(fast − slow)/rate a unit.
        middle = place(jnp.zeros_like(x))
        bound = (jnp.abs(x) + 1.0 / rate) * rate * (fast - slow) / slow + 2.0
        lower, upper = -bound, bound
        for _ in range(80):
            share = 0.5 * (lower + upper)
            before = place(share) - middle < x
            lower, upper = jnp.where(before, share, lower), jnp.where(before, upper, share)
        # A step of Newton's method carries the derivatives, which bisection loses.
        share = jax.lax.stop_gradient(0.5 * (lower + upper))
        climb = fast * jax.nn.sigmoid(-share) + slow * jax.nn.sigmoid(share)
        share = share + (x - (place(share) - middle)) * (fast - slow) * rate / climb
        velocity = slow + (fast - slow) * jax.nn.sigmoid(-share)
        density = fast / velocity
        sound_squared = 1.0 + 0.5 * (gamma - 1.0) * (number**2 - velocity**2)
        return jnp.stack([density, velocity, density * sound_squared / gamma])

    def _parameters(self, like: State) -> tuple[Array, Array, Array]:
        parts = (self.gamma, self.prandtl, self.viscosity)
        gamma, prandtl, viscosity = (part.astype(like.dtype) for part in parts)
        return gamma, prandtl, viscosity
