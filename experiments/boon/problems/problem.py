"""A problem on an interval, and data sets of it: initial field, boundary values, later field.

The operators work on nodes that include both ends, the solver on cells. Every node is a face of the
solver's grid; the values at the nodes are its face values, with the boundary condition honoured.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxsci.constraints import AbstractEnds

Parameters = Any
"""What differs between samples: a dictionary of arrays, with the samples in front."""


@dataclass(frozen=True, kw_only=True)
class Problem(ABC):
    """A problem on [0, 1].

    Args:
        time: when the solution is asked for.
        nodes: nodes of the operators, both ends included.
        cells: cells of the solver, a multiple of nodes − 1.
        train: samples to train on.
        test: samples to test on, drawn from the same ranges with another key.
    """

    time: float
    nodes: int = 129
    cells: int = 256
    train: int = 500
    test: int = 100

    def __post_init__(self):
        name = type(self).__name__
        if self.nodes < 9 or min(self.cells, self.train, self.test) < 1 or not self.time > 0:
            raise ValueError(
                f"{name} expected a positive time, at least 9 nodes and positive cells, train and test, "
                f"got {self.time}, {self.nodes}, {self.cells}, {self.train} and {self.test}; give larger "
                "numbers."
            )
        if self.cells % (self.nodes - 1):
            raise ValueError(
                f"{name} expected cells to be a multiple of nodes - 1 = {self.nodes - 1}, got "
                f"{self.cells}; a node must lie on a face."
            )

    @property
    @abstractmethod
    def ends(self) -> AbstractEnds:
        """The condition at the two ends."""

    @abstractmethod
    def draw(self, samples: int, *, key: PRNGKeyArray) -> Parameters:
        """Draw the parameters of so many samples."""

    @abstractmethod
    def at(
        self, parameters: Parameters, t: float, x: Float[Array, " nodes"]
    ) -> Float[Array, " nodes"]:
        """The exact field of one sample at a time; x are equispaced, from 0 to 1."""

    def initial(self, parameters: Parameters, x: Float[Array, " nodes"]) -> Float[Array, " nodes"]:
        """The initial field of one sample, at any points."""
        return self.at(parameters, 0.0, x)

    @abstractmethod
    def solve(self, parameters: Parameters, cells: int) -> Float[Array, " faces"]:
        """The later field of one sample by finite volumes, at the faces of that many cells."""

    def values(self, parameters: Parameters) -> Float[Array, "2"] | None:
        """What the ends prescribe at the later time, for one sample; None for periodic ends."""
        del parameters
        return None

    @property
    def x(self) -> Float[Array, " nodes"]:
        """The nodes."""
        return jnp.linspace(0.0, 1.0, self.nodes)


def uniform(
    samples: int, ranges: dict[str, tuple[float, float]], *, key: PRNGKeyArray
) -> dict[str, Float[Array, " samples"]]:
    """Parameters drawn uniformly, each with a key of its own."""
    keys = jax.random.split(key, len(ranges))
    return {
        name: jax.random.uniform(k, (samples,), jnp.float64, *limits)
        for k, (name, limits) in zip(keys, ranges.items(), strict=True)
    }


class Samples(eqx.Module):
    """Inputs, solutions and boundary values of a set of functions, in single precision.

    Attributes:
        x: initial field at the nodes.
        y: later field by finite volumes.
        exact: later field, exactly.
        values: what the ends prescribe at the later time.
        parameters: of each sample.
    """

    x: Float[Array, "samples 1 nodes"]
    y: Float[Array, "samples 1 nodes"]
    exact: Float[Array, "samples 1 nodes"]
    values: Float[Array, "samples 2"] | None
    parameters: Parameters


def generate(problem: Problem, samples: int, *, key: PRNGKeyArray) -> Samples:
    """Draw and solve that many samples in double precision."""
    with jax.enable_x64(True):
        parameters = problem.draw(samples, key=key)
        stride = problem.cells // (problem.nodes - 1)

        def one(p) -> Samples:
            fields = (
                problem.initial(p, problem.x),
                problem.solve(p, problem.cells)[::stride],
                problem.at(p, problem.time, problem.x),
            )
            return Samples(*(f[None] for f in fields), values=problem.values(p), parameters=p)

        solved = jax.jit(jax.vmap(one))(parameters)
        return jax.tree.map(lambda a: a.astype(jnp.float32), solved)
