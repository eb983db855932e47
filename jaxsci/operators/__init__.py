"""Operators: one sample in, one sample out; callers `vmap`."""

from solvers._arguments import name_misfits as _name_misfits

from .anp import AttentiveNeuralProcess as AttentiveNeuralProcess
from .boundary_fno import BoundaryCorrectedFNO as BoundaryCorrectedFNO
from .earthformer import Earthformer as Earthformer
from .earthformer import with_released_weights as with_released_weights
from .flax import from_flax as from_flax
from .flux_form import FluxForm as FluxForm
from .fno import FNO as FNO
from .kernel_operator import AbstractKernelOperator as AbstractKernelOperator
from .kernel_operator import KernelBlock as KernelBlock
from .low_rank import LowRankNeuralOperator as LowRankNeuralOperator
from .stream_function import StreamFunction as StreamFunction
from .video import E3DLSTM as E3DLSTM
from .video import AbstractRecurrentForecaster as AbstractRecurrentForecaster
from .video import ConvLSTM as ConvLSTM
from .video import Forcing as Forcing
from .video import Persistence as Persistence
from .video import PhyDNet as PhyDNet
from .video import PredRNN as PredRNN
from .video import Rainformer as Rainformer
from .video import UNet as UNet

_name_misfits(__name__)
