"""Metrics: pure functions of one sample; callers `vmap` and average, or add up exact counts."""

from solvers import latitude_weights as latitude_weights
from solvers._arguments import name_misfits as _name_misfits

from .boundary import boundary_error as boundary_error
from .competition import mase as mase
from .competition import owa as owa
from .competition import smape as smape
from .conservation_error import conservation_error as conservation_error
from .contingency import VIL_THRESHOLDS as VIL_THRESHOLDS
from .contingency import ContingencyCounts as ContingencyCounts
from .contingency import ContingencyTable as ContingencyTable
from .contingency import contingency_counts as contingency_counts
from .coverage import interval_coverage as interval_coverage
from .crps import crps_gaussian as crps_gaussian
from .crps import crps_samples as crps_samples
from .errors import mse as mse
from .errors import relative_l2 as relative_l2
from .frames import frame_mae as frame_mae
from .frames import frame_mse as frame_mse
from .likelihood import gaussian_log_likelihood as gaussian_log_likelihood
from .nino import correlation_skill as correlation_skill
from .nino import lead_weights as lead_weights
from .nino import mean_skill as mean_skill
from .nino import nino34_index as nino34_index
from .nino import weighted_mean_skill as weighted_mean_skill
from .quantile_calibration import quantile_coverage as quantile_coverage
from .quantile_calibration import sharpness as sharpness
from .quantile_loss import crps_quantiles as crps_quantiles
from .quantile_loss import quantile_loss as quantile_loss
from .quantile_loss import weighted_quantile_loss as weighted_quantile_loss
from .running import RunningCorrelation as RunningCorrelation
from .running import RunningMean as RunningMean
from .shock import shock_position as shock_position
from .shock import shock_samples as shock_samples
from .spectrum import radial_spectrum as radial_spectrum
from .ssim import ssim as ssim
from .volatility import allowed_event_volatility as allowed_event_volatility
from .volatility import allowed_volatility as allowed_volatility
from .volatility import excess_volatility as excess_volatility
from .volatility import martingale_volatility as martingale_volatility

_name_misfits(__name__)
