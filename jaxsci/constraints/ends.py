r"""Boundary conditions at the two ends of an axis of a nodal field, imposed exactly on its end nodes.

    Dirichlet   u_0 = α_0,  u_N = α_N
    Neumann     ∂u/∂x = α, with third-order one-sided differences (`jaxsci.constraints.slope_ends`)
    Robin       a u + b ∂u/∂x = α, with the same differences
    periodic    u_0 = u_N = (u_0 + u_N)/2

A field is `(channels, *others, nodes)`: the last axis has the ends, and the others (time, another space axis)
are carried along, so that each of their points has its own pair of ends. Several axes: `Sides`.

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through physics-based
boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, section 4. The published code gives the right end
the value of the left one in two dimensions.
"""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._arrays import check_finite, numbers
from .._numeric import AnyArray, at_ends, namespace, put


class AbstractEnds(eqx.Module):
    """A condition on both ends of the last axis of fields `(channels, *others, nodes)`."""

    @property
    @abstractmethod
    def precedence(self) -> tuple[int, int]:
        """Who wins where two sides of a box meet, for each end: 0 periodic, 1 a slope, 2 a value."""

    @property
    @abstractmethod
    def meaning(self) -> str | None:
        """What the values prescribe; None where there are none."""

    @abstractmethod
    def corrected(
        self, u: Float[AnyArray, "*lead nodes"], values: Float[AnyArray, "*lead 2"]
    ) -> Float[AnyArray, "*lead 2"]:
        """What the end nodes have to be."""

    @abstractmethod
    def residual(
        self, u: Float[AnyArray, "*lead nodes"], values: Float[AnyArray, "*lead 2"]
    ) -> Float[AnyArray, "*lead 2"]:
        """The residual of the condition at both ends."""

    @abstractmethod
    def hidden(self, nodes: int) -> "AbstractEnds":
        """The condition as hidden channels see it, which have neither a unit nor a length."""

    @abstractmethod
    def check_nodes(self, nodes: int) -> None:
        """Raise a ValueError where the axis has too few nodes for the condition."""

    def enforce(
        self,
        u: Float[AnyArray, "channels *others nodes"],
        values: Float[AnyArray, "*lead ends"] | None = None,
    ) -> Float[AnyArray, "channels *others nodes"]:
        """Move the end nodes, and nothing else, so that the condition holds; idempotent.

        Args:
            u: one sample.
            values: α at both ends, shape (2,), (*others, 2) or (channels, *others, 2).

        Returns:
            The field, NumPy's in its own precision where it came as NumPy's.

        Raises:
            ValueError: a field or values that do not fit the condition, or values that are not finite.
        """
        u = numbers(type(self).__name__, "a field", u)
        ends = self.corrected(u, self.prescribed(u, values))
        return put(put(u, (..., 0), ends[..., 0]), (..., -1), ends[..., 1])

    def error(
        self,
        u: Float[AnyArray, "channels *others nodes"],
        values: Float[AnyArray, "*lead ends"] | None = None,
    ) -> Float[AnyArray, ""]:
        """Largest absolute residual of the condition."""
        u = numbers(type(self).__name__, "a field", u)
        return abs(self.residual(u, self.prescribed(u, values))).max()

    def prescribed(
        self,
        u: Float[AnyArray, "channels *others nodes"],
        values: Float[AnyArray, "*lead ends"] | None,
    ) -> Float[AnyArray, "channels *others 2"]:
        """The values, checked, one pair for every pair of ends; zero where there are none."""
        name, xp = type(self).__name__, namespace(u)
        if u.ndim < 2 or not jnp.issubdtype(u.dtype, jnp.floating):
            raise ValueError(
                f"{name} expected a floating-point field of shape (channels, nodes), with "
                f"other axes between them, got {u.dtype} of shape {u.shape}; use jax.vmap for batches."
            )
        self.check(u.shape, values)
        given = np.zeros(2) if values is None else numbers(name, "values", values)
        check_finite(name, "values", given)
        return xp.broadcast_to(xp.asarray(given, dtype=u.dtype), (*u.shape[:-1], 2))

    def check(self, shape: tuple[int, ...], values: Float[AnyArray, "*lead ends"] | None) -> None:
        """Raise a ValueError where a field of this shape, or the values, do not fit the condition."""
        name = type(self).__name__
        got = None if values is None else numbers(name, "values", values).shape
        if self.meaning is None and got is not None:
            raise ValueError(
                f"{name} expected values=None, got shape {got}; use DirichletEnds or NeumannEnds to "
                "prescribe something."
            )
        allowed = {(2,): None, (*shape[1:-1], 2): None, (*shape[:-1], 2): None}
        if self.meaning is not None and got not in allowed:
            raise ValueError(
                f"{name} expected {self.meaning} with shape {' or '.join(map(str, allowed))}, got {got}; "
                "give one pair, or one for each channel, and use jax.vmap for batches."
            )
        self.check_nodes(shape[-1])


class DirichletEnds(AbstractEnds):
    """Prescribed values at both ends: `values[..., 0]` at the first node, `values[..., 1]` at the last."""

    @property
    def precedence(self):
        """A value wins over everything."""
        return 2, 2

    @property
    def meaning(self):
        """Values at the ends."""
        return "the two end values"

    def corrected(self, u, values):
        """The values, bit for bit."""
        return values

    def residual(self, u, values):
        """What is left of u − α at the ends."""
        return at_ends(u) - values

    def hidden(self, nodes):
        """The same values."""
        return self

    def check_nodes(self, nodes):
        """Refuse an axis without interior nodes."""
        check_nodes(type(self).__name__, nodes, 3)


class PeriodicEnds(AbstractEnds):
    """First and last node are the same point of a circle."""

    @property
    def precedence(self):
        """A circle gives way to what is prescribed."""
        return 0, 0

    @property
    def meaning(self):
        """Nothing."""
        return None

    def corrected(self, u, values):
        """The mean of both ends."""
        mean = (u[..., 0] + u[..., -1]) / 2
        return namespace(u).stack([mean, mean], axis=-1)

    def residual(self, u, values):
        """The difference between the two ends."""
        difference = u[..., 0] - u[..., -1]
        return namespace(u).stack([difference, -difference], axis=-1)

    def hidden(self, nodes):
        """Periodic too."""
        return self

    def check_nodes(self, nodes):
        """Refuse an axis without interior nodes."""
        check_nodes(type(self).__name__, nodes, 3)


def check_nodes(name: str, nodes: int, least: int) -> None:
    """Refuse fewer nodes than the stencils of a condition need."""
    if nodes < least:
        raise ValueError(f"{name} expected at least {least} nodes, got {nodes}; refine the grid.")
