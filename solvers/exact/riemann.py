"""`riemann`: the exact solution that two constant states grow into."""

from collections.abc import Sequence
from typing import overload

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..laws.euler import Euler
from ..laws.law import parameter
from ..laws.shallow_water import ShallowWater
from .dam_break import DamBreak
from .shock_tube import ShockTube

States = Float[Array, " variables"] | Float[np.ndarray, " variables"] | Sequence[ArrayLike]


@overload
def riemann(law: Euler, left: States, right: States) -> ShockTube: ...
@overload
def riemann(law: ShallowWater, left: States, right: States) -> DamBreak: ...
def riemann(law: Euler | ShallowWater, left: States, right: States) -> ShockTube | DamBreak:
    """The solution of the Riemann problem (left, right) in one dimension.

    It differentiates with respect to the states and the law, and maps under ``jax.vmap``.

    Args:
        law: `Euler`, or `ShallowWater` (its bed is taken to be flat).
        left: primitive variables on the left, (ρ, u, p) or (h, v); h may be zero.
        right: those on the right.

    Raises:
        ValueError: for another number of variables.
        TypeError: for another law.
        equinox.EquinoxRuntimeError: for densities, pressures or depths out of range, and gases that
            part into a vacuum.
    """
    if isinstance(law, Euler):
        return _shock_tube(law.gamma.astype(float), *_numbers(left, right, 3))
    if isinstance(law, ShallowWater):
        return _dam_break(law.gravity.astype(float), *_numbers(left, right, 2))
    raise TypeError(f"riemann expected Euler or ShallowWater, got {law!r}; use one of these.")


def _numbers(left: States, right: States, count: int) -> list[tuple]:
    sides = []
    for name, side in (("left", left), ("right", right)):
        numbers = tuple(parameter(value).astype(float) for value in side)  # pyright: ignore
        shapes = [value.shape for value in numbers]
        if shapes != [()] * count:
            raise ValueError(
                f"riemann expected {count} scalars for the {name} state, got shapes {shapes}; use "
                "jax.vmap for many problems."
            )
        sides.append(numbers)
    return sides


_shock_tube = eqx.filter_jit(ShockTube)
_dam_break = eqx.filter_jit(DamBreak)
