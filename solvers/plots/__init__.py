"""Profiles, fields and animations of a solution in one call; ``import solvers.plots`` to have them.

They need matplotlib, which nothing else here does, so ``import solvers`` leaves them out.
"""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError(
        "solvers.plots expected matplotlib, got an environment without it; run `pip install matplotlib`."
    ) from error

from solvers._arguments import name_misfits as _name_misfits

from .animate import animate as animate
from .plot import plot as plot

_name_misfits(__name__)
