"""Stefan solutions from the finite-volume solver, and contexts drawn from them.

Contexts and targets are the solver's own cells at its output times, so that no value is interpolated
across the shock (the published diffusion data are mislabelled by such an interpolation). The test truth is
the exact solution, averaged over cells.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from experiments.probconserv.config import Data
from solvers import SSPRK2, Dirichlet, FiniteVolume, Grid, Neumann, solve
from solvers.laws import Stefan


def output_times(config: Data) -> Float[np.ndarray, " times"]:
    """Times in (0, T] at which solutions are stored."""
    return np.linspace(0.0, config.horizon, config.times + 1)[1:]


def solve_stefan(config: Data) -> Float[Array, "functions times cells"]:
    """Solve all thresholds in double precision."""
    with jax.enable_x64(True):
        grid = Grid.uniform(0.0, 1.0, config.cells)
        times = output_times(config)
        # 0.8 of the explicit limit dt = dx²/2 between two output times.
        steps = int(2 * config.cells**2 * (times[1] - times[0]) / 0.8) + 1

        def solution(threshold):
            field = FiniteVolume(
                law=Stefan(threshold), grid=grid, boundary=(Dirichlet(1.0), Neumann(0.0))
            )
            u0 = jnp.zeros((1, config.cells))
            states = solve(
                field, u0, t1=config.horizon, save_at=times, steps=steps, stepper=SSPRK2()
            ).states
            return states[:, 0]

        thresholds = jnp.linspace(*config.threshold, config.functions)
        return jax.jit(jax.vmap(solution))(thresholds).astype(jnp.float32)


def exact(config: Data, threshold: float) -> tuple[Array, Array, Array]:
    """Exact cell averages (times, cells), masses (times,) and fronts (times,), single precision."""
    with jax.enable_x64(True):
        faces = jnp.asarray(Grid.uniform(0.0, 1.0, config.cells).faces[0])
        times = jnp.asarray(output_times(config))
        parts = _similarity(Stefan(threshold), times, faces)
        return tuple(part.astype(jnp.float32) for part in parts)  # pyright: ignore[reportReturnType]


@jax.jit
def _similarity(law: Stefan, times, faces) -> tuple[Array, Array, Array]:
    fields = jax.vmap(lambda t: law.similarity_averages(t, faces))(times)
    return fields, law.similarity_mass(times), law.front(times)


def random_grid(config: Data, *, stratified: bool, key: PRNGKeyArray) -> Int[Array, "points 2"]:
    """A tensor grid of random times and positions, as indices (time, cell).

    Args:
        config: sizes.
        stratified: one time in each of `grid_size` equal intervals (contexts), else all uniform.
        key: random key.
    """
    time_key, cell_key = jax.random.split(key)
    size = config.grid_size
    if stratified:
        width = config.times // size
        times = jnp.arange(size) * width + jax.random.randint(time_key, (size,), 0, width)
    else:
        times = jax.random.choice(time_key, config.times, (size,), replace=False)
    cells = jnp.sort(jax.random.choice(cell_key, config.cells, (size,), replace=False))
    return jnp.stack(jnp.meshgrid(times, cells, indexing="ij"), axis=-1).reshape(-1, 2)


def coordinates(config: Data, index: Int[Array, "points 2"]) -> Float[Array, "points 2"]:
    """Coordinates (t/T, x) of grid points, both in [0, 1]."""
    time, cell = index[:, 0], index[:, 1]
    t = (time + 1).astype(jnp.float32) / config.times
    x = (cell.astype(jnp.float32) + 0.5) / config.cells
    return jnp.stack([t, x], axis=-1)


def observe(field: Float[Array, "times cells"], index: Int[Array, "points 2"]):
    """Values of a field at grid points, shape (points, 1)."""
    return field[index[:, 0], index[:, 1], None]


class Episodes(eqx.Module):
    """Draws a batch of functions, each with a context, targets, and one coarse time slice.

    Attributes:
        fields: all solutions, shape (functions, times, cells).
        config: the problem.
        batch: functions a draw.
    """

    fields: Float[Array, "functions times cells"]
    config: Data = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    def __call__(self, key: PRNGKeyArray) -> dict[str, Array]:
        """Draw one batch."""
        return jax.vmap(self._episode)(jax.random.split(key, self.batch))

    def _episode(self, key: PRNGKeyArray) -> dict[str, Array]:
        function_key, context_key, target_key, slice_key = jax.random.split(key, 4)
        config = self.config
        field = self.fields[jax.random.randint(function_key, (), 0, self.fields.shape[0])]
        context = random_grid(config, stratified=True, key=context_key)
        target = random_grid(config, stratified=False, key=target_key)
        time = jax.random.randint(slice_key, (), 0, config.times)
        # Every fourth cell, the second of four: the penalty needs a mass, not every cell of it.
        cells = jnp.arange(1, config.cells, 4)
        row = jnp.stack([jnp.full_like(cells, time), cells], axis=-1)
        return {
            "context_x": coordinates(config, context),
            "context_y": observe(field, context),
            "target_x": coordinates(config, target),
            "target_y": observe(field, target),
            "slice_x": coordinates(config, row),
            "slice_mass": field[time, cells].mean(),
        }
