"""Error-controlled steps that treat stiff diffusion implicitly, by diffrax.

`Implicit` takes the whole right-hand side implicitly (Kværnø's method of order 3), `IMEX` the diffusion
alone, and convection and sources explicitly (the pair of order 3 of Kennedy and Carpenter). Newton's
method meets the matrix I − γ Δt J. For pure diffusion of one quantity in one dimension without periodic
ends it is tridiagonal: formed from three Jacobian products, solved in O(n). In more dimensions it is
never formed: GMRES multiplies by it. The rest, systems and circles in one dimension, is dense. Newton
rather than the chord method: at a degenerate front k jumps, and the Jacobian of the step's start serves
it badly.

Reference: A. Kværnø, BIT 44 (2004) 489, doi:10.1023/B:BITN.0000046811.70614.38; C. A. Kennedy,
M. H. Carpenter, Appl. Numer. Math. 44 (2003) 139, doi:10.1016/S0168-9274(02)00138-1; Y. Saad,
M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856, doi:10.1137/0907058.
"""

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import optimistix
from jaxtyping import Array, Float

from ..boundary import Periodic
from ..finite_volume import FiniteVolume
from ..laws.law import State
from .explicit import lost_cell
from .solution import Outcome, Status, first_failure
from .stepper import AbstractStepper

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


class _TridiagonalNewton(optimistix.Newton):
    """Newton's method told that its Jacobian is tridiagonal (diffrax passes no such tag)."""

    def step(self, fn, y, args, options, state, tags):
        return super().step(fn, y, args, options, state, tags | {lineax.tridiagonal_tag})


class AbstractErrorControlled(AbstractStepper):
    """A stepper of diffrax: steps as long as the error tolerances allow."""

    rtol: eqx.AbstractVar[float]
    """Relative error tolerance of a step."""
    atol: eqx.AbstractVar[float]
    """Absolute error tolerance of a step."""
    explicit_convection: AbstractClassVar[bool]
    """Whether only the diffusion is implicit."""

    @abc.abstractmethod
    def solver(self, root_finder: Any) -> diffrax.AbstractSolver:
        """The method, given how to solve for a stage."""

    def __check_init__(self):
        if not (self.rtol > 0 and self.atol > 0):
            raise ValueError(
                f"{type(self).__name__} expected positive tolerances, got rtol={self.rtol} and "
                f"atol={self.atol}; choose for example 1e-6 and 1e-8."
            )

    def cfl_limit(self, field: FiniteVolume) -> float:
        """None: the steps are limited by accuracy alone."""
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
        # Time counts from t0, in the precision of the state as diffrax wants it: far from zero,
        # steps would be lost in the rounding of times.
        clock = lambda t: (t - t0).astype(u0.dtype)

        def flat(rate: Callable[..., State]) -> Callable[..., Array]:
            return lambda t, y, args: rate(
                t0 + t.astype(t0.dtype), y.reshape(u0.shape), args
            ).ravel()

        if self.explicit_convection:
            terms: Any = diffrax.MultiTerm(
                diffrax.ODETerm(flat(field.convective_rate)),
                diffrax.ODETerm(flat(field.diffusive_rate)),
            )
        else:
            terms = diffrax.ODETerm(flat(field))
        solution = diffrax.diffeqsolve(
            terms,
            self.solver(self._root_finder(field)),
            t0=clock(t0),
            t1=clock(save_at[-1]),
            dt0=None,
            y0=u0.ravel(),
            saveat=diffrax.SaveAt(ts=clock(save_at)),
            stepsize_controller=diffrax.PIDController(rtol=self.rtol, atol=self.atol),
            max_steps=max_steps,
            throw=False,
        )
        assert solution.ys is not None
        states = solution.ys.reshape(save_at.shape + u0.shape)
        posed = jnp.isfinite(field.stability_rate(t0, u0))
        diffusivity = field.least_diffusivity(t0, u0).astype(save_at.dtype)
        # A state is looked at where it is saved.
        cells = jax.vmap(lambda u: lost_cell(field, u))(jnp.concatenate([u0[None], states]))
        cell = cells[jnp.argmax(cells >= 0)]
        outcome = first_failure(
            (~jnp.all(jnp.isfinite(u0)), Outcome.bad_initial),
            (cells[0] >= 0, Outcome.not_positive),
            (~(diffusivity >= 0), Outcome.ill_posed),
            (~posed, Outcome.wave_speed),
            (solution.result == diffrax.RESULTS.max_steps_reached, Outcome.too_many_steps),
            (solution.result != diffrax.RESULTS.successful, Outcome.no_convergence),
            (cell >= 0, Outcome.not_positive),
            (~jnp.all(jnp.isfinite(states)), Outcome.not_finite),
        )
        # diffrax leaves infinities at the times it did not reach.
        saved = jnp.isfinite(states).all(axis=tuple(range(1, states.ndim)))
        time = jnp.max(jnp.where(saved, save_at, t0))
        time = jnp.where(cell >= 0, jnp.append(t0, save_at)[jnp.argmax(cells >= 0)], time)
        steps = jnp.asarray(solution.stats["num_steps"], dtype=jnp.int32)
        no_limit = jnp.zeros((), save_at.dtype)
        return states, Status(outcome, time, no_limit, steps, cell, diffusivity)

    def _root_finder(self, field: FiniteVolume) -> optimistix.AbstractRootFinder:
        rtol, atol, norm = 0.1 * self.rtol, 0.1 * self.atol, optimistix.rms_norm
        law, grid = field.law, field.grid
        if grid.ndim > 1:
            gmres = lineax.GMRES(rtol, atol, restart=30, stagnation_iters=60)
            return optimistix.Newton(rtol, atol, norm=norm, linear_solver=gmres)
        convects = law.has_convection and not self.explicit_convection
        closed = isinstance(field.boundary[0][0], Periodic)
        tridiagonal = law.channel_count(1) == 1 and not convects and not closed
        newton = _TridiagonalNewton if tridiagonal else optimistix.Newton
        return newton(rtol, atol, norm=norm)


class Implicit(AbstractErrorControlled):
    """An implicit stepper with error control, passed as ``solve(..., stepper=Implicit())``.

    Args:
        rtol: relative error tolerance of a step.
        atol: absolute error tolerance of a step.
    """

    rtol: float = eqx.field(static=True, default=1e-6)
    atol: float = eqx.field(static=True, default=1e-8)
    explicit_convection: ClassVar[bool] = False

    def solver(self, root_finder: Any) -> diffrax.AbstractSolver:
        """Kværnø's method of order 3."""
        return diffrax.Kvaerno3(root_finder=root_finder)


class IMEX(AbstractErrorControlled):
    """Diffusion implicit, convection and sources explicit: for stiff diffusion in a flow.

    Args:
        rtol: relative error tolerance of a step.
        atol: absolute error tolerance of a step.
    """

    rtol: float = eqx.field(static=True, default=1e-6)
    atol: float = eqx.field(static=True, default=1e-8)
    explicit_convection: ClassVar[bool] = True

    def solver(self, root_finder: Any) -> diffrax.AbstractSolver:
        """The pair ARK3(2)4L[2]SA of Kennedy and Carpenter."""
        return diffrax.KenCarp3(root_finder=root_finder)
