"""Reconstruction: the states on the two sides of a face from the cell averages around it.

A scheme is one pointwise function of its stencil, ``(u_{i−1}, u_i, u_{i+1}, u_{i+2}) → (u_L, u_R)``
at face i+½, which compiles to one loop and differentiates fast.

Reference: B. van Leer, J. Comput. Phys. 32 (1979) 101, doi:10.1016/0021-9991(79)90145-1;
P. K. Sweby, SIAM J. Numer. Anal. 21 (1984) 995, doi:10.1137/0721062.
"""

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Slab = Float[Array, "..."]
Limiter = Callable[[Slab, Slab], Slab]


def minmod(a: Slab, b: Slab) -> Slab:
    """The smaller slope where both agree in sign, else zero: the most diffusive choice."""
    return jnp.where(a * b > 0, jnp.where(jnp.abs(a) < jnp.abs(b), a, b), 0.0)


def van_leer(a: Slab, b: Slab) -> Slab:
    """The harmonic mean 2ab/(a + b) where both agree in sign, else zero."""
    agree = a * b > 0
    # The inner `where` keeps 0/0 out of the derivative as well as out of the value.
    return jnp.where(agree, 2.0 * a * b / jnp.where(agree, a + b, 1.0), 0.0)


def mc(a: Slab, b: Slab) -> Slab:
    """Monotonised central: the mean, limited to twice either slope."""
    return minmod(0.5 * (a + b), 2.0 * minmod(a, b))


def superbee(a: Slab, b: Slab) -> Slab:
    """The larger of minmod(2a, b) and minmod(a, 2b): steepens jumps, and smooth slopes too."""
    first, second = minmod(2.0 * a, b), minmod(a, 2.0 * b)
    return jnp.where(jnp.abs(first) > jnp.abs(second), first, second)


class AbstractReconstruction(eqx.Module):
    """A pointwise rule for the two states at a face."""

    width: AbstractClassVar[int]
    """Cells on each side of the face that the rule reads."""

    monotone_cfl: AbstractClassVar[float]
    """Largest CFL number at which a forward Euler step makes no new extrema."""

    equal_cells: ClassVar[bool] = False
    """Whether the cells have to be of one width."""

    @abc.abstractmethod
    def __call__(self, stencil: Sequence[Slab], widths: Sequence[Slab] | None) -> tuple[Slab, Slab]:
        """States left and right of a face.

        Args:
            stencil: 2 · `width` arrays of cell averages, from left to right.
            widths: their cell widths, or None where they are all equal.
        """


class PiecewiseConstant(AbstractReconstruction):
    """The cell averages themselves; first order."""

    width: ClassVar[int] = 1
    monotone_cfl: ClassVar[float] = 1.0

    def __call__(  # noqa: D102
        self, stencil: Sequence[Slab], widths: Sequence[Slab] | None
    ) -> tuple[Slab, Slab]:
        del widths
        left, right = stencil
        return left, right


class MUSCL(AbstractReconstruction):
    """Linear in each cell with a limited slope; second order in smooth flow, no new extrema.

    Args:
        limiter: `van_leer` (default), `minmod`, `mc` or `superbee`: takes the two one-sided slopes of a cell.
    """

    limiter: Limiter = eqx.field(static=True, default=van_leer)
    width: ClassVar[int] = 2
    # A limited face value may lie beyond the cell's by as much as the neighbour does.
    monotone_cfl: ClassVar[float] = 0.5

    def __check_init__(self):
        if not callable(self.limiter):
            raise TypeError(
                "MUSCL expected limiter to be a function of two slopes, got "
                f"{self.limiter!r}; use van_leer, minmod, mc or superbee."
            )

    def __call__(  # noqa: D102
        self, stencil: Sequence[Slab], widths: Sequence[Slab] | None
    ) -> tuple[Slab, Slab]:
        a, b, c, d = stencil
        if widths is None:
            return b + 0.5 * self.limiter(b - a, c - b), c - 0.5 * self.limiter(c - b, d - c)
        ha, hb, hc, hd = widths
        return b + self._half_jump((a, b, c), (ha, hb, hc)), c - self._half_jump(
            (b, c, d), (hb, hc, hd)
        )

    def _half_jump(self, cells: Sequence[Slab], widths: Sequence[Slab]) -> Slab:
        """½ h times the limited slope of the middle cell, on cells of different widths."""
        (a, b, c), (ha, hb, hc) = cells, widths
        below, above = b - a, c - b
        half = 0.5 * hb * self.limiter(below / (0.5 * (ha + hb)), above / (0.5 * (hb + hc)))
        # Limiters bound slopes for equal cells; beside a much smaller cell that is not enough to
        # keep the face value between its neighbours, so the jump itself is bounded as well.
        bound = jnp.minimum(jnp.abs(below), jnp.abs(above))
        return jnp.clip(half, -bound, bound)
