"""Cuboid attention: attention inside local, dilated and shifted cuboids of a space-time field."""

from solvers._arguments import name_misfits as _name_misfits

from .cross_attention import CuboidCrossAttention as CuboidCrossAttention
from .patterns import cross_pattern as cross_pattern
from .patterns import self_pattern as self_pattern
from .plan import Cuboid as Cuboid
from .plan import CuboidPlan as CuboidPlan
from .self_attention import CuboidSelfAttention as CuboidSelfAttention
from .stack import CuboidCrossStack as CuboidCrossStack
from .stack import CuboidStack as CuboidStack

_name_misfits(__name__)
