"""Forecasting of many series: coherence of hierarchies, and forests of quantiles."""

from .fit_forest import fit_quantile_forest as fit_quantile_forest
from .fit_forest import forest_from_sklearn as forest_from_sklearn
from .forest import QuantileForest as QuantileForest
from .hierarchy import Hierarchy as Hierarchy
from .reconcile import reconcile as reconcile
from .reconcile_frame import reconcile_frame as reconcile_frame
