"""Metrics: pure functions of one sample; callers `vmap` and average."""

from .boundary import boundary_error as boundary_error
from .conservation_error import conservation_error as conservation_error
from .coverage import interval_coverage as interval_coverage
from .crps import crps_gaussian as crps_gaussian
from .crps import crps_samples as crps_samples
from .errors import mse as mse
from .errors import relative_l2 as relative_l2
from .likelihood import gaussian_log_likelihood as gaussian_log_likelihood
from .shock import shock_position as shock_position
from .shock import shock_samples as shock_samples
