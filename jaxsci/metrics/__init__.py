"""Metrics: pure functions of one sample; callers `vmap` and average, or add up exact counts."""

from .boundary import boundary_error as boundary_error
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
from .shock import shock_position as shock_position
from .shock import shock_samples as shock_samples
from .spectrum import radial_spectrum as radial_spectrum
from .ssim import ssim as ssim
