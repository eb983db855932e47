"""Plots: functions of arrays that draw on given axes, or on a figure of their own."""

from solvers._arguments import name_misfits as _name_misfits

from .backtest import backtest_traces as backtest_traces
from .fan_chart import fan_chart as fan_chart
from .fields import error_map as error_map
from .frames import frame_rows as frame_rows
from .histogram import histogram as histogram
from .lead_time import score_by_lead as score_by_lead
from .mass import mass_over_time as mass_over_time
from .profile import Prediction as Prediction
from .profile import profile as profile
from .reliability import reliability as reliability
from .style import new_axes as new_axes
from .style import new_grid as new_grid
from .style import save as save
from .style import style as style
from .training import training_curve as training_curve
from .volatility import volatility_by_lead as volatility_by_lead

_name_misfits(__name__)
