"""What a finite-volume field refuses: parts, laws, grids, conditions and states that do not fit.

Each is told once, where the field is built or a state is given to it.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..boundary import Robin, Wall, robin_determines
from ..grid import Grid
from ..laws.gas import AbstractGas
from ..laws.law import AbstractLaw
from ..laws.members import check_members
from ..laws.system import AbstractSystem
from .ghosts import half_width
from .reconstruction import AbstractReconstruction
from .riemann import AbstractRiemann, fitting, lacking
from .weno import AbstractWENO5

if TYPE_CHECKING:
    from .conservative import FiniteVolume


def check_kinds(field: "FiniteVolume") -> None:
    """Refuse a part that is not one, such as a class in place of its instance."""
    for name, kind in (
        ("law", AbstractLaw),
        ("grid", Grid),
        ("reconstruction", AbstractReconstruction),
        ("riemann", AbstractRiemann),
    ):
        part = getattr(field, name)
        if not isinstance(part, kind):
            raise TypeError(
                f"FiniteVolume expected {name} to be an instance of {kind.__name__}, got "
                f"{part!r}; build one, as in reconstruction=MUSCL()."
            )


def check_fit(field: "FiniteVolume") -> None:
    """Refuse a law, a grid, a scheme and conditions that do not fit each other."""
    _check_scheme(field)
    _check_sides(field)
    if min(field.grid.shape) < field.width:
        raise ValueError(
            f"FiniteVolume expected at least {field.width} cells an axis for "
            f"{type(field.reconstruction).__name__}, got a grid of shape {field.grid.shape}; "
            "refine the grid or use PiecewiseConstant."
        )
    check_members(field.law, field.grid.shape)


def _check_scheme(field: "FiniteVolume") -> None:
    law, rule, flux = field.law, field.reconstruction, field.riemann
    if law.has_convection and rule.equal_cells and None in field.grid.spacings:
        raise ValueError(
            f"FiniteVolume expected equal cells for {type(rule).__name__}, got a stretched axis; use "
            "Grid.uniform or MUSCL."
        )
    by_waves = isinstance(rule, AbstractWENO5) and rule.characteristic
    if by_waves and not isinstance(law, AbstractGas):
        raise ValueError(
            "FiniteVolume expected a gas (Euler, NavierStokes) for characteristic "
            f"reconstruction, got {type(law).__name__}; leave characteristic=True out."
        )
    if law.has_convection and not isinstance(law, flux.needs):
        kinds = ", ".join(kind.__name__ for kind in fitting(law))
        raise ValueError(
            f"FiniteVolume expected a flux that {type(law).__name__} supplies what is needed "
            f"for, got {type(flux).__name__}; use one of {kinds}, or give the law "
            f"{lacking(law, flux.needs)}."
        )


def _check_sides(field: "FiniteVolume") -> None:
    law, grid = field.law, field.grid
    kinds = {type(side) for pair in field.boundary for side in pair}
    if Wall in kinds and law.has_convection and not isinstance(law, AbstractSystem):
        raise ValueError(
            f"FiniteVolume expected boundaries that {type(law).__name__} can meet, got Wall: a "
            "convected scalar has nowhere to go; use Dirichlet, Neumann, Robin or Outflow."
        )
    if Robin in kinds and not law.has_diffusion:
        raise ValueError(
            f"FiniteVolume expected boundaries that {type(law).__name__} can meet, got Robin: without "
            "diffusion nothing determines a slope; use Dirichlet, Outflow or Wall."
        )
    for axis, pair in enumerate(field.boundary):
        for end, side in enumerate(pair):
            half = half_width(grid, axis, end)
            if isinstance(side, Robin) and not robin_determines(side, half):
                raise ValueError(
                    "FiniteVolume expected a Robin condition whose b outweighs an a of the opposite "
                    f"sign, |a| h/2 < |b|, got a={side.a}, b={side.b} and h/2={half:g} on axis {axis}; "
                    "refine the grid, and check the sign of b: its derivative is along the outward "
                    "normal."
                )


def check_state(field: "FiniteVolume", u: Array | np.ndarray) -> None:
    """Refuse a state that does not fit the law and the grid, or is not of a floating type."""
    law, grid = field.law, field.grid
    law.check_shape(grid.shape)
    expected = (law.channel_count(grid.ndim), *grid.shape)
    if u.shape != expected:
        raise ValueError(
            f"FiniteVolume expected u of shape (channels={expected[0]}, space={expected[1:]}), "
            f"got {u.shape}; {_remedy(u.shape, expected)}."
        )
    if not jnp.issubdtype(u.dtype, jnp.floating):
        raise ValueError(
            f"FiniteVolume expected u of a floating-point type, got {u.dtype}; convert it first."
        )


def _remedy(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What makes a state of this shape one of the shape that is expected."""
    if shape == expected[1:] and expected[0] == 1:
        return "use u[None] to add the channel axis"
    if len(shape) > len(expected):
        return "use jax.vmap for batches"
    if len(shape) == len(expected) and shape[0] == expected[0]:
        cells = " x ".join(str(n) for n in expected[1:])
        return f"average onto the grid's {cells} cells, as solvers.cell_averages does"
    if len(shape) == len(expected) and shape[1:] == expected[1:]:
        return f"give one row a channel, {expected[0]} in all"
    return "use jax.vmap for batches, u[None] to add the channel axis"
