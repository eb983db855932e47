r"""Neumann and Robin conditions at the two ends of an axis, by one-sided differences of third order.

    a u_0 + b (−11u_0 + 18u_1 − 9u_2 + 2u_3)/6h = α_0
    a u_N + b (11u_N − 18u_{N−1} + 9u_{N−2} − 2u_{N−3})/6h = α_N

The derivative is along the axis at both ends, as in `jaxsci.constraints.robin`. Along the outward normal n it
has the other sign at the lower end: a u + b ∂u/∂n = α at both ends is `RobinEnds(a, (−b, b))`.

Reference: Saad, Gupta, Alizadeh, Maddix, ICLR 2023, arXiv:2212.07477, section 4, for the Neumann condition.
The published code uses a first-order stencil without h at the left end, which is right for α = 0 only.
"""

import math
from typing import Any

import equinox as eqx
import numpy as np

from solvers import Grid

from .._checks import number
from .._numeric import at_ends, namespace
from .ends import AbstractEnds, check_nodes

_STENCIL = 8  # nodes of both one-sided differences


class NeumannEnds(AbstractEnds):
    """Prescribed derivatives ∂u/∂x at both ends, in the direction of the axis at both.

    Args:
        length: distance from the first to the last node, in the unit of x; or the uniform grid along x whose
            faces are the nodes.

    Raises:
        ValueError: a length that is not positive, or a grid of another kind.
    """

    length: float = eqx.field(static=True)

    def __init__(self, length: float | Grid):
        self.length = _length("NeumannEnds", length)

    @property
    def precedence(self):
        """A slope wins over a circle."""
        return 1, 1

    @property
    def meaning(self):
        """Slopes along the axis."""
        return "the derivatives at the two ends"

    def corrected(self, u, values):
        """Solve both differences for their end node."""
        return _solve(u, values, (0.0, 0.0), (1.0, 1.0), self.length)

    def residual(self, u, values):
        """∂u/∂x − α at the ends, by the same differences."""
        return _slopes(u, self.length) - values

    def hidden(self, nodes):
        """The same differences with spacing 1.

        With the physical spacing h the derivative moves a hidden end node by 6hα/11 only, which later
        layers can hardly see: on the heat equation the error is ten times larger.
        """
        return NeumannEnds(length=float(nodes - 1))

    def check_nodes(self, nodes):
        """Refuse an axis shorter than both stencils."""
        check_nodes("NeumannEnds", nodes, _STENCIL)


