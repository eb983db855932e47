"""Earthformer, a space-time transformer of cuboid attention."""

from .model import Earthformer as Earthformer
