"""Explicit time loops: equal steps in one scan, or steps that follow the CFL number.

Both take steps that divide an interval between save times *exactly*. With CFL control the number of
steps left, n = ⌈(t₁ − t)/Δt_CFL⌉, is recomputed at every step and Δt = (t₁ − t)/n. It is constant
almost everywhere as a function of the state and parameters, so the derivative of Δt with respect to
them is truly zero, and the gradient of the loop is that of the discrete map, not an approximation.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..finite_volume import FiniteVolume
from ..finite_volume.blocks import Block
from ..finite_volume.stability import rate_varies
from ..laws.law import State
from .checkpointed import checkpointed_while
from .solution import Outcome, Status, first_failure
from .stepper import AbstractExplicit, Time
from .tiles import tiled_step

# Rounding of (number of steps) · Δt; a CFL number beyond the limit by this much is not reported.
_SLACK = 1e-5


class _Progress(eqx.Module):
    """What the loops carry; with CFL-controlled steps, t counts from the last save time."""

    t: Float[Array, ""]
    u: State
    cfl: Float[Array, ""]
    steps: Int[Array, ""]
    finite: Bool[Array, ""]
    posed: Bool[Array, ""]
    diffusivity: Float[Array, ""]
    failed_at: Float[Array, ""]
    cell: Int[Array, ""]


def _start(field: FiniteVolume, u0: State, t0: Float[Array, ""]) -> _Progress:
    finite = field.everywhere(jnp.all(jnp.isfinite(u0)))
    cell = lost_cell(field, u0)
    return _Progress(
        t=t0,
        u=u0,
        cfl=jnp.zeros((), t0.dtype),
        steps=jnp.zeros((), jnp.int32),
        finite=finite,
        posed=jnp.ones((), bool),
        diffusivity=jnp.zeros((), t0.dtype),
        failed_at=jnp.where(finite & (cell < 0), jnp.inf, t0).astype(t0.dtype),
        cell=cell,
    )


def _least_diffusivity(field: FiniteVolume, t: Float[Array, ""], u: State) -> Float[Array, ""]:
    return lax.stop_gradient(field.least_diffusivity(t, u).astype(t.dtype))


def lost_cell(field: FiniteVolume, u: State) -> Int[Array, ""]:
    """Flat index of the first cell whose state has no meaning; −1 if there is none."""
    none = jnp.full((), -1, jnp.int32)
    good = field.law.admissible(lax.stop_gradient(u))
    if good is None:
        return none
    # The search is rarely run: `all` vectorises, `argmin` does not.
    lost = lambda: jnp.argmin(good.ravel()).astype(jnp.int32)
    return field.first_cell(lax.cond(jnp.all(good), lambda: none, lost))


def checkpointed_scan(advance: Callable[..., Any], carry: Any, length: int) -> Any:
    """The last carry of a scan over ``range(length)`` whose reverse pass keeps O(√length) carries.

    Blocks of √length steps start from kept carries, and so does each step while its block is
    differentiated: two recomputations of a step in all, measured as fast as one.

    Reference: A. Griewank, Optim. Methods Softw. 1 (1992) 35, doi:10.1080/10556789208805505, for the
    general trade; this is its two-level case.
    """
    # Inside a scan nothing is left to merge, and the barriers against merging cost time.
    step = jax.checkpoint(advance, prevent_cse=False)
    block = math.isqrt(length)
    blocks, rest = divmod(length, block)

    def run(carry, first):
        return lax.scan(step, carry, first + jnp.arange(block))

    carry, _ = lax.scan(jax.checkpoint(run, prevent_cse=False), carry, block * jnp.arange(blocks))
    return lax.scan(step, carry, blocks * block + jnp.arange(rest))[0] if rest else carry


def equal_steps(
    field: FiniteVolume,
    u0: State,
    t0: Float[Array, ""],
    save_at: Float[Array, " time"],
    stepper: AbstractExplicit,
    steps: int,
) -> tuple[Float[Array, "time channels *space"], Status]:
    """`steps` equal steps between consecutive times; differentiates in both modes.

    The reverse pass keeps √steps states of an interval and recomputes the others from them. The CFL
    number is watched, not controlled.
    """
    limit = stepper.cfl_limit(field) * (1.0 + _SLACK)

    def interval(progress: _Progress, t_end: Float[Array, ""]):
        t_begin = progress.t
        dt = (t_end - t_begin) / steps

        def watched(t: Float[Array, ""], u: State, seen: Any) -> Any:
            cfl, posed, diffusivity, failed_at = seen
            number = lax.stop_gradient(dt * field.stability_rate(t, u).astype(dt.dtype))
            failed_at = jnp.where(number <= limit, failed_at, jnp.minimum(failed_at, t))
            diffusivity = jnp.minimum(diffusivity, _least_diffusivity(field, t, u))
            return jnp.fmax(cfl, number), posed & ~jnp.isnan(number), diffusivity, failed_at

        def advance(carry, i):
            u, seen, cell = carry
            # Not accumulated: thousands of additions of dt would drift in single precision.
            t = t_begin + i.astype(dt.dtype) * dt
            cfl, posed, diffusivity, failed_at = watched(t, u, seen)
            u = tiled_step(stepper, field, t, u, dt)
            lost = lost_cell(field, u)
            failed_at = jnp.where(lost < 0, failed_at, jnp.minimum(failed_at, t + dt))
            cell = jnp.where(cell < 0, lost, cell)
            return (u, (cfl, posed, diffusivity, failed_at), cell), None

        p = progress
        carry = (p.u, (p.cfl, p.posed, p.diffusivity, p.failed_at), p.cell)
        u, seen, cell = checkpointed_scan(advance, carry, steps)
        # Where the last step ended, too: it may have set in motion what was at rest.
        cfl, posed, diffusivity, failed_at = watched(t_end, u, seen)
        finite = field.everywhere(jnp.all(jnp.isfinite(u)))
        failed_at = jnp.where(finite, failed_at, jnp.minimum(failed_at, t_end))
        count = progress.steps + steps
        return _Progress(t_end, u, cfl, count, finite, posed, diffusivity, failed_at, cell), u

    initial = _start(field, u0, t0)
    last, states = lax.scan(interval, initial, save_at)
    outcome = first_failure(
        (~initial.finite, Outcome.bad_initial),
        (last.cfl > limit, Outcome.unstable),
        (last.cell >= 0, Outcome.not_positive),
        (~last.finite, Outcome.not_finite),
        (~(last.diffusivity >= 0), Outcome.ill_posed),
        (~last.posed, Outcome.wave_speed),
    )
    time = jnp.minimum(last.failed_at, last.t)
    return states, Status(outcome, time, last.cfl, last.steps, last.cell, last.diffusivity)


def _rate_within(
    rate_at: Callable[[Time], Time], left: Time, cfl: Float[Array, ""]
) -> Float[Array, ""]:
    """The rate to step by: boundary values or a source may make it grow within the step, from zero even.

    Where it grows along a straight line, the step is such that Δt times the rate at its end is the CFL
    number; a second look, there, finds what grew faster. A rate that is not finite is met in its time.

    Args:
        rate_at: the rate a while from now.
        left: the longest step.
        cfl: the CFL number.
    """
    now = rate_at(jnp.zeros_like(left))
    ahead = lambda rate: jnp.where(jnp.isfinite(rate), jnp.maximum(rate, now), now)
    step = lambda rate: jnp.minimum(left, cfl / jnp.maximum(rate, 1e-30))
    growth = (ahead(rate_at(step(now))) - now) * cfl / step(now)
    rate = 0.5 * (now + jnp.sqrt(now**2 + 4.0 * growth))
    return jnp.maximum(rate, ahead(rate_at(step(rate))))


def cfl_steps(
    field: FiniteVolume,
    u0: State,
    t0: Float[Array, ""],
    save_at: Float[Array, " time"],
    stepper: AbstractExplicit,
    cfl: Float[Array, ""],
    max_steps: int,
) -> tuple[Float[Array, "time channels *space"], Status]:
    """Steps that keep the CFL number at or below `cfl`; differentiates in reverse mode."""

    # The loop must not follow derivatives into the choice of the step: see the module docstring.
    def rate_after(t: Time, u: State, step: Time) -> Time:
        """The rate a step later, of the state that a source alone leads to."""
        source = field._source(t, u)
        there = u if source is None else u + step.astype(u.dtype) * source
        return lax.stop_gradient(field.stability_rate(t + step, there).astype(t.dtype))

    varies = rate_varies(field, t0, u0)

    def interval(progress: _Progress, t_end: Float[Array, ""]):
        # The clock of an interval starts at zero, and a step is as long as the clock says: far from
        # t = 0, the rounding of t + Δt is no small part of Δt.
        t_begin = progress.t
        length = t_end - t_begin

        def unfinished(p: _Progress):
            return (p.t < length) & p.finite & p.posed & (p.cell < 0) & (p.steps < max_steps)

        def advance(p: _Progress) -> _Progress:
            left = length - p.t
            now_at = t_begin + p.t
            after = lambda step: rate_after(now_at, p.u, step)
            rate = _rate_within(after, left, cfl) if varies else after(jnp.zeros_like(left))
            wanted = jnp.ceil(lax.stop_gradient(left) * rate / cfl - _SLACK)
            posed = jnp.isfinite(rate)
            count = jnp.where(wanted > 1.0, wanted, 1.0)  # NaN too: the loop then ends
            t_next = jnp.where(count == 1, length, p.t + left / count)
            dt = t_next - p.t
            u_next = tiled_step(stepper, field, now_at, p.u, dt)
            finite = field.everywhere(jnp.all(jnp.isfinite(u_next)))
            cell = lost_cell(field, u_next)
            good = finite & posed & (cell < 0)
            return _Progress(
                t=t_next,
                u=u_next,
                cfl=jnp.fmax(p.cfl, lax.stop_gradient(dt) * rate),
                steps=p.steps + 1,
                finite=finite,
                posed=posed,
                diffusivity=jnp.minimum(p.diffusivity, _least_diffusivity(field, now_at, p.u)),
                failed_at=jnp.where(good, p.failed_at, t_begin + t_next),
                cell=cell,
            )

        first = eqx.tree_at(lambda p: p.t, progress, jnp.zeros_like(t_begin))
        if isinstance(field, Block):
            last = checkpointed_while(unfinished, advance, first, max_steps)
        else:
            last = eqxi.while_loop(
                unfinished, advance, first, max_steps=max_steps, kind="checkpointed"
            )
        reached = jnp.where(last.t < length, t_begin + last.t, t_end)
        return eqx.tree_at(lambda p: p.t, last, reached), last.u

    initial = _start(field, u0, t0)
    last, states = lax.scan(interval, initial, save_at)
    reached = last.t >= save_at[-1]
    outcome = first_failure(
        (~initial.finite, Outcome.bad_initial),
        (last.cell >= 0, Outcome.not_positive),
        (~last.finite, Outcome.not_finite),
        (~(last.diffusivity >= 0), Outcome.ill_posed),
        (~last.posed, Outcome.wave_speed),
        (~reached, Outcome.too_many_steps),
    )
    time = jnp.minimum(last.failed_at, last.t)
    return states, Status(outcome, time, last.cfl, last.steps, last.cell, last.diffusivity)
