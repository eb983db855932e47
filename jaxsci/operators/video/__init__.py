"""Forecasters of video: `(time, channels, height, width)` in and out, one sample a call.

Inside, channels come last, as the blocks of `jaxsci.nn` have them.
"""

from solvers._arguments import name_misfits as _name_misfits

from .conv_lstm import ConvLSTM as ConvLSTM
from .e3d_lstm import E3DLSTM as E3DLSTM
from .persistence import Persistence as Persistence
from .phydnet import PhyDNet as PhyDNet
from .predrnn import PredRNN as PredRNN
from .rainformer import Rainformer as Rainformer
from .recurrent import AbstractRecurrentForecaster as AbstractRecurrentForecaster
from .recurrent import Forcing as Forcing
from .unet import UNet as UNet

_name_misfits(__name__)
