"""The problems: what varies between samples, the solution by finite volumes, and the exact one."""

from .burgers import PeriodicBurgers as PeriodicBurgers
from .burgers import TravellingShock as TravellingShock
from .heat import Rod as Rod
from .plate import Plate as Plate
from .problem import Problem as Problem
from .problem import Samples as Samples
from .problem import generate as generate
from .wave import StandingWaves as StandingWaves
