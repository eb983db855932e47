"""Kolmogorov flow: a periodic square of side 2π, driven by a force that varies like a sine.

    u_t + ∇·(u u) = −∇p + ν Δu + (A sin k y, 0)

Its laminar solution, u = A/(ν k²) sin k y, is unstable to long waves where the Reynolds number
A/(ν² k³) exceeds √2, and gives way to two-dimensional turbulence.

Reference: L. D. Meshalkin, Ya. G. Sinai, J. Appl. Math. Mech. 25 (1961) 1700,
doi:10.1016/0021-8928(62)90149-1.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from ..grid import Grid
from ..laws.law import parameter
from .navier_stokes import NavierStokes
from .staggered import Velocity


class KolmogorovForce(eqx.Module):
    """The force (A sin k y, 0).

    Args:
        amplitude: A, a leaf.
        wavenumber: k, whole waves on a side of 2π.
    """

    amplitude: Float[Array, "..."] = eqx.field(converter=parameter, default=1.0)
    wavenumber: int = eqx.field(static=True, default=4)

    def __call__(self, t: ArrayLike, x: tuple[Array, Array]) -> tuple[Array, Array]:
        """The two components at positions x."""
        del t
        force = self.amplitude.astype(x[1].dtype) * jnp.sin(self.wavenumber * x[1])
        return force, jnp.zeros_like(force)


def kolmogorov(
    *, viscosity: ArrayLike, cells: int = 64, amplitude: ArrayLike = 1.0, wavenumber: int = 4
) -> NavierStokes:
    """Kolmogorov flow on [0, 2π]² with the same number of cells on both axes.

    Raises:
        ValueError: for a viscosity that is negative, too few cells, or a wave they cannot hold.
    """
    if not isinstance(cells, int | np.integer) or cells < 4 or not 0 < wavenumber <= cells // 2:
        raise ValueError(
            "kolmogorov expected a whole number of cells >= 4 and 1 <= wavenumber <= cells/2, got "
            f"cells={cells} and wavenumber={wavenumber}; refine the grid or force a longer wave."
        )
    side = 2.0 * np.pi
    return NavierStokes(
        grid=Grid.uniform((0.0, 0.0), (side, side), (cells, cells)),
        viscosity=viscosity,
        force=KolmogorovForce(amplitude, wavenumber),
    )


def random_velocity(flow: NavierStokes, *, key: PRNGKeyArray, waves: float = 4.0) -> Velocity:
    """A smooth random velocity without divergence, of root-mean-square speed one.

    White noise whose Fourier modes are damped like exp(−|k|²/2 waves²), k in waves a side.

    Args:
        flow: a flow that is periodic on all axes.
        key: random key.
        waves: width of the spectrum, positive.
    """
    if not all(flow.grid.periodic):
        raise ValueError(
            "random_velocity expected a flow that is periodic on all axes, got walls; draw in a "
            "periodic one."
        )
    if not 0 < waves < math.inf:
        raise ValueError(
            f"random_velocity expected a positive, finite number of waves, got {waves}; 4 are usual."
        )
    shape, dtype = flow.grid.cells.shape, flow.viscosity.dtype
    squares = sum(np.square(k) for k in np.ix_(*(np.fft.fftfreq(n, 1.0 / n) for n in shape)))
    axes = tuple(range(flow.grid.ndim))
    damping = np.exp(-0.5 * squares / waves**2)[..., : shape[-1] // 2 + 1]
    noise = jax.random.normal(key, (flow.grid.ndim, *shape), dtype)
    spectrum = jnp.fft.rfftn(noise, axes=tuple(a + 1 for a in axes))
    smooth = jnp.fft.irfftn(
        spectrum * jnp.asarray(damping, spectrum.dtype), s=shape, axes=tuple(a + 1 for a in axes)
    )
    u = flow.project(tuple(smooth))
    volume = float(np.prod([faces[-1] - faces[0] for faces in flow.grid.cells.faces]))
    scale = jnp.sqrt(2.0 * flow.grid.energy(u) / volume)
    return tuple(component / scale for component in u)
