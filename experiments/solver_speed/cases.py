"""What is timed of ours: Euler, scalar laws, a gradient, each compiled and waited for."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.solver_speed.config import SolverSpeedConfig
from solvers import (
    HLLC,
    MUSCL,
    SSPRK2,
    WENO5Z,
    FiniteVolume,
    Grid,
    Periodic,
    minmod,
    solve,
)
from solvers.finite_volume import AbstractReconstruction
from solvers.laws import AbstractLaw, Advection, Diffusion, Euler

# States read and written by two fused stages: two arrays by the first, three by the second.
ARRAYS_A_STEP = 5


@dataclass(frozen=True)
class Case:
    """A solve of some steps, or another function of the initial state."""

    name: str
    function: Callable[[Array], Array]
    initial: Float[Array, "channels *space"]
    steps: int

    @cached_property
    def compiled(self) -> tuple[Callable[[Array], Array], float, float]:
        """The program, the seconds that compiling takes, and temporary bytes a cell."""
        start = time.perf_counter()
        program = jax.jit(self.function).lower(self.initial).compile()
        seconds = time.perf_counter() - start
        memory = program.memory_analysis()
        assert memory is not None  # every backend that jaxlib ships reports it
        return program, seconds, memory.temp_size_in_bytes / self.cells

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.initial.shape[1:])

    def seconds(self) -> float:
        """Wall time of a step."""
        program, _, _ = self.compiled
        start = time.perf_counter()
        jax.block_until_ready(program(self.initial))
        return (time.perf_counter() - start) / self.steps


def _square(n: int) -> tuple[Grid, Array, Array]:
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (n, n))
    x, y = jnp.meshgrid(*(jnp.asarray(c) for c in grid.centers), indexing="ij")
    return grid, x, y


def gas(n: int, dtype: jnp.dtype) -> tuple[Grid, Float[Array, "4 n n"]]:
    """A density wave that drifts, as the peers have it."""
    grid, x, y = _square(n)
    density = 1.0 + 0.2 * jnp.sin(2 * jnp.pi * x) * jnp.sin(2 * jnp.pi * y)
    one = jnp.ones_like(x)
    return grid, Euler().to_conserved(
        jnp.stack([density, 0.5 * one, -0.3 * one, one]).astype(dtype)
    )


def stepped(
    law: AbstractLaw, grid: Grid, scheme: AbstractReconstruction | None, dt: float, steps: int
) -> Callable[[Array], Array]:
    """The state after some equal steps of SSPRK2."""
    riemann = HLLC() if isinstance(law, Euler) else None
    field = FiniteVolume(
        law=law, grid=grid, boundary=Periodic(), reconstruction=scheme, riemann=riemann
    )

    def advance(u: Array) -> Array:
        solution = solve(field, u, t1=dt * steps, steps=steps, stepper=SSPRK2(), throw=False)
        return solution.states[-1]

    return advance


def euler(config: SolverSpeedConfig) -> Iterator[Case]:
    """Both reconstructions in both precisions on the small grid, and in single on the large one."""
    schemes = {"MUSCL": MUSCL(minmod), "WENO5-Z": WENO5Z()}
    many = max(8, config.steps * config.small**2 // config.large**2)
    for n, steps in ((config.small, config.steps), (config.large, many)):
        for name, scheme in schemes.items():
            for dtype in (jnp.float32, jnp.float64):
                if n == config.large and dtype == jnp.float64:
                    continue
                grid, u0 = gas(n, jnp.dtype(dtype))
                advance = stepped(Euler(), grid, scheme, 0.2 / n, steps)
                yield Case(f"Euler {n}², {name}, {dtype.__name__}", advance, u0, steps)


def scalars(config: SolverSpeedConfig) -> Iterator[Case]:
    """Advection and heat on a grid that no cache holds."""
    n = config.scalar
    grid, x, y = _square(n)
    u0 = (jnp.sin(2 * jnp.pi * x) * jnp.sin(2 * jnp.pi * y))[None].astype(jnp.float32)
    for name, law, scheme, dt in (
        ("advection", Advection(jnp.ones(2)), MUSCL(minmod), 0.2 / n),
        ("heat", Diffusion(1.0), None, 0.1 / n**2),
    ):
        steps = max(1, config.steps // 10)
        yield Case(f"{name} {n}², float32", stepped(law, grid, scheme, dt, steps), u0, steps)


def gradients(config: SolverSpeedConfig) -> Iterator[Case]:
    """A solve, and its gradient with respect to the initial state, for some numbers of steps."""
    n = config.gradient
    grid, u0 = gas(n, jnp.dtype(jnp.float32))
    for steps in config.gradient_steps:
        advance = stepped(Euler(), grid, MUSCL(minmod), 0.2 / n, steps)
        loss = lambda u, advance=advance: jnp.sum(advance(u) ** 2)
        yield Case(f"solve {n}², {steps} steps", advance, u0, steps)
        yield Case(gradient_name(n, steps), jax.grad(loss), u0, steps)


def gradient_name(n: int, steps: int) -> str:
    """The name of a case of `gradients`."""
    return f"gradient {n}², {steps} steps"
