"""Taylor–Green vortices: an exact solution in a periodic square of side 2π.

    u = cos x sin y e^{−2νt},  v = −sin x cos y e^{−2νt},  p = −¼ (cos 2x + cos 2y) e^{−4νt}

Convection is a gradient here and the pressure undoes it, so the vortices only decay, and their
kinetic energy falls like e^{−4νt}.

Reference: G. I. Taylor, A. E. Green, Proc. R. Soc. A 158 (1937) 499, doi:10.1098/rspa.1937.0036.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..laws.law import like

Points = tuple[Float[Array, "..."], Float[Array, "..."]]


def taylor_green(t: ArrayLike, x: Points, viscosity: ArrayLike) -> Points:
    """The velocity (u, v) at time t and positions x = (x, y)."""
    time, nu = _checked(x, t, viscosity)
    decay = jnp.exp(-2.0 * nu * time)
    u = decay * jnp.cos(x[0]) * jnp.sin(x[1])
    return u, -decay * jnp.sin(x[0]) * jnp.cos(x[1])


def taylor_green_pressure(t: ArrayLike, x: Points, viscosity: ArrayLike) -> Float[Array, "..."]:
    """The pressure over density, of zero mean."""
    time, nu = _checked(x, t, viscosity)
    return -0.25 * jnp.exp(-4.0 * nu * time) * (jnp.cos(2.0 * x[0]) + jnp.cos(2.0 * x[1]))


def _checked(x: Points, t: ArrayLike, viscosity: ArrayLike) -> tuple[Array, Array]:
    time, nu = like(x[0], t, viscosity)
    nu = eqx.error_if(
        nu,
        ~((nu >= 0) & jnp.isfinite(nu)),
        "taylor_green expected a finite viscosity that is not negative, got another; the vortices decay.",
    )
    return time, nu
