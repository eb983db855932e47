"""Predictive distributions: heads that make them, mixtures that summarise them, calibration."""

from .calibration import calibration as calibration
from .conformal import ConformalBand as ConformalBand
from .conformal import conformal as conformal
from .deep_ensemble import DeepEnsemble as DeepEnsemble
from .deep_ensemble import ensemble_loss as ensemble_loss
from .head import GaussianHead as GaussianHead
from .low_rank_head import LowRankHead as LowRankHead
from .marginal import mean_and_scale as mean_and_scale
from .mixture import moment_match as moment_match
from .mixture_head import MixtureHead as MixtureHead
