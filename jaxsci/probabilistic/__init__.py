"""Predictive distributions: heads that make them, mixtures that summarise them, calibration."""

from solvers._arguments import name_misfits as _name_misfits

from .calibration import calibration as calibration
from .conformal import ConformalBand as ConformalBand
from .conformal import conformal as conformal
from .deep_ensemble import DeepEnsemble as DeepEnsemble
from .deep_ensemble import ensemble_loss as ensemble_loss
from .fit_process import fit_gaussian_process as fit_gaussian_process
from .gaussian_process import GaussianProcess as GaussianProcess
from .head import GaussianHead as GaussianHead
from .kernels import RBF as RBF
from .kernels import AbstractKernel as AbstractKernel
from .kernels import Matern as Matern
from .last_layer import LastLayer as LastLayer
from .last_layer import LastLayerPosterior as LastLayerPosterior
from .low_rank_head import LowRankHead as LowRankHead
from .marginal import mean_and_scale as mean_and_scale
from .mixture import moment_match as moment_match
from .mixture import moment_match_low_rank as moment_match_low_rank
from .mixture_head import MixtureHead as MixtureHead

_name_misfits(__name__)
