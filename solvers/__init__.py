"""Differentiable finite-volume solvers.

A law on a grid with boundary conditions is a `FiniteVolume` vector field, ``f(t, u, args)``, that
`solve` integrates, and diffrax too. States are cell averages, ``(channels, *space)``.
"""

from solvers._arguments import name_misfits as _name_misfits

from . import exact as exact
from . import incompressible as incompressible
from . import laws as laws
from .boundary import AbstractBoundary as AbstractBoundary
from .boundary import Dirichlet as Dirichlet
from .boundary import Neumann as Neumann
from .boundary import Outflow as Outflow
from .boundary import Periodic as Periodic
from .boundary import Robin as Robin
from .boundary import Wall as Wall
from .darcy import darcy as darcy
from .dataset import GenerationError as GenerationError
from .dataset import generate as generate
from .finite_volume import HLL as HLL
from .finite_volume import HLLC as HLLC
from .finite_volume import MUSCL as MUSCL
from .finite_volume import WENO5JS as WENO5JS
from .finite_volume import WENO5Z as WENO5Z
from .finite_volume import FiniteVolume as FiniteVolume
from .finite_volume import Godunov as Godunov
from .finite_volume import PiecewiseConstant as PiecewiseConstant
from .finite_volume import Roe as Roe
from .finite_volume import Rusanov as Rusanov
from .finite_volume import mc as mc
from .finite_volume import minmod as minmod
from .finite_volume import superbee as superbee
from .finite_volume import van_leer as van_leer
from .grid import Grid as Grid
from .quadrature import cell_averages as cell_averages
from .quadrature import latitude_weights as latitude_weights
from .quadrature import trapezoid_weights as trapezoid_weights
from .random_fields import GaussianRandomField as GaussianRandomField
from .spectral import VorticityFlow as VorticityFlow
from .time import IMEX as IMEX
from .time import SSPRK1 as SSPRK1
from .time import SSPRK2 as SSPRK2
from .time import SSPRK3 as SSPRK3
from .time import Implicit as Implicit
from .time import Outcome as Outcome
from .time import Solution as Solution
from .time import Status as Status
from .time import solve as solve
from .verification import check_law as check_law

_name_misfits(__name__)
