"""What `solve` returns: the states at the save times, and how it went."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Outcome(eqx.Enumeration):
    """How a solve ended; each failure says what to do."""

    success = "The solve reached its last save time."
    bad_times = (
        "solve expected finite t0 < t1 and strictly increasing save times within [t0, t1], got "
        "others; sort them, remove duplicates and check t0 and t1."
    )
    bad_initial = (
        "solve expected a finite initial state, got NaN or infinity in u0; check the initial "
        "condition."
    )
    unstable = (
        "solve expected a CFL number within the stepper's limit, got a larger one with the given "
        "steps; raise steps, leave it out to step by the CFL number, or use Implicit() where diffusion or a "
        "source is stiff (throw=False returns the status, with the time and the CFL number)."
    )
    not_finite = (
        "solve expected a finite state, got NaN or infinity on the way; lower cfl and check the "
        "boundary values and parameters (throw=False returns the status, with the time)."
    )
    not_positive = (
        "solve expected positive densities and pressures and non-negative depths, got others or "
        "NaN; lower cfl, and use HLLC or HLL with MUSCL or PiecewiseConstant (throw=False returns the "
        "status, with the time and the cell)."
    )
    ill_posed = (
        "solve expected a finite, non-negative diffusivity (or viscosity), got another; check the parameters "
        "of the law and the sign of its potential (throw=False returns the status, with the time and the "
        "diffusivity)."
    )
    wave_speed = (
        "solve expected finite wave speeds, got NaN or infinity; check the parameters and max_wave_speed of "
        "the law (throw=False returns the status, with the time)."
    )
    too_many_steps = (
        "solve expected to reach t1 within max_steps steps, got no further; raise max_steps, "
        "coarsen the grid, or use Implicit() where diffusion or a source is stiff (throw=False "
        "returns the status, with the time)."
    )
    no_convergence = (
        "solve expected the implicit solver to converge, got a failure; loosen its tolerances "
        "(throw=False returns the status)."
    )


class Status(eqx.Module):
    """How a solve went.

    Attributes:
        outcome: an `Outcome`; its message names the cause and the remedy.
        time: where it failed, or the last save time. A state that is not finite is dated by the
            step that made it with CFL-controlled steps, by the next save time with fixed steps.
        cfl: the largest CFL number of a step; zero for implicit steppers, which have no limit.
        steps: number of time steps.
        cell: where a density, pressure or depth first lost its sign, as an index into the flattened
            grid (``numpy.unravel_index`` gives the indices along the axes); −1 where none did.
        diffusivity: the smallest Φ'(u) met if that is negative, NaN if one was NaN, else zero.
    """

    outcome: Outcome
    time: Float[Array, "..."]
    cfl: Float[Array, "..."]
    steps: Int[Array, "..."]
    cell: Int[Array, "..."] = eqx.field(default_factory=lambda: jnp.full((), -1, jnp.int32))
    diffusivity: Float[Array, "..."] = eqx.field(default_factory=lambda: jnp.zeros(()))

    @property
    def ok(self) -> Bool[Array, "..."]:
        """Whether the solve succeeded."""
        return self.outcome == Outcome.success


class Solution(eqx.Module):
    """States of a solve.

    Attributes:
        times: the save times.
        states: cell averages at these times, ``(time, channels, *space)``.
        status: how it went.
    """

    times: Float[Array, "..."]
    states: Float[Array, "..."]
    status: Status


def first_failure(*checks: tuple[Bool[Array, ""], Outcome]) -> Outcome:
    """The outcome of the first check that holds, else success."""
    outcome = Outcome.success
    for failed, name in reversed(checks):
        outcome = Outcome.where(failed, name, outcome)
    return outcome
