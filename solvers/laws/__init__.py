"""Laws, one equation a file, each with its exact solutions."""

from .advection import Advection as Advection
from .burgers import Burgers as Burgers
from .diffusion import Diffusion as Diffusion
from .law import AbstractDiffusionLaw as AbstractDiffusionLaw
from .law import AbstractLaw as AbstractLaw
from .porous_medium import PorousMedium as PorousMedium
from .stefan import Stefan as Stefan
