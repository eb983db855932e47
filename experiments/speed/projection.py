"""A projection is linear in the number of cells, and takes milliseconds a function.

`python -m experiments.speed.projection` prints time and temporary memory against n, for independent cells
and for a covariance of low rank, and the time for a function of 201 times and 201 points with 100 samples, 50
functions in all.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from experiments.speed.timing import median_seconds
from jaxsci.constraints import conservation, project
from solvers import Grid


def projected(grid: Grid):
    """A compiled projection onto one total a field, returning mean and variance."""

    @jax.jit
    def call(mean, scale, total):
        out = project(dist.Normal(mean, scale), conservation(grid, total))
        return out.mean, out.variance

    return call


def low_rank(grid: Grid):
    """The same for eight shared directions beside the cells' own variances."""

    @jax.jit
    def call(mean, factor, diagonal, total):
        field = dist.LowRankMultivariateNormal(mean, factor, diagonal)
        out = project(field, conservation(grid, total))
        return out.mean, out.variance

    return call


def scaling(title: str, make, arguments) -> None:
    """One field of n cells, n from 1e3 to 1e7."""
    print(f"{title}\n       n   milliseconds   ns a cell   temporary bytes a cell")
    sizes = [1000, 10_000, 100_000, 1_000_000, 10_000_000]
    seconds = []
    for n in sizes:
        call, inputs = make(Grid.uniform(0.0, 1.0, n)), arguments(n)
        memory = call.lower(*inputs).compile().memory_analysis()
        assert memory is not None  # every backend that jaxlib ships reports it
        bytes_a_cell = memory.temp_size_in_bytes / n
        seconds.append(median_seconds(call, *inputs, repeats=9))
        print(
            f"{n:8d} {1e3 * seconds[-1]:14.3f} {1e9 * seconds[-1] / n:11.2f} {bytes_a_cell:16.1f}",
            flush=True,
        )
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    print(f"log-log slope: {slope:.2f} (linear: 1; a dense covariance: 2)\n")


def batch(functions: int = 50, samples: int = 100, times: int = 201, cells: int = 201) -> None:
    """Fifty functions on 201 by 201 points, each with 100 samples and one total a time."""
    call = projected(Grid.uniform(0.0, 1.0, cells))
    mean = jax.random.normal(jax.random.key(0), (samples, times, cells))
    arguments = (mean, jnp.ones_like(mean), jnp.linspace(0.0, 1.0, times))
    one = median_seconds(call, *arguments, repeats=7)
    print(
        f"{samples} samples of {times} x {cells} points: {1e3 * one:.1f} ms a function, "
        f"{1e3 * one / samples:.3f} ms a sample; {functions} functions: {functions * one:.2f} s"
    )


if __name__ == "__main__":
    field = jax.random.normal
    scaling(
        "independent cells",
        projected,
        lambda n: (field(jax.random.key(0), (n,)), jnp.ones(n), jnp.ones(())),
    )
    scaling(
        "eight shared directions",
        low_rank,
        lambda n: (
            field(jax.random.key(0), (n,)),
            field(jax.random.key(1), (n, 8)),
            jnp.ones(n),
            jnp.ones(()),
        ),
    )
    batch()
