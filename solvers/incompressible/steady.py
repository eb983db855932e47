"""Steady flows: march until P(−∇·(u u) + ν Δu + f) = 0, and differentiate what is found.

The march repeats the Runge–Kutta step Φ of `solve`, as long as stability allows. Its fixed point
u = Φ(u, θ) has the derivative

    du = (I − ∂Φ/∂u)⁻¹ (∂Φ/∂θ) dθ,

where the inverse is found by the same march, linearised, and transposed in reverse mode. A gradient
takes about as many steps as the flow did, and no memory for any of them.

Reference: B. Christianson, Optim. Methods Softw. 3 (1994) 311, doi:10.1080/10556789408805572.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from .navier_stokes import NavierStokes
from .solve import check_start, is_finite, step
from .staggered import Velocity

# The tolerance unless one is given, and that of derivatives relative to their first step.
_TOLERANCE, _RELATIVE = 1e-6, 1e-8
# A residual of so many roundings of u, times the fastest rate of the flow, is nothing but rounding.
_ROUNDINGS = 2.0


class SteadyOutcome(eqx.Enumeration):
    """How a march to a steady flow ended; each failure says what to do."""

    success = "The flow is steady."
    ill_posed = (
        "steady expected a non-negative viscosity, got another; check the parameters of the flow."
    )
    not_finite = (
        "steady expected a finite velocity, got NaN or infinity on the way; check u0, lower cfl, "
        "or refine the grid."
    )
    round_off = (
        "steady expected max|du/dt| to fall below the tolerance, got stuck at round-off; raise the "
        "tolerance, leave it out, or use double precision (throw=False returns the flow)."
    )
    too_many_steps = (
        "steady expected max|du/dt| to fall below the tolerance within max_steps steps, got no "
        "further; raise max_steps or the tolerance, the flow may have no steady state "
        "(throw=False returns the flow)."
    )


class SteadyFlow(eqx.Module):
    """What `steady` found.

    Attributes:
        velocity: face values.
        pressure: pressure over density in the cells, of zero mean.
        residual: the last max|du/dt|.
        steps: number of time steps.
        outcome: a `SteadyOutcome`; its message names the cause and the remedy.
    """

    velocity: Velocity
    pressure: Float[Array, "..."]
    residual: Float[Array, "..."]
    steps: Int[Array, "..."]
    outcome: SteadyOutcome

    @property
    def ok(self) -> Bool[Array, "..."]:
        """Whether the flow is steady."""
        return self.outcome == SteadyOutcome.success


def steady(
    flow: NavierStokes,
    u0: Velocity | None = None,
    *,
    tolerance: float | None = None,
    cfl: float = 1.2,
    max_steps: int = 500_000,
    throw: bool = True,
) -> SteadyFlow:
    """March a flow until max|du/dt| is at most the tolerance.

    Works under ``jax.jit`` and ``jax.vmap``, and differentiates in both modes with respect to the
    flow (not u0, on which an isolated steady flow does not depend). Where the linearised march does
    not converge within `max_steps`, the derivative is NaN. What depends on time is taken at t = 0.

    Args:
        flow: the equations.
        u0: where to start; at rest by default.
        tolerance: bound of max|du/dt|. By default 1e-6, or the level of round-off if that is
            higher, as it is in single precision (about 1e-5 to 1e-4).
        cfl: CFL number of the steps, at most 1.25.
        max_steps: most steps.
        throw: raise when the flow does not become steady; otherwise the outcome says so.

    Raises:
        ValueError: for wrong shapes or options.
        equinox.EquinoxRuntimeError: for failures found on the way, where `throw`.
    """
    if tolerance is not None and not 0 < tolerance < float("inf"):
        raise ValueError(
            f"steady expected tolerance > 0, got {tolerance}; choose for example 1e-6, or leave "
            "it out."
        )
    if not isinstance(max_steps, int | np.integer) or max_steps < 1:
        raise ValueError(
            f"steady expected max_steps to be a whole number >= 1, got {max_steps}; ask for at "
            "least one step."
        )
    if u0 is None:
        u0 = flow.grid.sample(lambda x: (0.0,) * len(x), flow.viscosity.dtype)
    start = check_start(flow, u0, cfl)
    dtype = start[0].dtype
    found = _march(
        flow,
        start,
        jnp.asarray(_TOLERANCE if tolerance is None else tolerance, dtype),
        jnp.asarray(tolerance is not None),
        jnp.asarray(cfl, dtype),
        jnp.asarray(max_steps, jnp.int32),
    )
    if throw:
        velocity = found.outcome.error_if(found.velocity, ~found.ok)
        found = eqx.tree_at(lambda f: f.velocity, found, velocity)
    return found


@eqx.filter_jit
def _march(
    flow: NavierStokes,
    u0: Velocity,
    tolerance: Float[Array, ""],
    strict: Bool[Array, ""],
    cfl: Float[Array, ""],
    max_steps: Int[Array, ""],
) -> SteadyFlow:
    frozen = jax.tree.map(lambda x: lax.stop_gradient(x) if eqx.is_array(x) else x, flow)
    now = jnp.zeros((), jnp.result_type(float))
    dtype = u0[0].dtype
    tiny = float(jnp.finfo(dtype).tiny)

    def unfinished(carry):
        _, residual, rounding, steps = carry
        return (residual > jnp.maximum(tolerance, rounding)) & (steps < max_steps)

    def advance(carry):
        u, _, _, steps = carry
        rate = jnp.maximum(frozen.stability_rate(now, u), tiny)  # zero at rest without viscosity
        u_next, slope = step(frozen, now, u, cfl / rate)
        rounding = _ROUNDINGS * float(jnp.finfo(dtype).eps) * rate * _largest(u)
        return u_next, _largest(slope), rounding, steps + 1

    far, zero = jnp.full((), jnp.inf, dtype), jnp.zeros((), dtype)
    start = (lax.stop_gradient(flow.project(u0)), far, zero, jnp.zeros((), jnp.int32))
    u, residual, rounding, steps = lax.while_loop(unfinished, advance, start)

    dt = cfl / jnp.maximum(frozen.stability_rate(now, u), tiny)
    u = _fixed_point(flow, u, dt, max_steps=max_steps)
    outcome = SteadyOutcome.success
    for failed, name in (  # the last that holds counts
        (strict & (residual > tolerance), SteadyOutcome.round_off),
        (residual > jnp.maximum(tolerance, rounding), SteadyOutcome.too_many_steps),
        (~(is_finite(u) & jnp.isfinite(residual)), SteadyOutcome.not_finite),
        (~(flow.viscosity >= 0), SteadyOutcome.ill_posed),
    ):
        outcome = SteadyOutcome.where(failed, name, outcome)
    return SteadyFlow(u, flow.pressure(now, u), residual, steps, outcome)


@eqx.filter_custom_jvp
def _fixed_point(
    flow: NavierStokes, u: Velocity, dt: Float[Array, ""], *, max_steps: Int[Array, ""]
) -> Velocity:
    """The fixed point u, found without derivatives, with those of the module docstring."""
    del flow, dt, max_steps
    return u


@_fixed_point.def_jvp
def _fixed_point_jvp(primals, tangents, *, max_steps):
    flow, _, dt = primals
    u = _fixed_point(*primals, max_steps=max_steps)  # again, for second derivatives
    now = jnp.zeros((), jnp.result_type(float))
    _, change = eqx.filter_jvp(lambda f: step(f, now, u, dt)[0], (flow,), tangents[:1])
    _, linear = jax.linearize(lambda v: step(flow, now, v, dt)[0], u)
    du = lax.custom_linear_solve(
        lambda w: _minus(w, linear(w)),
        change,
        lambda matvec, b: _repeat(matvec, b, max_steps),
        transpose_solve=lambda matvec, b: _repeat(matvec, b, max_steps),
    )
    return u, du


def _repeat(
    matvec: Callable[[Velocity], Velocity], b: Velocity, max_steps: Int[Array, ""]
) -> Velocity:
    """Solve (I − J) w = b by w ← J w + b, which converges as the flow does; NaN where it does not."""
    rounding = 2.0 * _ROUNDINGS * float(jnp.finfo(b[0].dtype).eps)

    def excess(w, r):
        return _largest(r) - jnp.maximum(_RELATIVE * _largest(b), rounding * _largest(w))

    def unfinished(carry):
        w, r, steps = carry
        return (excess(w, r) > 0) & (steps < max_steps)

    def advance(carry):
        w, r, steps = carry
        w = jax.tree.map(jnp.add, w, r)
        return w, _minus(b, matvec(w)), steps + 1

    start = (jax.tree.map(jnp.zeros_like, b), b, jnp.zeros((), jnp.int32))
    w, r, _ = lax.while_loop(unfinished, advance, start)
    return jax.tree.map(lambda x: jnp.where(excess(w, r) <= 0, x, jnp.nan), w)


def _minus(a: Velocity, b: Velocity) -> Velocity:
    return jax.tree.map(jnp.subtract, a, b)


def _largest(u: Velocity) -> Float[Array, ""]:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(component)) for component in u]))
