"""Exact solutions: Riemann problems of gas and water here, the others beside their laws."""

from solvers._arguments import name_misfits as _name_misfits

from ..laws.burgers import by_characteristics as by_characteristics
from ..laws.burgers import ramp_mass as ramp_mass
from ..laws.burgers import ramp_to_shock as ramp_to_shock
from ..laws.porous_medium import barenblatt_constant as barenblatt_constant
from ..laws.porous_medium import barenblatt_front as barenblatt_front
from ..laws.porous_medium import barenblatt_profile as barenblatt_profile
from .cole_hopf import cole_hopf as cole_hopf
from .dam_break import DamBreak as DamBreak
from .riemann import riemann as riemann
from .shock_tube import ShockTube as ShockTube

_name_misfits(__name__)
