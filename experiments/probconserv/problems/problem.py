"""A conservation law with one parameter, on cells and output times that can be observed.

Contexts and targets are cells at output times, so that no value is interpolated across a shock (the
published diffusion data are mislabelled by such an interpolation). The test truth is exact: averages over
cells, total, position of the front.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvers import Grid

Scalar = Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class Problem(ABC):
    """A problem on an interval and (0, horizon].

    Args:
        parameter: range of the parameter in training.
        tested: parameters of the test.
        compared_at: when the test compares, one of the output times.
        horizon: T.
        functions: solved parameters, in the middles of equal parts of the range.
        cells: cells of the solver, which are also the points that can be observed.
        times: output times, evenly spaced in (0, horizon].
        grid_size: contexts and targets are tensor grids of this many times and positions.
    """

    parameter: tuple[float, float]
    tested: tuple[float, ...]
    compared_at: float
    horizon: float
    functions: int = 64
    cells: int = 200
    times: int = 200
    grid_size: int = 10

    def __post_init__(self):
        name = type(self).__name__
        if min(self.functions, self.cells, self.times, self.grid_size) < 1 or not self.tested:
            raise ValueError(
                f"{name} expected positive sizes and parameters to test, got {self}; give numbers of at "
                "least 1, and one parameter."
            )
        if self.times % self.grid_size or self.cells < self.grid_size:
            raise ValueError(
                f"{name} expected times to be a multiple of grid_size={self.grid_size} and at least as "
                f"many cells, got times={self.times} and cells={self.cells}."
            )

    @property
    def domain(self) -> tuple[float, float]:
        """The interval."""
        return 0.0, 1.0

    @property
    def symbol(self) -> str:
        """The parameter's name in tables."""
        return "k"

    @property
    def grid(self) -> Grid:
        """The cells."""
        return Grid.uniform(*self.domain, self.cells)

    @property
    def output_times(self) -> Float[np.ndarray, " times"]:
        """Times in (0, T] at which solutions are stored."""
        return np.linspace(0.0, self.horizon, self.times + 1)[1:]

    @property
    def moment(self) -> int:
        """The index of the compared time."""
        return int(np.argmin(np.abs(self.output_times - self.compared_at)))

    @abstractmethod
    def averages(
        self, p: Scalar, t: Scalar, faces: Float[Array, " faces"]
    ) -> Float[Array, " cells"]:
        """The exact cell averages at one time."""

    @abstractmethod
    def total(self, p: Scalar, t: Scalar) -> Scalar:
        """The exact integral over the interval at one time."""

    def solved(self, p: Scalar) -> Float[Array, "times cells"]:
        """Training data of one parameter: exact, unless the problem solves by finite volumes."""
        return self._exactly(p)

    def front(self, p: Scalar, t: Scalar) -> Scalar | None:
        """Where the jump is, for problems that have one."""
        del p, t
        return None

    def level(self, p: float) -> float:
        """The value in the middle of the jump."""
        raise NotImplementedError(f"{type(self).__name__} has no jump; ask `front` first.")

    def points(
        self, p: Scalar, t: Scalar, x: Float[Array, " nodes"]
    ) -> Float[Array, " nodes"] | None:
        """The exact values at points, for problems that compare nodes with cells."""
        del p, t, x
        return None

    def training_fields(self) -> Float[Array, "functions times cells"]:
        """All training solutions, computed in double and returned in single precision."""
        with jax.enable_x64(True):
            low, high = self.parameter
            # The middles of equal parts, so that no tested parameter is among them.
            middles = (jnp.arange(self.functions) + 0.5) / self.functions
            parameters = low + (high - low) * middles
            return jax.jit(jax.vmap(self.solved))(parameters).astype(jnp.float32)

    def exact(self, p: float) -> tuple[Float[Array, "times cells"], Float[Array, " times"]]:
        """Exact cell averages and totals at all output times, in single precision."""
        with jax.enable_x64(True):
            value = jnp.asarray(p)
            times = jnp.asarray(self.output_times)
            totals = jax.jit(jax.vmap(self.total, (None, 0)))(value, times)
            return self._fields(value).astype(jnp.float32), totals.astype(jnp.float32)

    def in_double(
        self, function: Callable[[Scalar, Scalar], Array | None], p: float
    ) -> Array | None:
        """A function of parameter and compared time, computed in double precision."""
        with jax.enable_x64(True):
            t = jnp.asarray(self.output_times[self.moment])
            value = function(jnp.asarray(p), t)
            return None if value is None else value.astype(jnp.float32)

    def _fields(self, p: Scalar) -> Float[Array, "times cells"]:
        return jax.jit(self._exactly)(p)

    def _exactly(self, p: Scalar) -> Float[Array, "times cells"]:
        faces, times = jnp.asarray(self.grid.faces[0]), jnp.asarray(self.output_times)
        return jax.vmap(lambda t: self.averages(p, t, faces))(times)

    def _steps(self, rate: float) -> int:
        """Equal steps between two output times at 0.8 of the limit 1/rate."""
        return int(rate * self.horizon / self.times / 0.8) + 1
