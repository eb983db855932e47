"""Laws, one equation a file, each with its exact solutions."""

from solvers._arguments import name_misfits as _name_misfits

from .acoustics import Acoustics as Acoustics
from .advection import Advection as Advection
from .advection_diffusion_reaction import (
    AdvectionDiffusionReaction as AdvectionDiffusionReaction,
)
from .advection_diffusion_reaction import Fisher as Fisher
from .burgers import Burgers as Burgers
from .diffusion import Diffusion as Diffusion
from .euler import Euler as Euler
from .gas import AbstractGas as AbstractGas
from .law import AbstractDiffusionLaw as AbstractDiffusionLaw
from .law import AbstractLaw as AbstractLaw
from .navier_stokes import NavierStokes as NavierStokes
from .porous_medium import PorousMedium as PorousMedium
from .shallow_water import ShallowWater as ShallowWater
from .stefan import Stefan as Stefan
from .system import AbstractSystem as AbstractSystem

_name_misfits(__name__)
