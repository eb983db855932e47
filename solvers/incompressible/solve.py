"""March a flow through time: u_t = P(−∇·(u u) + ν Δu + f) by three-stage Runge–Kutta steps.

The Shu–Osher method of order 3 with a projection at every stage; the last one acts on the new
velocity itself, so that divergence does not grow out of rounding. Central differences need its
imaginary stability interval, |z| ≤ √3, and viscosity its real one, −2.5 ≤ z: with the CFL number of
`NavierStokes.stability_rate`, steps are stable up to 1.25.

Reference: S. Gottlieb, C.-W. Shu, E. Tadmor, SIAM Rev. 43 (2001) 89,
doi:10.1137/S003614450036757X, eq. (4.2); B. Sanderse, B. Koren, J. Comput. Phys. 231 (2012) 3041,
doi:10.1016/j.jcp.2011.11.028, for the projections.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ..time.solution import Outcome, Status, first_failure
from ..time.times import checked_times, in_order
from .navier_stokes import NavierStokes
from .staggered import Velocity

CFL_LIMIT = 1.25
# Rounding of (number of steps) · Δt; a CFL number beyond the limit by this much is not reported.
_SLACK = 1e-5

Time = Float[Array, ""]


class FlowSolution(eqx.Module):
    """Velocities of a solve.

    Attributes:
        times: the save times.
        velocity: face values at these times, ``(time, *faces)`` a component.
        status: how it went.
    """

    times: Float[Array, "..."]
    velocity: Velocity
    status: Status

    def at(self, index: int) -> Velocity:
        """The velocity at one of the save times; -1 is the last."""
        return tuple(component[index] for component in self.velocity)


def solve(
    flow: NavierStokes,
    u0: Velocity,
    *,
    t0: ArrayLike = 0.0,
    t1: ArrayLike,
    save_at: ArrayLike | Sequence[float] | None = None,
    cfl: float = 1.0,
    steps: int | None = None,
    max_steps: int = 100_000,
    throw: bool = True,
) -> FlowSolution:
    """Integrate a flow from t0 and return its velocities at the save times.

    Works under ``jax.jit`` and ``jax.vmap``. With `steps` it differentiates in forward and reverse
    mode (memory: one velocity a step); without, in reverse mode (memory: bounded by online
    checkpointing). The options and their meaning are those of `solvers.solve`.

    Args:
        flow: the equations.
        u0: velocity at t0, projected to one without divergence; its precision is that of the solve.
        t0: initial time.
        t1: final time, and the only save time unless `save_at` says otherwise.
        save_at: strictly increasing times in [t0, t1], up to rounding; t0 itself may be among them.
        cfl: CFL number that the time step keeps to, at most 1.25; unused with `steps`.
        steps: with a number, that many equal steps between consecutive save times (and from t0 to
            the first one); the fast path. A step beyond the CFL limit is reported.
        max_steps: most steps the CFL-controlled loop takes.
        throw: raise when the solve fails; otherwise the status says so, and the velocities from
            there on mean nothing.

    Raises:
        ValueError: for wrong shapes, options or times that are known when the call is made.
        equinox.EquinoxRuntimeError: for failures found on the way, where `throw`.
    """
    velocity = check_start(flow, u0, cfl)
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and (not isinstance(value, int | np.integer) or value < 1):
            raise ValueError(
                f"solve expected {name} to be a whole number >= 1, got {value}; ask for at least "
                "one step."
            )
    start, stop, times = checked_times("solve", t0, t1, save_at)
    number = jnp.asarray(cfl, times.dtype)
    states, status = _integrate(flow, velocity, start, stop, times, number, steps, max_steps)
    if throw:
        states = status.outcome.error_if(states, ~status.ok)
    return FlowSolution(times, states, status)


def step(flow: NavierStokes, t: Time, u: Velocity, dt: Time) -> tuple[Velocity, Velocity]:
    """The velocity at t + dt, and du/dt at t."""
    h = dt.astype(u[0].dtype)
    k1 = flow(t, u)
    k2 = flow(t + dt, jax.tree.map(lambda u, a: u + h * a, u, k1))
    middle = jax.tree.map(lambda u, a, b: u + h * (0.25 * (a + b)), u, k1, k2)
    k3 = flow.momentum(t + 0.5 * dt, middle)
    last = jax.tree.map(lambda u, a, b, c: u + h * ((a + b + 4.0 * c) / 6.0), u, k1, k2, k3)
    return flow.project(last), k1


def check_start(flow: NavierStokes, u0: Velocity, cfl: float) -> Velocity:
    """The initial velocity as arrays, where it fits the flow and the CFL number is a stable one."""
    velocity = tuple(jnp.asarray(component) for component in u0)
    flow.check(velocity)
    if not (math.isfinite(cfl) and 0 < cfl <= CFL_LIMIT):
        raise ValueError(
            f"solve and steady expected 0 < cfl <= {CFL_LIMIT}, got {cfl}; beyond the limit steps "
            "are unstable, choose for example cfl=1."
        )
    return velocity


def is_finite(u: Velocity) -> Array:
    """Whether all values are finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(component)) for component in u]))


