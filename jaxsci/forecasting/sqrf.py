r"""Sparse quantile regression forest: one forest of all series, horizons and dates, on features made by hand.

    (y[t + h] − m_t)/σ_t  ~  QuantileForest(features of t and t + h),      ŷ_q = m_t + σ_t ẑ_q

A reconstruction: there is no paper of this step from local models to learning across series, only an outline.
The forest is Meinshausen's; features, scaling and sampling are ours, and so is the reading of "sparse": columns
of ones and zeros for categories, kept so where they are many.

Reference: N. Meinshausen, Quantile Regression Forests, J. Mach. Learn. Res. 7 (2006) 983.
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import sparse

from jaxsci._checks import whole

from .features import FeatureTable, draw_targets
from .fit_forest import fit_quantile_forest
from .forecaster import Forecaster
from .forest import QuantileForest
from .forking import normals, typical_of
from .panel import Panel
from .scaling import Prior, learn_prior, usual_half_life

# Rows of features in memory at a time.
_ROWS = 1 << 15


@dataclass(kw_only=True, eq=False)
class SQRF(Forecaster):
    """A quantile forest on features made by hand (extra `forecast`); see `Forecaster` for the other options.

    Targets are relative to the level and the scale of their series, so that a forecast may lie outside of what
    its own series has seen, and a forest need not learn sizes. A series without history gets the typical level
    and scale, and the quantiles of those with little: how much levels differ is not in them.

    Attributes:
        trees: their number.
        min_leaf: least number of targets in a leaf.
        max_rows: targets to learn from, drawn from all series, dates and horizons.
        seed: of the targets and the trees.
    """

    trees: int = 100
    min_leaf: int = 5
    max_rows: int = 20_000
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in ("trees", "min_leaf", "max_rows"):
            setattr(self, name, whole("SQRF", name, getattr(self, name)))
        self.seed = whole("SQRF", "seed", self.seed, 0)
        self._forest: QuantileForest | None = None
        self._prior = Prior()

    @property
    def forest(self) -> QuantileForest:
        """The forest that was grown.

        Raises:
            RuntimeError: before `fit`.
        """
        assert self.schema is not None
        assert self._forest is not None
        return self._forest

    def _fit(self, panel: Panel) -> None:
        half_life = usual_half_life(self.seasons, self.horizon)
        self._prior = learn_prior([typical_of(panel, half_life=half_life)])
        rows = draw_targets(panel, self.max_rows, np.random.default_rng(self.seed))
        if len(rows[0]) < self.min_leaf:
            raise ValueError(
                f"SQRF expected at least min_leaf={self.min_leaf} targets after the first ones of their "
                f"series, got {len(rows[0])}; give it longer series."
            )
        table = self._features(panel)
        starts = range(0, len(rows[0]), _ROWS)
        parts = [table.table(*(r[start : start + _ROWS] for r in rows)) for start in starts]
        forest = fit_quantile_forest(
            _stacked(parts),
            # Round-off would decide between splits that are equally good: of y and of c y, others.
            table.targets(*rows).astype(np.float32),
            trees=self.trees,
            min_leaf=self.min_leaf,
            seed=self.seed,
        )
        # In units of the scale, whatever JAX's own precision is.
        self._forest = eqx.tree_at(lambda f: f.targets, forest, forest.targets.astype(jnp.float32))

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        assert self._forest is not None
        table = self._features(panel)
        series, dates = (
            a.ravel()
            for a in np.meshgrid(np.arange(len(panel.ids)), np.asarray(columns), indexing="ij")
        )
        levels, h = np.asarray(self.quantiles), np.arange(1, self.horizon + 1)
        step, parts = max(1, _ROWS // self.horizon), []
        for start in range(0, len(series), step):
            i, t = series[start : start + step], dates[start : start + step]
            # Features of a date are made once for all horizons.
            repeated = np.repeat(np.arange(len(i)), self.horizon)
            ahead = np.tile(h, len(i))
            of_targets = table.of_targets(i[repeated], t[repeated], ahead)
            rows = table.joined(table.of_dates(i, t)[repeated], i[repeated], of_targets)
            made = self._forest.predict(rows, levels).reshape(len(i), self.horizon, -1)
            made = made.astype(np.float64)
            parts.append(table.level[i, t, None, None] + table.scale[i, t, None, None] * made)
        shape = (len(panel.ids), len(columns), self.horizon, len(self.quantiles))
        return np.concatenate(parts).reshape(shape)

    def _features(self, panel: Panel) -> FeatureTable:
        half_life = usual_half_life(self.seasons, self.horizon)
        normal = normals(panel.y, panel.observed, self._prior, half_life)
        level, scale = map(np.asarray, (normal.level, normal.scale))
        return FeatureTable(panel, level, scale, self.seasons, self._prior.scale)

    def _arrays(self):
        forest = self.forest
        sizes = {
            "nodes": forest.feature.shape[1],
            "samples": len(forest.targets),
            "features": forest.features,
            "depth": forest.depth,
            "widest": forest.widest,
            "prior": list(self._prior),
        }
        return forest, sizes

    def _like(self, sizes: dict[str, Any]):
        tree = (self.trees, sizes["nodes"])
        whole_numbers = lambda *shape: jnp.zeros(shape, jnp.int32)
        self._prior = Prior(*sizes["prior"])
        return QuantileForest(
            feature=whole_numbers(*tree),
            threshold=jnp.zeros(tree, jnp.float32),
            children=whole_numbers(*tree, 2),
            members=whole_numbers(self.trees, sizes["samples"]),
            start=whole_numbers(*tree),
            count=whole_numbers(*tree),
            targets=jnp.zeros(sizes["samples"], jnp.float32),
            features=sizes["features"],
            depth=sizes["depth"],
            widest=sizes["widest"],
        )

    def _restore(self, arrays):
        self._forest = jax.tree.map(jnp.asarray, arrays)


def _stacked(parts: list) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return sparse.vstack(parts, format="csr")
