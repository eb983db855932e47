"""Training: a pure step, sources of batches, and the loop that resumes."""

from jaxsci.training.fit import FitResult as FitResult
from jaxsci.training.fit import fit as fit
from jaxsci.training.sources import ArraySource as ArraySource
from jaxsci.training.sources import GeneratedSource as GeneratedSource
from jaxsci.training.sources import Source as Source
from jaxsci.training.sources import epoch_batches as epoch_batches
from jaxsci.training.state import TrainState as TrainState
from jaxsci.training.state import init_state as init_state
from jaxsci.training.step import make_train_step as make_train_step
