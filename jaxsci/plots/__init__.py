"""Plots: functions of arrays that draw on given axes, or on a figure of their own."""

from .fields import error_map as error_map
from .histogram import histogram as histogram
from .mass import mass_over_time as mass_over_time
from .profile import Prediction as Prediction
from .profile import profile as profile
from .style import new_axes as new_axes
from .style import save as save
from .style import style as style
from .training import training_curve as training_curve
