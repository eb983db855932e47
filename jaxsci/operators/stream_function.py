r"""Velocities without divergence from a stream function, or in three dimensions a vector potential.

    2-D    u = ∂ψ/∂y,  v = −∂ψ/∂x          3-D    u = ∇ × A

On the staggered grid ψ lives at the corners of the cells, A_d at the centres of the edges along axis d, and
the velocity on the faces. The discrete divergence of the discrete curl is a sum in which every value of the
potential occurs with both signs: it is zero to round-off, ε max|A|/h², whatever the network says.

References: F. H. Harlow, J. E. Welch, Phys. Fluids 8 (1965) 2182, doi:10.1063/1.1761178, for the grid;
N. Liu, Y. Fan, X. Zeng, M. Klöwer, L. Zhang, Y. Yu, Harnessing the Power of Neural Operators with
Automatically Encoded Conservation Laws (clawNO), ICML 2024, arXiv:2312.11176, for curls as a last layer.
Theirs are spectral or finite-difference derivatives at points; on faces they need no periodicity.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from solvers.incompressible import StaggeredGrid, Velocity
from solvers.incompressible.staggered import cut

from .._module import Module


class StreamFunction(Module):
    """A velocity on the faces of a staggered grid, free of divergence by construction.

    The operator maps a field to the potential, `(1, nx, ny)` for ψ or `(3, nx, ny, nz)` for A. The value in a
    cell is that at its *lower* corner, or lower edge; in walls the potential along them is zero, so nothing
    flows through, and what the operator says there is not used. Every velocity without divergence
    and without flow through the walls is reached, given its mean along the periodic axes.

    Args:
        operator: any operator with such an output.
        grid: where the velocity lives, of two or three dimensions.

    Raises:
        TypeError: something other than a staggered grid, or an operator that cannot be called.
        ValueError: a grid of more than three dimensions.
    """

    operator: Callable[..., Any]
    grid: StaggeredGrid

    def __check_init__(self):
        if not isinstance(self.grid, StaggeredGrid) or not callable(self.operator):
            raise TypeError(
                "StreamFunction expected an operator and a StaggeredGrid, got "
                f"{type(self.operator).__name__} and {type(self.grid).__name__}; make one, as in "
                "StaggeredGrid(cells, periodic=(True, True))."
            )
        if self.grid.ndim > 3:
            raise ValueError(
                f"StreamFunction expected 2 or 3 dimensions, got {self.grid.ndim}; a curl needs no more."
            )

    def __call__(
        self, x: Float[Array, "in_channels *space"], mean: ArrayLike | None = None
    ) -> Velocity:
        """Map one sample to a velocity of the shapes `grid.face_shapes`.

        Args:
            x: input field of the operator.
            mean: the mean velocity, one number an axis, which no periodic potential has; None for none.

        Raises:
            ValueError: an output of the operator that does not fit, or a mean through walls.
        """
        potential = self.operator(x)
        ndim = self.grid.ndim
        expected = (1 if ndim == 2 else 3, *self.grid.cells.shape)
        if potential.shape != expected:
            raise ValueError(
                f"StreamFunction expected its operator to give a potential of shape {expected}, got "
                f"{potential.shape}; set its out_channels to {expected[0]}, and use jax.vmap for batches."
            )
        velocity = self._curl(potential)
        if mean is None:
            return velocity
        speeds = jnp.asarray(mean).astype(potential.dtype)
        if speeds.shape != (ndim,):
            raise ValueError(
                f"StreamFunction expected a mean of shape ({ndim},), got {speeds.shape}; give one number "
                "an axis, zero between walls."
            )
        walls = ~jnp.asarray(self.grid.periodic)
        speeds = eqx.error_if(
            speeds,
            jnp.any(walls & (speeds != 0)),
            "StreamFunction expected a mean velocity of zero across walls, got another; nothing flows "
            "through them.",
        )
        return tuple(component + speeds[d] for d, component in enumerate(velocity))

    def _curl(self, potential: Float[Array, "components *space"]) -> Velocity:
        if self.grid.ndim == 2:
            psi = self._edges(potential[0], (0, 1))
            return self._slope(psi, 1, 0), -self._slope(psi, 0, 1)
        a = [self._edges(potential[d], [e for e in range(3) if e != d]) for d in range(3)]
        cyclic = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        return tuple(self._slope(a[f], e, d) - self._slope(a[e], f, d) for d, e, f in cyclic)

    def _edges(self, values: Array, axes: Any) -> Array:
        """A potential with the n + 1 corners of the given axes; zero in the walls."""
        for axis in axes:
            first = cut(values, axis, 0, 1)
            if self.grid.periodic[axis]:
                values = lax.concatenate([values, first], axis)
            else:
                wall = jnp.zeros_like(first)
                values = lax.concatenate([wall, cut(values, axis, 1, None), wall], axis)
        return values

    def _slope(self, edges: Array, along: int, normal: int) -> Array:
        """The derivative along an axis, on the faces normal to another, which a periodic axis has n of."""
        h = self.grid.spacings[along]
        slope = (cut(edges, along, 1, None) - cut(edges, along, 0, -1)) / h
        return cut(slope, normal, 0, -1) if self.grid.periodic[normal] else slope
