"""Forecasting of many series: coherence of hierarchies, and forests of quantiles."""

from .hierarchy import Hierarchy as Hierarchy
from .reconcile import reconcile as reconcile
from .reconcile_frame import reconcile_frame as reconcile_frame
