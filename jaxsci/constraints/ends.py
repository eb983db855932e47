r"""Boundary conditions at the two ends of a nodal 1-D field, imposed exactly on its end nodes.

    Dirichlet   u_0 = α_0,  u_N = α_N
    Neumann     (−11u_0 + 18u_1 − 9u_2 + 2u_3)/6h = α_0,   (11u_N − 18u_{N−1} + 9u_{N−2} − 2u_{N−3})/6h = α_N
    periodic    u_0 = u_N = (u_0 + u_N)/2

The Neumann stencils are the one-sided differences of third order, at both ends alike.

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through physics-based
boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, section 4. The published code uses a first-order
stencil without h at the left end, which is right for α = 0 only.
"""

import math
from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class AbstractEnds(eqx.Module):
    """A condition on both ends of fields `(channels, nodes)`; nodes 0 and N−1 lie on the boundary."""

    @abstractmethod
    def enforce(
        self, u: Float[Array, "channels nodes"], values: Float[Array, "*channels 2"] | None
    ) -> Float[Array, "channels nodes"]:
        """Move the end nodes, and nothing else, so that the condition holds; idempotent."""

    @abstractmethod
    def error(
        self, u: Float[Array, "channels nodes"], values: Float[Array, "*channels 2"] | None
    ) -> Float[Array, ""]:
        """Largest absolute residual of the condition."""

    def hidden(self, nodes: int) -> "AbstractEnds":
        """The condition as hidden channels see it, which have neither a unit nor a length."""
        del nodes
        return self

    def _values(self, u: Array, values: Array | None) -> Float[Array, "channels 2"]:
        """The prescribed values, checked, one pair a channel."""
        _check_field(type(self).__name__, u)
        self.check(u.shape[-1], values)
        values = jnp.asarray(values)
        if values.shape not in ((2,), (u.shape[0], 2)):
            raise ValueError(
                f"{type(self).__name__} expected values of shape (2,) or ({u.shape[0]}, 2), got "
                f"{values.shape}; give one pair, or one for each channel."
            )
        return jnp.broadcast_to(values, (u.shape[0], 2)).astype(u.dtype)

    @abstractmethod
    def check(self, nodes: int, values: Float[Array, "*channels 2"] | None) -> None:
        """Raise a ValueError where the field or the values do not fit the condition."""


class DirichletEnds(AbstractEnds):
    """Prescribed values at both ends: `values[..., 0]` at the first node, `values[..., 1]` at the last."""

    def enforce(self, u, values):
        """Overwrite the two end nodes with the values, bit for bit."""
        values = self._values(u, values)
        return u.at[:, 0].set(values[:, 0]).at[:, -1].set(values[:, 1])

    def error(self, u, values):
        """Largest |u − α| at the ends."""
        return jnp.abs(u[:, jnp.array([0, -1])] - self._values(u, values)).max()

    def check(self, nodes, values):
        """Refuse missing values and fields without interior nodes."""
        _check_values("DirichletEnds", values, "the two end values")
        _check_nodes("DirichletEnds", nodes, 3)


class NeumannEnds(AbstractEnds):
    """Prescribed derivatives ∂u/∂x at both ends, in the direction of the axis at both.

    Args:
        length: distance from the first to the last node, in the unit of x.
    """

    length: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        if not 0 < self.length < math.inf:
            raise ValueError(
                f"NeumannEnds expected a positive, finite length, got {self.length}; give the distance "
                "from the first to the last node."
            )

    def enforce(self, u, values):
        """Solve both one-sided differences for their end node."""
        values = self._values(u, values)
        h = self.length / (u.shape[-1] - 1)
        first = (18 * u[:, 1] - 9 * u[:, 2] + 2 * u[:, 3] - 6 * h * values[:, 0]) / 11
        last = (18 * u[:, -2] - 9 * u[:, -3] + 2 * u[:, -4] + 6 * h * values[:, 1]) / 11
        return u.at[:, 0].set(first).at[:, -1].set(last)

    def error(self, u, values):
        """Largest |∂u/∂x − α| at the ends, by the same differences."""
        values = self._values(u, values)
        h = self.length / (u.shape[-1] - 1)
        first = (-11 * u[:, 0] + 18 * u[:, 1] - 9 * u[:, 2] + 2 * u[:, 3]) / (6 * h)
        last = (11 * u[:, -1] - 18 * u[:, -2] + 9 * u[:, -3] - 2 * u[:, -4]) / (6 * h)
        return jnp.abs(jnp.stack([first, last], axis=-1) - values).max()

    def hidden(self, nodes):
        """The same differences with spacing 1.

        With the physical spacing h the derivative moves a hidden end node by 6hα/11 only, which later
        layers can hardly see: on the heat equation the error is ten times larger.
        """
        return NeumannEnds(length=float(nodes - 1))

    def check(self, nodes, values):
        """Refuse missing values and fields shorter than both stencils."""
        _check_values("NeumannEnds", values, "the derivatives at the two ends")
        _check_nodes("NeumannEnds", nodes, 8)


class PeriodicEnds(AbstractEnds):
    """First and last node are the same point of a circle."""

    def enforce(self, u, values=None):
        """Set both ends to their mean."""
        _check_field("PeriodicEnds", u)
        self.check(u.shape[-1], values)
        mean = (u[:, 0] + u[:, -1]) / 2
        return u.at[:, 0].set(mean).at[:, -1].set(mean)

    def error(self, u, values=None):
        """Largest difference between the two ends."""
        _check_field("PeriodicEnds", u)
        self.check(u.shape[-1], values)
        return jnp.abs(u[:, 0] - u[:, -1]).max()

    def check(self, nodes, values):
        """Refuse values, which a periodic end does not have."""
        if values is not None:
            raise ValueError(
                f"PeriodicEnds expected values=None, got shape {np.shape(values)}; "
                "use DirichletEnds or NeumannEnds to prescribe something."
            )
        _check_nodes("PeriodicEnds", nodes, 3)


def _check_values(name: str, values, meaning: str) -> None:
    shape = None if values is None else np.shape(values)
    if shape is None or shape[-1:] != (2,) or len(shape) > 2:
        raise ValueError(
            f"{name} expected {meaning} with shape (2,) or (channels, 2), got {shape}; "
            "use jax.vmap for batches."
        )


def _check_field(name: str, u: Array) -> None:
    if u.ndim != 2 or not jnp.issubdtype(u.dtype, jnp.floating):
        raise ValueError(
            f"{name} expected a floating-point field of shape (channels, nodes), got {u.dtype} of shape "
            f"{u.shape}; use jax.vmap for batches."
        )


def _check_nodes(name: str, nodes: int, least: int) -> None:
    if nodes < least:
        raise ValueError(f"{name} expected at least {least} nodes, got {nodes}; refine the grid.")
