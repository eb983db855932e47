"""Finite volumes: reconstruction, Riemann fluxes and the conservative update."""

from solvers._arguments import name_misfits as _name_misfits

from .conservative import FiniteVolume as FiniteVolume
from .reconstruction import MUSCL as MUSCL
from .reconstruction import AbstractReconstruction as AbstractReconstruction
from .reconstruction import PiecewiseConstant as PiecewiseConstant
from .reconstruction import mc as mc
from .reconstruction import minmod as minmod
from .reconstruction import superbee as superbee
from .reconstruction import van_leer as van_leer
from .riemann import HLL as HLL
from .riemann import HLLC as HLLC
from .riemann import AbstractRiemann as AbstractRiemann
from .riemann import Godunov as Godunov
from .riemann import Roe as Roe
from .riemann import Rusanov as Rusanov
from .weno import WENO5JS as WENO5JS
from .weno import WENO5Z as WENO5Z
from .weno import AbstractWENO5 as AbstractWENO5

_name_misfits(__name__)
