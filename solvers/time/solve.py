"""`solve`: a finite-volume field, an initial state and save times in; states and a status out."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, ArrayLike, Float

from ..finite_volume import FiniteVolume
from ..finite_volume.blocks import on_mesh
from .explicit import cfl_steps, equal_steps
from .implicit import AbstractErrorControlled
from .solution import Outcome, Solution, Status
from .stepper import SSPRK3, AbstractExplicit, AbstractStepper
from .times import checked_times, in_order


def solve(
    field: FiniteVolume,
    u0: ArrayLike,
    *,
    t0: ArrayLike = 0.0,
    t1: ArrayLike,
    save_at: ArrayLike | Sequence[float] | None = None,
    cfl: float = 0.4,
    steps: int | np.integer | None = None,
    max_steps: int = 100_000,
    stepper: AbstractStepper | None = None,
    throw: bool = True,
    mesh: Mesh | None = None,
) -> Solution:
    """Integrate ``du/dt = field(t, u)`` from t0 and return the states at the save times.

    Works under ``jax.jit`` and ``jax.vmap`` with everything but `steps`, `cfl` and the schemes
    traced. With `steps` it differentiates in forward and reverse mode (memory: the square root of
    their number of states); without, in reverse mode (memory: bounded by online checkpointing).

    Args:
        field: the discretised law.
        u0: cell averages at t0, ``(channels, *grid.shape)``; its precision is that of the solve.
        t0: initial time.
        t1: final time, and the only save time unless `save_at` says otherwise.
        save_at: strictly increasing times in [t0, t1], up to rounding; t0 itself may be among them.
        cfl: CFL number (convective and diffusive together, see `FiniteVolume.stability_rate`) that
            the time step keeps to; unused with `steps` and by implicit steppers.
        steps: with a number, that many equal steps between consecutive save times (and from t0 to
            the first one); the fast path. A step beyond the stepper's CFL limit is reported.
        max_steps: most steps the CFL-controlled or implicit loop takes.
        stepper: `SSPRK3` (default), `SSPRK2`, `SSPRK1`; for stiff diffusion `Implicit`, or `IMEX`
            where there is convection too.
        throw: raise when the solve fails; otherwise the status says so, and the states from
            there on mean nothing.
        mesh: devices to split the domain among: the first axis of the mesh splits the first space
            axis, and so on. u0 may be split already or not; the states are, and the numbers are
            those of one device up to round-off. Explicit steppers only.

    Raises:
        ValueError: for wrong shapes, options or times that are known when the call is made.
        TypeError: for a field or a stepper that is none, and for forward mode without `steps`.
        equinox.EquinoxRuntimeError: for failures found on the way, where `throw`.
    """
    stepper = SSPRK3() if stepper is None else stepper
    if not isinstance(field, FiniteVolume):
        raise TypeError(
            f"solve expected field to be a FiniteVolume, got {field!r}; build one from a law, a grid and "
            "a boundary."
        )
    if not isinstance(stepper, AbstractExplicit | AbstractErrorControlled):
        raise TypeError(
            "solve expected stepper to be SSPRK1(), SSPRK2(), SSPRK3(), Implicit() or IMEX(), got "
            f"{stepper!r}; use an instance of one of these."
        )
    u0 = jnp.asarray(u0)
    if not jnp.issubdtype(u0.dtype, jnp.floating):
        raise ValueError(
            f"solve expected u0 of a floating-point type, got {u0.dtype}; convert it first."
        )
    field.check_state(u0)
    _check_options(field, cfl, steps, max_steps, stepper)
    steps = None if steps is None else int(steps)
    if mesh is not None and not isinstance(stepper, AbstractExplicit):
        raise ValueError(
            f"solve expected an explicit stepper with a mesh, got {type(stepper).__name__}; use "
            "SSPRK3, or leave the mesh out."
        )
    start, stop, times = checked_times("solve", t0, t1, save_at)
    limit = jnp.asarray(cfl, times.dtype)
    inputs = (field, u0, start, stop, times, limit, steps, max_steps, stepper)
    if mesh is not None:
        states, status = on_mesh(_integrate, mesh, *inputs)
        return Solution(times, _raised(states, status, mesh) if throw else states, status)
    try:
        states, status = _integrate(*inputs)
    except TypeError as error:
        # Raised where the loop meets the derivative; jvp of a compiled function meets it elsewhere.
        if steps is None and "forward-mode" in str(error):
            raise TypeError(
                "solve expected steps= for forward-mode derivatives (jvp, jacfwd, hessian), got "
                "none; pass steps=, or use reverse mode (grad, jacrev)."
            ) from error
        raise
    if throw:
        states = status.outcome.error_if(states, ~status.ok)
    return Solution(times, states, status)


@eqx.filter_jit
def _integrate(
    field: FiniteVolume,
    u0: Float[Array, "channels *space"],
    t0: Float[Array, ""],
    t1: Float[Array, ""],
    times: Float[Array, " time"],
    cfl: Float[Array, ""],
    steps: int | None,
    max_steps: int,
    stepper: AbstractStepper,
) -> tuple[Float[Array, "time channels *space"], Status]:
    if isinstance(stepper, AbstractExplicit):
        if steps is None:
            states, status = cfl_steps(field, u0, t0, times, stepper, cfl, max_steps)
        else:
            states, status = equal_steps(field, u0, t0, times, stepper, steps)
    else:
        assert isinstance(stepper, AbstractErrorControlled)
        states, status = stepper.integrate(field, u0, t0, times, max_steps)
    # Traced times cannot be checked when the call is made.
    outcome = Outcome.where(in_order(t0, t1, times), status.outcome, Outcome.bad_times)
    return states, eqx.tree_at(lambda s: s.outcome, status, outcome)


def _raised(
    states: Float[Array, "time channels *space"], status: Status, mesh: Mesh
) -> Float[Array, "time channels *space"]:
    """The states of a mesh, unless the solve failed; they stay where they are."""
    if isinstance(status.outcome == Outcome.success, Tracer):
        return _raised_on_devices(states, status, mesh)
    here = jax.tree.map(jnp.asarray, jax.device_get(status))
    here.outcome.error_if(here.time, ~here.ok)
    return states


@eqx.filter_jit
def _raised_on_devices(
    states: Float[Array, "time channels *space"], status: Status, mesh: Mesh
) -> Float[Array, "time channels *space"]:
    split = PartitionSpec(None, None, *mesh.axis_names)
    return jax.shard_map(
        lambda states, status: status.outcome.error_if(states, ~status.ok),
        mesh=mesh,
        in_specs=(split, PartitionSpec()),
        out_specs=split,
        check_vma=False,
    )(states, status)


def _check_options(
    field: FiniteVolume,
    cfl: float,
    steps: int | np.integer | None,
    max_steps: int,
    stepper: AbstractStepper,
) -> None:
    limit = stepper.cfl_limit(field)
    if not (math.isfinite(cfl) and 0 < cfl <= limit):
        raise ValueError(
            f"solve expected 0 < cfl <= {limit:g} for {type(stepper).__name__} with "
            f"{type(field.reconstruction).__name__}, got "
            f"{cfl}; beyond the limit the scheme is unstable, choose for example cfl=0.4."
        )
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and (not isinstance(value, int | np.integer) or value < 1):
            raise ValueError(
                f"solve expected {name} to be a whole number >= 1, got {value}; "
                f"ask for at least one step."
            )
