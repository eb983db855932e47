"""Forecasting of many series: quantiles at all horizons, from seasonal naive to MQTransformer.

Every forecaster has one interface: `fit(frame)`, `predict(frame)`, `cross_validate(frame, windows=, step=)`,
`save(path)`, and `load(path)`.
"""

from solvers._arguments import name_misfits as _name_misfits

from .coherent import Coherent as Coherent
from .conformal import Conformal as Conformal
from .exponential import ETS as ETS
from .exponential import Theta as Theta
from .fit_forest import fit_quantile_forest as fit_quantile_forest
from .fit_forest import forest_from_sklearn as forest_from_sklearn
from .forecaster import DECILES as DECILES
from .forecaster import Forecaster as Forecaster
from .forest import QuantileForest as QuantileForest
from .forking import AlignedSource as AlignedSource
from .forking import ForkSource as ForkSource
from .future_rows import aggregate_frame as aggregate_frame
from .future_rows import future_rows as future_rows
from .grid import ForecastGrid as ForecastGrid
from .heads import FreeQuantiles as FreeQuantiles
from .heads import IncrementalQuantiles as IncrementalQuantiles
from .heads import NegativeBinomial as NegativeBinomial
from .heads import QuantileFunction as QuantileFunction
from .heads import StudentT as StudentT
from .hierarchy import Hierarchy as Hierarchy
from .intermittent import SBA as SBA
from .intermittent import TSB as TSB
from .intermittent import Croston as Croston
from .learning.losses import forking_loss as forking_loss
from .lineage import MLP as MLP
from .lineage import MQCNN as MQCNN
from .lineage import MQRNN as MQRNN
from .lineage import MQTransformer as MQTransformer
from .loading import load as load
from .naive import Drift as Drift
from .naive import SeasonalNaive as SeasonalNaive
from .network import MQNetwork as MQNetwork
from .panel import Panel as Panel
from .reconcile import reconcile as reconcile
from .reconcile_frame import reconcile_frame as reconcile_frame
from .schema import Schema as Schema
from .split import split_by_date as split_by_date
from .sqrf import SQRF as SQRF
from .store import SeriesStore as SeriesStore
from .stretches import Stretches as Stretches
from .stretches import StretchSource as StretchSource

_name_misfits(__name__)
