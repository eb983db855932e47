"""The problems: one parameter each, solutions as cell averages, what is conserved, where the front is."""

from .advection import TransportedStep as TransportedStep
from .burgers import SteepeningRamp as SteepeningRamp
from .diffusion import DecayingSine as DecayingSine
from .porous_medium import PorousFront as PorousFront
from .problem import Problem as Problem
from .stefan import Melting as Melting