class _Progress(eqx.Module):
    t: Time
    u: Velocity
    cfl: Time
    steps: Array
    failed_at: Time


@eqx.filter_jit
def _integrate(
    flow: NavierStokes,
    u0: Velocity,
    t0: Time,
    t1: Time,
    times: Float[Array, " time"],
    cfl: Time,
    steps: int | None,
    max_steps: int,
) -> tuple[Velocity, Status]:
    zero, never = jnp.zeros((), t0.dtype), jnp.full((), jnp.inf, t0.dtype)
    failed_at = jnp.where(is_finite(u0), never, t0)
    initial = _Progress(t0, flow.project(u0), zero, jnp.zeros((), jnp.int32), failed_at)

    def interval(progress: _Progress, t_end: Time):
        if steps is None:
            last = _cfl_steps(flow, progress, t_end, cfl, max_steps)
        else:
            last = _equal_steps(flow, progress, t_end, steps)
        return last, last.u

    last, states = lax.scan(interval, initial, times)
    outcome = first_failure(
        (~in_order(t0, t1, times), Outcome.bad_times),
        (~is_finite(u0), Outcome.bad_initial),
        (~(flow.viscosity >= 0), Outcome.ill_posed),
        (last.cfl > CFL_LIMIT * (1.0 + _SLACK), Outcome.unstable),
        (~is_finite(last.u), Outcome.not_finite),
        (last.t < times[-1], Outcome.too_many_steps),
    )
    return states, Status(outcome, jnp.minimum(last.failed_at, last.t), last.cfl, last.steps)


def _equal_steps(flow: NavierStokes, progress: _Progress, t_end: Time, steps: int) -> _Progress:
    """One scan, a checkpoint a step; the CFL number is watched, not controlled."""
    t_begin = progress.t
    dt = (t_end - t_begin) / steps

    @jax.checkpoint
    def advance(carry, i):
        u, cfl, failed_at = carry
        # Not accumulated: thousands of additions of dt would drift in single precision.
        t = t_begin + i.astype(dt.dtype) * dt
        number = lax.stop_gradient(dt * flow.stability_rate(t, u).astype(dt.dtype))
        stable = number <= CFL_LIMIT * (1.0 + _SLACK)  # not so if NaN
        failed_at = jnp.where(stable, failed_at, jnp.minimum(failed_at, t))
        return (step(flow, t, u, dt)[0], jnp.fmax(cfl, number), failed_at), None

    carry = (progress.u, progress.cfl, progress.failed_at)
    (u, cfl, failed_at), _ = lax.scan(advance, carry, jnp.arange(steps))
    return _Progress(t_end, u, cfl, progress.steps + steps, failed_at)


def _cfl_steps(
    flow: NavierStokes, progress: _Progress, t_end: Time, cfl: Time, max_steps: int
) -> _Progress:
    """Steps that keep to the CFL number and divide the time left exactly.

    Their size is piecewise constant in the state and the parameters: its derivative is truly zero.
    """

    def unfinished(p: _Progress):
        return (p.t < t_end) & jnp.isinf(p.failed_at) & (p.steps < max_steps)

    def advance(p: _Progress) -> _Progress:
        left = t_end - p.t
        rate = lax.stop_gradient(flow.stability_rate(p.t, p.u).astype(left.dtype))
        wanted = jnp.ceil(lax.stop_gradient(left) * rate / cfl - _SLACK)
        count = jnp.where(wanted > 1.0, wanted, 1.0)  # NaN too: the loop then ends
        dt = left / count
        u, _ = step(flow, p.t, p.u, dt)
        t = jnp.where(count == 1.0, t_end, p.t + dt)
        failed_at = jnp.where(is_finite(u), p.failed_at, t)
        number = jnp.fmax(p.cfl, lax.stop_gradient(dt) * rate)
        return _Progress(t, u, number, p.steps + 1, failed_at)

    return eqxi.while_loop(unfinished, advance, progress, max_steps=max_steps, kind="checkpointed")
