"""Training: a pure step, sources of batches, and the loop that resumes."""

from jaxsci.training.checkpoints import Checkpoints as Checkpoints
from jaxsci.training.divergence import DivergedError as DivergedError
from jaxsci.training.fit import FitResult as FitResult
from jaxsci.training.fit import fit as fit
from jaxsci.training.optimizer import OptimizerConfig as OptimizerConfig
from jaxsci.training.sources import ArraySource as ArraySource
from jaxsci.training.sources import GeneratedSource as GeneratedSource
from jaxsci.training.sources import Source as Source
from jaxsci.training.sources import epoch_batches as epoch_batches
from jaxsci.training.state import TrainState as TrainState
from jaxsci.training.state import init_state as init_state
from jaxsci.training.step import make_train_step as make_train_step
from jaxsci.training.store import CheckpointError as CheckpointError
from jaxsci.training.store import load_model as load_model
from jaxsci.training.store import save_model as save_model
from jaxsci.training.streaming import StreamSource as StreamSource
from solvers._arguments import name_misfits as _name_misfits

_name_misfits(__name__)
