"""Constraints: affine rows with one `project`, and boundary corrections of kernels."""

from solvers._arguments import name_misfits as _name_misfits

from .affine import AffineConstraint as AffineConstraint
from .affine import conservation as conservation
from .affine import stack as stack
from .boon import eliminate_ends as eliminate_ends
from .boundary_rows import dirichlet as dirichlet
from .boundary_rows import neumann as neumann
from .boundary_rows import periodic as periodic
from .boundary_rows import robin as robin
from .divergence import divergence_free as divergence_free
from .ends import AbstractEnds as AbstractEnds
from .ends import DirichletEnds as DirichletEnds
from .ends import PeriodicEnds as PeriodicEnds
from .ensemble import Ensemble as Ensemble
from .invariant import Invariant as Invariant
from .mixed_ends import MixedEnds as MixedEnds
from .monotone import Monotone as Monotone
from .nearest import Projected as Projected
from .nonnegative import Nonnegative as Nonnegative
from .projection import ProjectedGaussian as ProjectedGaussian
from .projection import project as project
from .sides import Sides as Sides
from .slope_ends import NeumannEnds as NeumannEnds
from .slope_ends import RobinEnds as RobinEnds
from .total_variation import TotalVariation as TotalVariation

_name_misfits(__name__)
