"""WENO5: fifth-order face values, weighted towards the smoothest of three parabolas.

u_{i+½} = Σ ω_k q_k with ω_k ∝ d_k/(ε + β_k)² (Jiang and Shu), or ω_k ∝ d_k (1 + (τ/(ε + β_k))²),
τ = |β₀ − β₂|, which keeps its order at extrema (Borges et al.). β_k measures how rough parabola k is.
Its rounding scales with u², so ε does: a fixed one divides by noise in single precision.

Reference: G.-S. Jiang, C.-W. Shu, J. Comput. Phys. 126 (1996) 202, doi:10.1006/jcph.1996.0130;
R. Borges et al., J. Comput. Phys. 227 (2008) 3191, doi:10.1016/j.jcp.2007.11.038.
"""

import abc
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax

from .reconstruction import AbstractReconstruction, Slab

_LINEAR = (0.1, 0.6, 0.3)  # d_k: the three parabolas make the quartic


class AbstractWENO5(AbstractReconstruction):
    """Fifth-order in each direction, on equal cells.

    Args:
        characteristic: whether a system's waves are reconstructed, each by itself, and not its
            primitive variables: waves that meet do not disturb each other's smoothness, at the
            price of twice the work. For laws that say what their waves are, those of a gas.

    Fifth order for scalar laws and linear systems in one dimension. Primitive variables of averages
    (`Euler`), and face averages replaced with midpoints (more dimensions), cost nonlinear problems
    all but second order, with small constants.
    """

    characteristic: eqx.AbstractVar[bool]
    width: ClassVar[int] = 3
    equal_cells: ClassVar[bool] = True
    # Where the limited face values of a system are as good as averages, Zhang and Shu (2010).
    monotone_cfl: ClassVar[float] = 1.0 / 12.0

    @abc.abstractmethod
    def weights(self, roughness: Sequence[Slab], floor: Slab) -> list[Slab]:
        """Weights of the three parabolas, up to a common factor."""

    def __call__(  # noqa: D102
        self, stencil: Sequence[Slab], widths: Sequence[Slab] | None
    ) -> tuple[Slab, Slab]:
        del widths
        a, b, c, d, e, f = stencil
        return self._face(a, b, c, d, e), self._face(f, e, d, c, b)

    def _face(self, a: Slab, b: Slab, c: Slab, d: Slab, e: Slab) -> Slab:
        """The value at the upper face of the middle cell."""
        # Differences keep the digits that matter.
        p, q, r, s = b - a, c - b, d - c, e - d
        rises = [(5.0 * q - 2.0 * p) / 6.0, (q + 2.0 * r) / 6.0, (4.0 * r - s) / 6.0]
        bends = [q - p, r - q, s - r]
        slopes = [3.0 * q - p, q + r, 3.0 * r - s]
        roughness = [
            13.0 / 12.0 * bend**2 + 0.25 * slope**2
            for bend, slope in zip(bends, slopes, strict=True)
        ]
        limits = jnp.finfo(c.dtype)
        size = (a * a + b * b + c * c + d * d + e * e) / 5.0
        floor = 8.0 * float(limits.eps) * size + float(limits.tiny) ** 0.4
        weights = self.weights(roughness, floor)
        rise = sum(weight * rise for weight, rise in zip(weights, rises, strict=True))
        return c + rise / (weights[0] + weights[1] + weights[2])


class WENO5JS(AbstractWENO5):
    """The weights of Jiang and Shu: more diffusive, third order at extrema."""

    characteristic: bool = eqx.field(static=True, default=False, kw_only=True)

    def weights(self, roughness: Sequence[Slab], floor: Slab) -> list[Slab]:  # noqa: D102
        # The common factor keeps the squares in range; what it is does not matter.
        least = lax.stop_gradient(floor + jnp.minimum(jnp.minimum(*roughness[:2]), roughness[2]))
        return [
            share * (least / (floor + beta)) ** 2
            for share, beta in zip(_LINEAR, roughness, strict=True)
        ]


class WENO5Z(AbstractWENO5):
    """The weights of Borges et al.: sharper, fifth order at simple extrema."""

    characteristic: bool = eqx.field(static=True, default=False, kw_only=True)

    def weights(self, roughness: Sequence[Slab], floor: Slab) -> list[Slab]:  # noqa: D102
        tau = jnp.abs(roughness[0] - roughness[2])
        return [
            share * (1.0 + (tau / (floor + beta)) ** 2)
            for share, beta in zip(_LINEAR, roughness, strict=True)
        ]
