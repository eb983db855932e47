"""Earthformer, a space-time transformer of cuboid attention."""

from solvers._arguments import name_misfits as _name_misfits

from .model import Earthformer as Earthformer
from .released import with_released_weights as with_released_weights

_name_misfits(__name__)
