"""Constraints: affine rows with one `project`, and boundary corrections of kernels."""

from .affine import AffineConstraint as AffineConstraint
from .affine import conservation as conservation
from .boon import eliminate_ends as eliminate_ends
from .ends import AbstractEnds as AbstractEnds
from .ends import DirichletEnds as DirichletEnds
from .ends import NeumannEnds as NeumannEnds
from .ends import PeriodicEnds as PeriodicEnds
from .projection import ProjectedGaussian as ProjectedGaussian
from .projection import project as project
