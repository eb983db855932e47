"""The Euler equations of an ideal gas: mass, momentum and energy.

ρ_t + ∇·(ρv) = 0, (ρv)_t + ∇·(ρv⊗v + pI) = 0, E_t + ∇·((E + p)v) = 0, E = p/(γ − 1) + ½ρ|v|².

Reference: E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009), chapter 3.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .gas import AbstractGas
from .law import check_parameter, like, parameter


class Euler(AbstractGas):
    """Inviscid compressible flow; u = (ρ, ρv, E) and w = (ρ, v, p), with d velocity components.

    Args:
        gamma: ratio of specific heats γ > 1, a scalar.

    Raises:
        ValueError: for a ratio that is not above one and finite.
    """

    gamma: Float[Array, "..."] = eqx.field(converter=parameter, default=1.4)

    def __check_init__(self):
        check_parameter("Euler: gamma", self.gamma, above=1.0)

    def isentropic_vortex(
        self,
        t: ArrayLike,
        x: Float[Array, "*points"],
        y: Float[Array, "*points"],
        *,
        strength: ArrayLike = 5.0,
        velocity: tuple[float, float] = (1.0, 1.0),
        period: float | None = None,
    ) -> Float[Array, "4 *points"]:
        """(ρ, v, p) of a vortex that drifts with the flow, from the origin at t = 0.

        Temperature θ = p/ρ = 1 − (γ − 1)β² e^{1−r²}/(8γπ²), entropy p/ρ^γ = 1.

        Args:
            t: time.
            x: first coordinates.
            y: second coordinates.
            strength: β.
            velocity: of the drift.
            period: of the domain along both axes, or None for the plane. The vortex is cut off half
                a period from its centre; with 20 that is beyond round-off.

        Reference: C.-W. Shu, NASA/CR-97-206253 (1997), section 5.1.
        """
        time, beta, gamma, mean_x, mean_y = like(x, t, strength, self.gamma, *velocity)
        dx, dy = x - mean_x * time, y - mean_y * time
        if period is not None:
            dx, dy = (d - period * jnp.round(d / period) for d in (dx, dy))
        bell = jnp.exp(0.5 * (1.0 - dx**2 - dy**2))
        swirl = beta / (2.0 * jnp.pi) * bell
        theta = 1.0 - 0.5 * (gamma - 1.0) / gamma * swirl**2
        density = theta ** (1.0 / (gamma - 1.0))
        return jnp.stack([density, mean_x - swirl * dy, mean_y + swirl * dx, density * theta])
