"""Data sets of solver runs: declared distributions in, a resumable chunked zarr store out."""

from .generate import GenerationError as GenerationError
from .generate import generate as generate
from .problem import Problem as Problem
from .problem import Variable as Variable
from .problems import PROBLEMS as PROBLEMS
