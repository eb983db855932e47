"""Error-controlled implicit steps for stiff diffusion, by diffrax.

Kværnø's singly diagonally implicit method of order 3 with Newton's method. For pure diffusion in
one dimension without periodic ends the Newton matrix I − γ Δt J is tridiagonal: it is formed from
three Jacobian products and solved in O(n). Elsewhere it is dense, O(n³), which is fine for some
hundred cells. Newton rather than the chord method: at a degenerate front k jumps, and the Jacobian
of the step's start serves it badly.

Reference: A. Kværnø, BIT 44 (2004) 489, doi:10.1023/B:BITN.0000046811.70614.38.
"""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import lineax
import optimistix
from jaxtyping import Array, Float

from ..boundary import Periodic
from ..finite_volume import FiniteVolume
from ..laws.law import State
from .solution import Outcome, Status, first_failure
from .stepper import AbstractStepper


class _TridiagonalNewton(optimistix.Newton):
    """Newton's method told that its Jacobian is tridiagonal (diffrax passes no such tag)."""

    def step(self, fn, y, args, options, state, tags):
        return super().step(fn, y, args, options, state, tags | {lineax.tridiagonal_tag})


class Implicit(AbstractStepper):
    """An implicit stepper with error control, passed as ``solve(..., stepper=Implicit())``.

    Args:
        rtol: relative error tolerance of a step.
        atol: absolute error tolerance of a step.
    """

    rtol: float = eqx.field(static=True, default=1e-6)
    atol: float = eqx.field(static=True, default=1e-8)

    def __check_init__(self):
        if not (self.rtol > 0 and self.atol > 0):
            raise ValueError(
                f"Implicit expected positive tolerances, got rtol={self.rtol} and "
                f"atol={self.atol}; choose for example 1e-6 and 1e-8."
            )

    def cfl_limit(self, field: FiniteVolume) -> float:
        """None: implicit steps are limited by accuracy alone."""
        del field
        return float("inf")

    def integrate(
        self,
        field: FiniteVolume,
        u0: State,
        t0: Float[Array, ""],
        save_at: Float[Array, " time"],
        max_steps: int,
    ) -> tuple[Float[Array, "time channels *space"], Status]:
        """States at the save times, and the status."""

        def rate(t: Any, y: Array, args: Any) -> Array:
            return field(t, y.reshape(u0.shape), args).ravel()

        tridiagonal = (
            field.grid.ndim == 1
            and field.law.channel_count(1) == 1
            and not field.law.has_convection
            and not isinstance(field.boundary[0][0], Periodic)
        )
        newton = _TridiagonalNewton if tridiagonal else optimistix.Newton
        solver = diffrax.Kvaerno3(
            root_finder=newton(rtol=0.1 * self.rtol, atol=0.1 * self.atol, norm=optimistix.rms_norm)
        )
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            solver,
            t0=t0.astype(u0.dtype),
            t1=save_at[-1].astype(u0.dtype),
            dt0=None,
            y0=u0.ravel(),
            saveat=diffrax.SaveAt(ts=save_at.astype(u0.dtype)),
            stepsize_controller=diffrax.PIDController(rtol=self.rtol, atol=self.atol),
            max_steps=max_steps,
            throw=False,
        )
        assert solution.ys is not None
        states = solution.ys.reshape(save_at.shape + u0.shape)
        finite = jnp.all(jnp.isfinite(states))
        outcome = first_failure(
            (~jnp.all(jnp.isfinite(u0)), Outcome.bad_initial),
            (solution.result == diffrax.RESULTS.max_steps_reached, Outcome.too_many_steps),
            (solution.result != diffrax.RESULTS.successful, Outcome.no_convergence),
            (~finite, Outcome.not_finite),
        )
        # diffrax leaves infinities at the times it did not reach.
        saved = jnp.isfinite(states).all(axis=tuple(range(1, states.ndim)))
        time = jnp.max(jnp.where(saved, save_at, t0))
        steps = jnp.asarray(solution.stats["num_steps"], dtype=jnp.int32)
        return states, Status(outcome, time, jnp.zeros((), save_at.dtype), steps)
