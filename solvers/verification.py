"""`check_law`: whether the members of a law agree, u_t + ∇·f(u) = ΔΦ(u) + s(t, x, u).

A wave speed that is too small makes steps unstable, a potential that falls makes the equation ill-posed,
a numerical flux with F(u, u) ≠ f(u) solves another equation. All of it shows on some sample states.

Reference: R. J. LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapters 2, 4 and 12;
S. Osher, SIAM J. Numer. Anal. 21 (1984) 217, doi:10.1137/0721016, for the exact flux of a scalar law.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from .boundary import Periodic
from .finite_volume import FiniteVolume, PiecewiseConstant
from .finite_volume.gradient_flux import HasGradientFlux
from .finite_volume.riemann import Godunov, HasExactFlux, HasWaveSpeeds, fitting
from .grid import Grid
from .laws.law import AbstractLaw, State
from .laws.members import check_members
from .laws.shallow_water import ShallowWater
from .laws.system import AbstractSystem

# Intervals between two states at whose ends an exact flux is compared with f.
_INTERVALS = 64


def check_law(law: AbstractLaw, u: State) -> None:
    """Check on sample states that a law is what the solvers take it for.

    Shapes and types; w(u) and u(w), which undo each other; real eigenvalues of f'(u), bounded by the
    wave speeds; F(u, u) = f(u) for each Riemann flux that fits, and `godunov_flux` against f; mirrored
    states at walls; Φ'(u) ≥ 0, and `diffusivity` against it; an update that conserves and has finite
    derivatives. Samples are no proof: take them from where the law is used, with both signs if these
    occur, and none from a kink, where a derivative has two values. Double precision compares more
    digits.

    Args:
        law: the law.
        u: states ``(channels, *space)``, any number of cells along each axis.

    Raises:
        ValueError: naming the member that is wrong, what was expected, and what to do.
        TypeError: for a law that is none.
    """
    if not isinstance(law, AbstractLaw):
        raise TypeError(
            f"check_law expected an instance of AbstractLaw, got {law!r}; build one, as in LWR()."
        )
    u = jnp.asarray(u)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((law, u))):
        raise ValueError(
            "check_law expected values, got traced ones; call it outside of jit and grad."
        )
    expected = law.channel_count(u.ndim - 1)
    if u.ndim < 2 or u.shape[0] != expected or not jnp.issubdtype(u.dtype, jnp.floating):
        raise ValueError(
            f"check_law expected floating-point states ({expected}, *space), got {u.dtype} "
            f"{u.shape}; use for example jnp.linspace(0.1, 0.9, 9)[None] for a scalar law."
        )
    check_members(law, u.shape[1:], u.dtype)
    check = _Check(law, u)
    check.variables()
    if law.has_convection:
        for axis in range(u.ndim - 1):
            check.convection(axis)
    check.diffusion()
    if law.has_convection or law.has_diffusion:
        check.update()


class _Check:
    """A law, sample states, and what is asked of them, each question after those that it rests on."""

    def __init__(self, law: AbstractLaw, u: Array):
        self.law, self.u, self.w = law, u, jax.jit(lambda u: law.to_primitive(u))(u)
        eps = float(jnp.finfo(u.dtype).eps)
        # Round-off of some dozen operations; eigenvalues that coincide lose half of the digits.
        self.rtol, self.eigen_rtol = 1e4 * eps, 64 * eps**0.5

    def variables(self) -> None:
        good = jax.jit(lambda u: self.law.admissible(u))(self.u)
        if not (jnp.all(jnp.isfinite(self.u)) and (good is None or jnp.all(good))):
            raise ValueError(
                "check_law expected finite, admissible samples u, got others; choose other states, "
                f"or correct {type(self.law).__name__}.admissible."
            )
        back = jax.jit(lambda w: self.law.to_conserved(w))(self.w)
        self.equal(
            "to_conserved", "u again from to_primitive(u)", back, self.u, "make them inverses"
        )

    def convection(self, axis: int) -> None:
        law, u, w = self.law, self.u, self.w
        other = jnp.flip(w, range(1, w.ndim))
        kinds = fitting(law)

        @jax.jit
        def values(u: Array, w: Array, other: Array) -> tuple[Any, ...]:
            return (
                law.flux(u, axis),
                law.primitive_flux(w, axis),
                law.max_wave_speed(u, axis),
                law.primitive_wave_speed(w, axis),
                [kind()(law, w, w, axis) for kind in kinds],
                law.wave_speeds(w, other, axis) if isinstance(law, HasWaveSpeeds) else None,
            )

        flux, flux_of_w, speed, speed_of_w, numerical, waves = values(u, w, other)
        alike = "make it the same function of other variables"
        self.equal("primitive_flux", "flux(u)", flux_of_w, flux, alike)
        self.equal("primitive_wave_speed", "max_wave_speed(u)", speed_of_w, speed, alike)
        slopes = self.eigenvalues("flux", lambda v: law.flux(v, axis))
        self.bounds("max_wave_speed", "the largest |f'(u)|", speed, np.abs(slopes).max(axis=-1))
        for kind, found in zip(kinds, numerical, strict=True):
            member = "godunov_flux" if kind.needs is HasExactFlux else f"{kind.__name__} flux"
            self.equal(member, "F(u, u) = f(u)", found, flux, "make it the flux of equal states")
        if isinstance(law, HasExactFlux) and w.shape[0] == 1:
            self.exact_flux(axis, other, float(np.abs(slopes).max()))
        if waves is not None:
            largest = np.flip(slopes.max(axis=-1))
            self.bounds("wave_speeds", "the speeds to the left", -waves[0], -slopes.min(axis=-1))
            self.bounds("wave_speeds", "the speeds to the right", waves[1], largest)
        if isinstance(law, AbstractSystem):
            self.mirror(law, axis)

    def mirror(self, law: AbstractSystem, axis: int) -> None:
        @jax.jit
        def images(w: Array) -> tuple[Array, ...]:
            mirrored = law.reflect(w, axis)
            turned = -law.reflect(law.primitive_flux(w, axis), axis)
            return law.reflect(mirrored, axis), law.primitive_flux(mirrored, axis), turned

        twice, found, turned = images(self.w)
        self.equal("reflect", "w again, twice", twice, self.w, "change signs only")
        self.equal("reflect", "a mirrored flux", found, turned, "turn the normal velocity round")

    def exact_flux(self, axis: int, other: Array, speed: float) -> None:
        """Osher's formula: the least f between the states where u_L ≤ u_R, else the largest."""
        law, u = self.law, self.u
        shares = jnp.linspace(0.0, 1.0, _INTERVALS + 1, dtype=u.dtype)
        between = jax.vmap(lambda share: law.flux(u + share * (other - u), axis))(shares)
        exact = jnp.where(u <= other, between.min(axis=0), between.max(axis=0))
        found = Godunov()(law, u, other, axis)
        # An extremum is at most half an interval away from a place that is looked at.
        slack = speed * jnp.abs(other - u) / (2 * _INTERVALS) + self.rtol * jnp.abs(between).max()
        worst = np.unravel_index(int(jnp.argmax(jnp.abs(found - exact) - slack)), u.shape)
        if not jnp.all(jnp.abs(found - exact) <= slack):
            self.fail(
                "godunov_flux",
                f"{exact[worst]:.4g} between {u[worst]:.4g} and {other[worst]:.4g}",
                f"{found[worst]:.4g}",
                "return the least f between the states where left <= right, else the largest",
            )

    def diffusion(self) -> None:
        law, u = self.law, self.u
        if law.has_diffusion and isinstance(law, HasGradientFlux):
            for axis in range(u.ndim - 1):
                self.gradient_flux(law, axis)
            return
        slopes = self.eigenvalues("potential", law.potential)
        if law.has_diffusion:
            self.parabolic("potential", slopes)
            if u.shape[0] == 1:
                k = law.diffusivity(u)
                exact = jnp.asarray(slopes[..., 0][None], u.dtype)
                self.equal(
                    "diffusivity", "Φ'(u), the derivative of potential", k, exact, "make it that"
                )
        elif np.any(slopes):
            self.fail(
                "has_diffusion", "True for this potential", "False", "return True, or no potential"
            )

    def gradient_flux(self, law: HasGradientFlux, axis: int) -> None:
        still = [jnp.zeros_like(self.w)] * (self.u.ndim - 1)
        rest = law.gradient_flux(self.w, still, axis)
        self.equal("gradient_flux", "zero without gradients", rest, still[0], "remove the rest")

        def against(gradient: Array) -> Array:
            """Minus the flux for a gradient of u along the axis: linear, with derivative Φ'(u)."""
            _, slope = jax.jvp(self.law.to_primitive, (self.u,), (gradient,))
            return -law.gradient_flux(self.w, [*still[:axis], slope, *still[axis + 1 :]], axis)

        self.parabolic("gradient_flux", self.eigenvalues("gradient_flux", against))

    def parabolic(self, member: str, slopes: np.ndarray) -> None:
        if (least := slopes.min()) < -self.eigen_rtol * np.abs(slopes).max():
            self.fail(
                member, "Φ'(u) >= 0", f"{least:.4g}", "change its sign: the equation is ill-posed"
            )
        declared = self.law.diffusivity(self.u)
        self.bounds("diffusivity", "Φ'(u)", declared, slopes.max(axis=-1))

    def update(self) -> None:
        """Conservation round a circle, and derivatives, where nothing varies too."""
        law, u = self.law, self.u
        grid = Grid.uniform((0.0,) * (u.ndim - 1), tuple(map(float, u.shape[1:])), u.shape[1:])
        arrays, rest = eqx.partition(law, eqx.is_inexact_array)

        def rate(arrays: Any, u: Array) -> tuple[Array, Array]:
            field = FiniteVolume(
                law=eqx.combine(arrays, rest),
                grid=grid,
                boundary=Periodic(),
                reconstruction=PiecewiseConstant(),
            )
            change = field(0.0, u)
            x = tuple(jnp.asarray(c, u.dtype) for c in np.meshgrid(*grid.centers, indexing="ij"))
            source = field.law.source(jnp.zeros(()), x, u)
            return change, change if source is None else change - source

        @jax.jit
        def both(arrays: Any, u: Array) -> tuple[Array, Array, Any]:
            change, pull, flown = jax.vjp(rate, arrays, u, has_aux=True)
            return change, flown, pull(jnp.ones_like(u))

        change, flown, slopes = both(arrays, u)
        flat = jnp.broadcast_to(u[(slice(None), *(slice(1),) * (u.ndim - 1))], u.shape)
        members = "flux, potential or source"
        self.finite(members, change)
        for slope in jax.tree.leaves((slopes, both(arrays, flat)[2])):
            self.finite(members, slope, "derivatives")
        bed = isinstance(law, ShallowWater) and law.bathymetry is not None  # it pushes
        total = jnp.abs(flown.sum(axis=tuple(range(1, u.ndim))))
        if not bed and jnp.any(total > self.rtol * (jnp.abs(flown).sum() + jnp.abs(u).sum())):
            self.fail(
                "flux", "an update that conserves", f"{total.max():.4g} more", "use u alone in it"
            )

    def eigenvalues(self, member: str, function: Callable[[Array], Array]) -> np.ndarray:
        """Those of the derivative at u in each cell, ``(*space, channels)``; real, or it fails."""
        units = jnp.eye(self.u.shape[0], dtype=self.u.dtype)
        # Each cell by itself, so a tangent that is alike in all cells gives a column in each.
        along = units.reshape(units.shape + (1,) * (self.u.ndim - 1))
        tangents = jnp.broadcast_to(along, (len(units), *self.u.shape))
        push = lambda tangent: jax.jvp(function, (self.u,), (tangent,))[1]
        columns = jax.jit(jax.vmap(push))(tangents)
        jacobians = np.moveaxis(np.asarray(columns, float), (0, 1), (-1, -2))
        if not np.all(np.isfinite(jacobians)):
            self.fail(member, "finite derivatives", "NaN or infinity", "guard it with jnp.where")
        found = np.linalg.eigvals(jacobians)
        if np.abs(found.imag).max() > self.eigen_rtol * np.abs(found).max():
            self.fail(member, "a derivative with real eigenvalues", "complex ones", "correct it")
        return found.real

    def finite(self, member: str, values: Array, what: str = "values") -> None:
        if not jnp.all(jnp.isfinite(values)):
            self.fail(member, f"finite {what}", "NaN or infinity", "guard it with jnp.where")

    def equal(self, member: str, what: str, found: Array, expected: Array, remedy: str) -> None:
        self.finite(member, found)
        found, expected = (jnp.broadcast_to(v, self.u.shape) for v in (found, expected))
        size = self.rtol * jnp.maximum(jnp.abs(expected).max(), jnp.abs(self.u).max())
        worst = np.unravel_index(int(jnp.argmax(jnp.abs(found - expected))), self.u.shape)
        if not jnp.abs(found - expected)[worst] <= size:
            numbers = f"{found[worst]:.4g} and not {expected[worst]:.4g}"
            self.fail(member, what, numbers, remedy)

    def bounds(self, member: str, what: str, bound: Array, values: np.ndarray) -> None:
        self.finite(member, bound)
        bounds = np.broadcast_to(np.asarray(bound, float), self.u.shape).min(axis=0)
        lacking = values - bounds - self.eigen_rtol * np.abs(values).max()
        worst = np.unravel_index(int(np.argmax(lacking)), lacking.shape)
        if lacking[worst] > 0:
            numbers = f"{bounds[worst]:.4g} for {values[worst]:.4g}"
            self.fail(member, f"at least {what}", numbers, "raise it: steps would be unstable")

    def fail(self, member: str, expected: str, got: str, remedy: str) -> NoReturn:
        raise ValueError(
            f"{type(self.law).__name__}: {member} was expected to give {expected}, got {got}; {remedy}."
        )