class RobinEnds(AbstractEnds):
    """Prescribed a u + b ∂u/∂x at both ends, the derivative in the direction of the axis at both.

    Args:
        a: the factor of u; a pair where the ends differ.
        b: the factor of ∂u/∂x, likewise. A boundary that loses what flows through it has a b < 0 at the lower
            end and a b > 0 at the upper one.
        length: distance from the first to the last node, in the unit of x; or the uniform grid along x whose
            faces are the nodes.

    Raises:
        ValueError: factors that are not finite or both zero at an end, or a length that is not positive.
    """

    a: tuple[float, float] = eqx.field(static=True)
    b: tuple[float, float] = eqx.field(static=True)
    length: float = eqx.field(static=True)

    def __init__(
        self,
        a: float | tuple[float, float],
        b: float | tuple[float, float],
        length: float | Grid,
    ):
        self.a, self.b = _pair("a", a), _pair("b", b)
        self.length = _length("RobinEnds", length)
        if not all(map(math.isfinite, self.a + self.b)) or (0.0, 0.0) in zip(
            self.a, self.b, strict=True
        ):
            raise ValueError(
                f"RobinEnds expected finite factors, one of them not zero at each end, got a={a} and "
                f"b={b}; use DirichletEnds for a value, NeumannEnds for a slope."
            )

    @property
    def precedence(self):
        """As a slope."""
        return 1, 1

    @property
    def meaning(self):
        """Sums of both, the slope along the axis."""
        return "a u + b ∂u/∂x at the two ends"

    def corrected(self, u, values):
        """Solve the condition, with both differences, for the end nodes."""
        return _solve(u, values, self.a, self.b, self.length)

    def residual(self, u, values):
        """What is left of a u + b ∂u/∂x − α at the ends, by the same differences."""
        a, b = (namespace(u).asarray(factor, dtype=u.dtype) for factor in (self.a, self.b))
        return a * at_ends(u) + b * _slopes(u, self.length) - values

    def hidden(self, nodes):
        """The same condition with spacing 1, as for `NeumannEnds`, and with signs that lose.

        With the other sign of a the stencil at spacing 1 may not determine the end node.
        """
        outward = (-self.b[0], self.b[1])
        a = [abs(a) if b >= 0 else -abs(a) for a, b in zip(self.a, outward, strict=True)]
        return RobinEnds((a[0], a[1]), self.b, float(nodes - 1))

    def check_nodes(self, nodes):
        """Refuse a spacing at which the stencil does not determine an end node."""
        check_nodes("RobinEnds", nodes, _STENCIL)
        scale = 6 * self.length / (nodes - 1)
        for a, b in ((self.a[0], -self.b[0]), (self.a[1], self.b[1])):
            # A thousandfold cancellation leaves four digits in single precision.
            if abs(scale * a + 11 * b) <= 1e-3 * (scale * abs(a) + 11 * abs(b)):
                raise ValueError(
                    f"RobinEnds expected factors with which the end node can be solved for, got a={self.a} "
                    f"and b={self.b} with spacing {scale / 6:g}; check the sign of b, which is along "
                    "the axis, or refine the grid."
                )


def _solve(u: Any, values: Any, a, b, length: float) -> Any:
    h = length / (u.shape[-1] - 1)
    first = 18 * u[..., 1] - 9 * u[..., 2] + 2 * u[..., 3]
    last = 18 * u[..., -2] - 9 * u[..., -3] + 2 * u[..., -4]
    first = (b[0] * first - 6 * h * values[..., 0]) / (11 * b[0] - 6 * h * a[0])
    last = (b[1] * last + 6 * h * values[..., 1]) / (11 * b[1] + 6 * h * a[1])
    return namespace(u).stack([first, last], axis=-1)


def _slopes(u: Any, length: float) -> Any:
    h = length / (u.shape[-1] - 1)
    first = (-11 * u[..., 0] + 18 * u[..., 1] - 9 * u[..., 2] + 2 * u[..., 3]) / (6 * h)
    last = (11 * u[..., -1] - 18 * u[..., -2] + 9 * u[..., -3] - 2 * u[..., -4]) / (6 * h)
    return namespace(u).stack([first, last], axis=-1)


def _pair(name: str, factor) -> tuple[float, float]:
    try:
        first, last = factor if isinstance(factor, tuple | list) else (factor, factor)
        return float(first), float(last)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"RobinEnds expected {name} to be a number or a pair of them, got {factor!r}; the factors "
            "are part of the condition, what is learned or varies goes into the values."
        ) from error


def _length(who: str, length: float | Grid) -> float:
    if isinstance(length, Grid):
        faces = np.asarray(length.axes[0])
        gaps = np.diff(faces)
        # The differences are those of equal spacings; faces of round numbers differ by round-off.
        if length.ndim != 1 or np.ptp(gaps) > 1e-9 * gaps.max():
            raise ValueError(
                f"{who} expected a uniform grid of one axis, got shape {length.shape}; give the grid along "
                "the axis that has the ends, or its length."
            )
        return float(faces[-1] - faces[0])
    distance = number(who, "length", length)
    if not 0 < distance < math.inf:
        raise ValueError(
            f"{who} expected a positive, finite length, got {length}; give the distance from the first "
            "to the last node."
        )
    return distance
