r"""Two-dimensional incompressible flow in a periodic square, by its vorticity, pseudo-spectral.

    ω_t + u·∇ω = ν Δω + f,    u = (ψ_y, −ψ_x),    −Δψ = ω

Products are formed on the grid and cut by the 2/3 rule. The viscous term is integrated exactly (an
integrating factor), the rest by the classical Runge–Kutta method of order 4, so a step is limited by
advection alone: |u| Δt (2/3) π/Δx ≤ 2√2.

Reference: C. Canuto et al., Spectral Methods in Fluid Dynamics (1988), chapter 7,
doi:10.1007/978-3-642-84108-8; the flow data of Z. Li et al., arXiv:2010.08895, appendix A.3.3.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Complex, Float

from .laws.law import check_parameter, parameter
from .time.solution import Outcome, Solution, Status, first_failure
from .time.times import checked_times, in_order

# |λ| Δt on the imaginary axis up to which the classical Runge–Kutta method does not amplify.
_IMAGINARY = 2.0 * math.sqrt(2.0)

Field = Float[Array, "points points"]
Spectrum = Complex[Array, "points half"]


class VorticityFlow(eqx.Module):
    """Flow in the periodic square [0, L)², as a solver of the vorticity at its grid points.

    Args:
        viscosity: ν ≥ 0, in length² per time.
        points: grid points a side, even.
        length: L.
        forcing: f at the grid points, ``(points, points)``, in vorticity per time, or None.

    Raises:
        ValueError: for an odd or small number of points, a length that is not positive, a forcing of
            another shape, or a negative viscosity.
    """

    viscosity: Float[Array, ""]
    forcing: Field | None
    points: int = eqx.field(static=True)
    length: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        viscosity: ArrayLike,
        points: int,
        length: float = 2.0 * math.pi,
        forcing: ArrayLike | None = None,
    ):
        if points < 4 or points % 2:
            raise ValueError(
                f"VorticityFlow expected an even number of points >= 4, got {points}; add one."
            )
        if not (math.isfinite(length) and length > 0):
            raise ValueError(
                f"VorticityFlow expected a positive, finite length, got {length}; give the side of "
                "the square."
            )
        self.viscosity = parameter(viscosity)
        check_parameter("VorticityFlow: viscosity", self.viscosity, above=0.0, closed=True)
        self.points, self.length = points, float(length)
        self.forcing = None if forcing is None else parameter(forcing)
        if self.forcing is not None and self.forcing.shape != (points, points):
            raise ValueError(
                f"VorticityFlow expected a forcing of shape {(points, points)}, got "
                f"{self.forcing.shape}; evaluate it at the grid points."
            )

    @property
    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """X and y of the grid points, each of shape (points, points)."""
        x = np.arange(self.points) * self.length / self.points
        first, second = np.meshgrid(x, x, indexing="ij")
        return first, second

    def velocity(self, vorticity: Field) -> Float[Array, "2 points points"]:
        """The divergence-free velocity (u, v) with this vorticity and no mean flow."""
        return jnp.stack(self._velocity(jnp.fft.rfft2(vorticity)))

    def __call__(self, t: ArrayLike, vorticity: Field, args: object = None) -> Field:
        """The whole right-hand side, viscosity included, as diffrax wants it."""
        del t, args
        spectrum = jnp.fft.rfft2(vorticity)
        rate = self._nonviscous(spectrum) - _complex(self._decay(vorticity.dtype)) * spectrum
        return jnp.fft.irfft2(rate, s=vorticity.shape)

    def solve(
        self,
        vorticity: Float[Array, "..."],
        *,
        t1: ArrayLike,
        save_at: ArrayLike | Sequence[float] | None = None,
        steps: int,
        throw: bool = True,
    ) -> Solution:
        """March from t = 0 and return the vorticity at the save times, ``(time, 1, points, points)``.

        Args:
            vorticity: ω at t = 0; its mean, which no periodic flow has, is removed.
            t1: final time.
            save_at: strictly increasing times in [0, t1], up to rounding; by default t1 alone.
            steps: equal steps between two save times.
            throw: raise when a step was unstable or the result is not finite.

        Raises:
            ValueError: for a state of another shape, steps < 1, or times that are wrong.
            equinox.EquinoxRuntimeError: for failures found on the way, where `throw`.
        """
        if vorticity.shape != (self.points, self.points):
            raise ValueError(
                f"VorticityFlow expected a vorticity of shape {(self.points, self.points)}, got "
                f"{vorticity.shape}; use jax.vmap for batches."
            )
        if steps < 1:
            raise ValueError(
                f"VorticityFlow expected steps >= 1, got {steps}; take at least one step between "
                "save times."
            )
        _, stop, times = checked_times("VorticityFlow", 0.0, t1, save_at)
        states, status = _march(self, vorticity, stop, times, steps)
        if throw:
            states = status.outcome.error_if(states, ~status.ok)
        return Solution(times, states[:, None], status)

    def _wavenumbers(self, dtype) -> tuple[Array, Array]:
        unit = 2.0 * math.pi / self.length
        k = unit * np.fft.fftfreq(self.points, 1.0 / self.points)
        half = unit * np.arange(self.points // 2 + 1)
        return jnp.asarray(k[:, None], dtype), jnp.asarray(half[None, :], dtype)

    def _decay(self, dtype) -> Float[Array, "points half"]:
        kx, ky = self._wavenumbers(dtype)
        return self.viscosity.astype(dtype) * (kx**2 + ky**2)

    def _kept(self) -> np.ndarray:
        """The 2/3 rule: wavenumbers below a third of the number of points."""
        k = np.abs(np.fft.fftfreq(self.points, 1.0 / self.points))
        half = np.arange(self.points // 2 + 1)
        return (k[:, None] < self.points / 3) & (half[None, :] < self.points / 3)

    def _derivatives(self, spectrum: Spectrum, *factors: Array) -> list[Field]:
        """Fields whose spectra are i·factor times this one."""
        shape = (self.points, self.points)
        # The Nyquist mode has no derivative on the grid; the 2/3 rule leaves it out.
        kept = jnp.where(self._kept(), spectrum, 0)
        return [jnp.fft.irfft2(lax.complex(jnp.zeros_like(f), f) * kept, s=shape) for f in factors]

    def _velocity(self, spectrum: Spectrum) -> list[Field]:
        kx, ky = self._wavenumbers(spectrum.real.dtype)
        k2 = kx**2 + ky**2
        inverse = jnp.where(k2 > 0, 1.0 / jnp.where(k2 > 0, k2, 1.0), 0.0)
        return self._derivatives(spectrum, ky * inverse, -kx * inverse)

    def _nonviscous(self, spectrum: Spectrum) -> Spectrum:
        kx, ky = self._wavenumbers(spectrum.real.dtype)
        u, v = self._velocity(spectrum)
        slope_x, slope_y = self._derivatives(
            spectrum, jnp.broadcast_to(kx, spectrum.shape), jnp.broadcast_to(ky, spectrum.shape)
        )
        rate = jnp.where(self._kept(), -jnp.fft.rfft2(u * slope_x + v * slope_y), 0)
        if self.forcing is not None:
            rate = rate + jnp.fft.rfft2(self.forcing.astype(u.dtype))
        return rate.at[0, 0].set(0)


@eqx.filter_jit
def _march(
    flow: VorticityFlow,
    vorticity: Field,
    t1: Float[Array, ""],
    times: Float[Array, " time"],
    steps: int,
) -> tuple[Float[Array, "time points points"], Status]:
    """All save times, a checkpoint a step."""
    dtype = vorticity.dtype
    decay = flow._decay(dtype)
    stiffness = (2.0 / 3.0) * math.pi * flow.points / flow.length

    def interval(carry, t_end):
        spectrum, t_begin, worst, failed_at = carry
        dt = (t_end - t_begin).astype(dtype) / steps
        half, h = _complex(jnp.exp(-0.5 * dt * decay)), _complex(dt)

        @jax.checkpoint
        def advance(carry, i):
            w, worst, failed_at = carry
            u, v = flow._velocity(w)
            number = lax.stop_gradient(
                dt * stiffness * (jnp.abs(u) + jnp.abs(v)).max() / _IMAGINARY
            )
            bad = ~(number <= 1.0)
            t = t_begin + i.astype(t_begin.dtype) * dt.astype(t_begin.dtype)
            failed_at = jnp.where(bad, jnp.minimum(failed_at, t), failed_at)
            a = flow._nonviscous(w)
            b = flow._nonviscous(half * (w + 0.5 * h * a))
            c = flow._nonviscous(half * w + 0.5 * h * b)
            d = flow._nonviscous(half * (half * w + h * c))
            w = half * (half * (w + h / 6 * a) + h / 3 * (b + c)) + h / 6 * d
            return (w, jnp.fmax(worst, number), failed_at), None

        (spectrum, worst, failed_at), _ = lax.scan(
            advance, (spectrum, worst, failed_at), jnp.arange(steps)
        )
        saved = jnp.fft.irfft2(spectrum, s=vorticity.shape)
        return (spectrum, t_end, worst, failed_at), saved

    start = jnp.fft.rfft2(vorticity).at[0, 0].set(0)
    zero = jnp.zeros((), times.dtype)
    carry = (start, zero, jnp.zeros((), dtype), jnp.asarray(jnp.inf, times.dtype))
    (_, reached, worst, failed_at), states = lax.scan(interval, carry, times)
    outcome = first_failure(
        (~in_order(zero, t1, times), Outcome.bad_times),
        (~jnp.all(jnp.isfinite(vorticity)), Outcome.bad_initial),
        (worst > 1.0, Outcome.unstable),
        (~jnp.all(jnp.isfinite(states)), Outcome.not_finite),
    )
    count = jnp.asarray(steps * times.size, jnp.int32)
    return states, Status(
        outcome, jnp.minimum(failed_at, reached), worst.astype(times.dtype), count
    )


def _complex(x: Float[Array, "..."]) -> Complex[Array, "..."]:
    return lax.complex(x, jnp.zeros_like(x))
