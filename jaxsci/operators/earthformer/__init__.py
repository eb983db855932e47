"""Earthformer, a space-time transformer of cuboid attention."""

from .model import Earthformer as Earthformer
from .released import with_released_weights as with_released_weights
