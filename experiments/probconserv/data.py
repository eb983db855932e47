"""Contexts and targets, drawn from solutions."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from experiments.probconserv.problems import Problem


def random_grid(problem: Problem, *, stratified: bool, key: PRNGKeyArray) -> Int[Array, "points 2"]:
    """A tensor grid of random times and positions, as indices (time, cell).

    Args:
        problem: sizes.
        stratified: one time in each of `grid_size` equal intervals (contexts), else all uniform.
        key: random key.
    """
    time_key, cell_key = jax.random.split(key)
    size = problem.grid_size
    if stratified:
        width = problem.times // size
        times = jnp.arange(size) * width + jax.random.randint(time_key, (size,), 0, width)
    else:
        times = jax.random.choice(time_key, problem.times, (size,), replace=False)
    cells = jnp.sort(jax.random.choice(cell_key, problem.cells, (size,), replace=False))
    return jnp.stack(jnp.meshgrid(times, cells, indexing="ij"), axis=-1).reshape(-1, 2)


def coordinates(problem: Problem, index: Int[Array, "points 2"]) -> Float[Array, "points 2"]:
    """Coordinates of grid points: time and position as shares of their range, both in [0, 1]."""
    time, cell = index[:, 0], index[:, 1]
    t = (time + 1).astype(jnp.float32) / problem.times
    x = (cell.astype(jnp.float32) + 0.5) / problem.cells
    return jnp.stack([t, x], axis=-1)


def observe(field: Float[Array, "times cells"], index: Int[Array, "points 2"]):
    """Values of a field at grid points, shape (points, 1)."""
    return field[index[:, 0], index[:, 1], None]


class Episodes(eqx.Module):
    """Draws a batch of functions, each with a context, targets, and one coarse time slice.

    Attributes:
        fields: all solutions, shape (functions, times, cells).
        problem: the problem.
        batch: functions a draw.
    """

    fields: Float[Array, "functions times cells"]
    problem: Problem = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    def __call__(self, key: PRNGKeyArray) -> dict[str, Array]:
        """Draw one batch."""
        return jax.vmap(self._episode)(jax.random.split(key, self.batch))

    def _episode(self, key: PRNGKeyArray) -> dict[str, Array]:
        function_key, context_key, target_key, slice_key = jax.random.split(key, 4)
        problem = self.problem
        field = self.fields[jax.random.randint(function_key, (), 0, self.fields.shape[0])]
        context = random_grid(problem, stratified=True, key=context_key)
        target = random_grid(problem, stratified=False, key=target_key)
        time = jax.random.randint(slice_key, (), 0, problem.times)
        # Every fourth cell, the second of four: the penalty needs a mean, not every cell of it.
        cells = jnp.arange(1, problem.cells, 4)
        row = jnp.stack([jnp.full_like(cells, time), cells], axis=-1)
        return {
            "context_x": coordinates(problem, context),
            "context_y": observe(field, context),
            "target_x": coordinates(problem, target),
            "target_y": observe(field, target),
            "slice_x": coordinates(problem, row),
            "slice_mean": field[time, cells].mean(),
        }
