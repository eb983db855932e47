"""Data sets of solver runs: declared distributions in, a resumable chunked zarr store out."""

from solvers._arguments import name_misfits as _name_misfits

from .generate import GenerationError as GenerationError
from .generate import generate as generate
from .problem import Problem as Problem
from .problem import Variable as Variable
from .problems import PROBLEMS as PROBLEMS

_name_misfits(__name__)
