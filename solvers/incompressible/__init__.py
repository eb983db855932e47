"""Incompressible flow: Navier–Stokes equations by projection on a staggered grid."""

from solvers._arguments import name_misfits as _name_misfits

from .cavity import Cavity as Cavity
from .cavity import cavity as cavity
from .kolmogorov import KolmogorovForce as KolmogorovForce
from .kolmogorov import kolmogorov as kolmogorov
from .kolmogorov import random_velocity as random_velocity
from .navier_stokes import NavierStokes as NavierStokes
from .navier_stokes import NoSlip as NoSlip
from .navier_stokes import central as central
from .navier_stokes import upwind as upwind
from .poisson import poisson as poisson
from .poisson import project as project
from .solve import FlowSolution as FlowSolution
from .solve import solve as solve
from .staggered import StaggeredGrid as StaggeredGrid
from .staggered import Velocity as Velocity
from .steady import SteadyFlow as SteadyFlow
from .steady import SteadyOutcome as SteadyOutcome
from .steady import steady as steady
from .taylor_green import taylor_green as taylor_green
from .taylor_green import taylor_green_pressure as taylor_green_pressure

_name_misfits(__name__)
