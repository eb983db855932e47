"""Time integration: explicit strong-stability steps, an implicit stepper, and `solve`."""

from solvers._arguments import name_misfits as _name_misfits

from .implicit import IMEX as IMEX
from .implicit import Implicit as Implicit
from .solution import Outcome as Outcome
from .solution import Solution as Solution
from .solution import Status as Status
from .solve import solve as solve
from .stepper import SSPRK1 as SSPRK1
from .stepper import SSPRK2 as SSPRK2
from .stepper import SSPRK3 as SSPRK3
from .stepper import AbstractExplicit as AbstractExplicit
from .stepper import AbstractStepper as AbstractStepper

_name_misfits(__name__)
