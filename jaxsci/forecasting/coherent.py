r"""Any forecaster of all series of a hierarchy, with forecasts that add up; networks learn it end to end.

    q̃ = q + (m̃ − m),     m = Σ_q w_q q,     m̃ = reconcile(m)

m is the location of the quantiles: that of the Gaussian which fits them best, and their mean where the levels
are symmetric about a half. It is moved onto the sums by `jaxsci.constraints.project`, and the quantiles with
it. Trained end to end, a network's loss is that of q̃, and its gradient passes through the projection: what
it learns is then chosen for the coherent forecast, and not for one that is changed afterwards.

The methods that weigh series by their errors, and MinT by how these go together, take the errors of the
fitted forecaster one date ahead, at the last dates of its own training data.

Reference: Rangapuram, Werner, Benidis, Mercado, Gasthaus, Januschowski, End-to-end learning of coherent
probabilistic forecasts for hierarchical time series, ICML 2021, PMLR 139:8832; they project samples, and we
the location of quantiles.
"""

import copy
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.special import ndtri

from jaxsci._checks import whole
from jaxsci.metrics.quantile_loss import pinball

from .forecaster import Forecaster
from .forking import AlignedSource, ForkSource
from .hierarchy import Hierarchy
from .learning.losses import mean_loss
from .loading import load
from .network import MQNetwork
from .neural import NeuralForecaster
from .panel import Panel
from .reconcile import LEAST_TIMES, METHODS, Method, reconcile
from .wrapper import INNER, Wrapper

_RESIDUALS = ("wls_variance", "mint")
_PINBALL = ("increments", "free")
# By which share of its size an aggregate of the history may differ from the sum of its parts.
_ROUNDED = 0.01


class Coherent(Wrapper):
    """A forecaster whose forecasts of a hierarchy add up, at their locations.

    The history must add up as well, to a hundredth of each aggregate. Of a forecaster that is nonnegative, the
    locations are the nearest such sums that are nowhere negative; quantiles below zero are zero afterwards.

    Args:
        forecaster: the one whose forecasts are moved. It stays as it is; the attribute `forecaster` is a copy
            from `fit` on, fitted to the same frame.
        hierarchy: of exactly the series of the frames.
        method: as in `reconcile`.
        end_to_end: whether a network is trained on the loss of the coherent quantiles; its batches then have
            all series at the same dates, once, or as often as `batch_size` allows. Only with methods that
            take no errors.
        windows: number of dates whose errors the methods take that do.

    Raises:
        TypeError: no forecaster, no hierarchy, or nothing to train end to end.
        ValueError: another method, a head that is not trained by quantiles, or targets that are never negative.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        hierarchy: Hierarchy,
        *,
        method: Method = "ols",
        end_to_end: bool = False,
        windows: int = 30,
    ):
        super().__init__(forecaster)
        if not isinstance(hierarchy, Hierarchy):
            raise TypeError(
                f"Coherent expected a Hierarchy, got {type(hierarchy).__name__}; build one of labels, as in "
                "Hierarchy.from_labels."
            )
        if method not in METHODS:
            raise ValueError(
                f"Coherent expected a method of {METHODS}, got {method!r}; choose one."
            )
        if end_to_end and method in _RESIDUALS:
            raise ValueError(
                f"Coherent expected a method without errors to train end to end, got {method!r}, which takes "
                "those of a trained network; choose 'ols', for instance."
            )
        network = forecaster if isinstance(forecaster, NeuralForecaster) else None
        if end_to_end and network is None:
            raise TypeError(
                f"Coherent expected a network to train end to end, got {type(forecaster).__name__}; leave "
                "end_to_end out."
            )
        if end_to_end and network is not None and network.head not in _PINBALL:
            raise ValueError(
                f"Coherent expected a head of {_PINBALL} to train end to end, got {network.head!r}; choose "
                "one of them."
            )
        if forecaster.nonnegative and (end_to_end or method == "mint"):
            raise ValueError(
                "Coherent expected a forecaster without nonnegative for method='mint' or end_to_end, got one "
                "with it; choose another method, such as 'wls_structural'."
            )
        self.hierarchy = hierarchy
        self.method: Method = method
        self.end_to_end = bool(end_to_end)
        self.windows = whole("Coherent", "windows", windows)
        self._errors: np.ndarray | None = None

    def _fit(self, panel: Panel) -> None:
        order = self._order(panel)
        self._check_sums(panel.rows(order))
        if not self.end_to_end:
            self.forecaster = self._fitted(panel)
            self._errors = self._of_the_past(panel, order) if self.method in _RESIDUALS else None
            return
        inner, ordered = copy.copy(self.forecaster), panel.rows(order)
        assert isinstance(inner, NeuralForecaster)

        # Differences from numbers that add up themselves, as the forecasts are to.
        y, first = ordered.y, ordered.observed.argmax(1)
        bottom = list(self.hierarchy.bottom)
        zero = np.asarray(self.hierarchy.summing, np.float64) @ y[bottom, first[bottom]]

        def source(network: MQNetwork, key: PRNGKeyArray, held: int) -> AlignedSource:
            stretches = inner.source(ordered, network, key=key, zero=zero, held=held)
            assert isinstance(stretches, ForkSource)
            dates = max(1, inner.batch_size // len(order))
            return AlignedSource(forks=stretches, dates=dates)

        inner._train([ordered], source, self._loss, zero)
        self.forecaster = inner

    def _of_the_past(self, panel: Panel, order: np.ndarray) -> Float[np.ndarray, "dates series"]:
        """Errors one date ahead, at the last dates whose targets are all known."""
        columns = np.arange(max(panel.length - 1 - self.windows, 0), panel.length - 1)
        grid = self.forecaster.forecast(panel, columns)
        targets, known = (x[order, :, 0].T for x in grid.targets)
        errors = (targets - grid.values[order, :, 0].transpose(1, 0, 2) @ self.weights)[
            known.all(1)
        ]
        if len(errors) < LEAST_TIMES:
            raise ValueError(
                f"Coherent expected at least {LEAST_TIMES} of the last {self.windows} dates with known targets "
                f"of all series for method={self.method!r}, got {len(errors)}; ask for more windows, or choose "
                "a method without errors, such as 'ols'."
            )
        # A sum of series without errors, such as of what is no longer sold, has nothing to move with: these get
        # errors of a millionth of the largest, which do not go together.
        size = np.sqrt((errors**2).mean(0))
        least = 1e-6 * size.max() or 1.0
        noise = least * np.random.default_rng(0).normal(size=errors.shape)
        return np.where(size < least, noise, errors).astype(np.float32)

    def _check_sums(self, panel: Panel) -> None:
        """Refuse a history that does not add up, where all of it is known."""
        y = np.where(panel.observed, panel.y, np.nan)
        bottom = y[list(self.hierarchy.bottom)]
        gaps = np.isnan(bottom).astype(np.float64)
        with jax.enable_x64(True):
            sums, size, gaps = (
                np.asarray(self.hierarchy.aggregate(jnp.asarray(np.nan_to_num(x).T))).T
                for x in (bottom, np.abs(bottom), gaps)
            )
        known = gaps == 0
        # Published sums are rounded.
        off = known & (np.abs(y - sums) > _ROUNDED * np.maximum(size, np.abs(y)))
        if off.any():
            row, column = np.argwhere(off)[0]
            raise ValueError(
                f"Coherent expected a history that adds up, got {y[row, column]:g} for "
                f"{self.hierarchy.ids[row]!r}, whose parts make {sums[row, column]:g}, and {off.sum()} such "
                "values; correct the hierarchy, or sum the series anew."
            )

    def _loss(self, network: MQNetwork, batch: Any, key: PRNGKeyArray | None = None):
        """Mean pinball loss of coherent quantiles, each in units of its forecast date's scale."""
        series, targets, observed = batch
        forks, count = targets.shape[1], len(self.hierarchy.ids)
        quantiles = jax.vmap(lambda one: network(one, forks))(series)
        together = quantiles.reshape(-1, count, *quantiles.shape[1:])
        moved = self._moved(together).reshape(quantiles.shape)
        level, scale = (x[:, -forks:, None] for x in (series.level, series.scale))
        # What was not observed is replaced before the loss: 0 · nan has no gradient.
        targets = (jnp.where(observed, targets, level) - level) / scale
        moved = (moved - level[..., None]) / scale[..., None]
        losses = pinball(moved, self.quantiles, targets).mean(-1)
        return mean_loss(jnp.where(observed, losses, 0.0), observed), {}

    def _moved(
        self, quantiles: Float[Array, "dates series forks horizon quantiles"]
    ) -> Float[Array, "dates series forks horizon quantiles"]:
        weights = jnp.asarray(self.weights, quantiles.dtype)
        location = jnp.moveaxis(quantiles @ weights, 1, -1)
        errors = self._errors
        if errors is not None:
            errors = jnp.asarray(errors, location.dtype)
        coherent = reconcile(
            location,
            self.hierarchy,
            method=self.method,
            residuals=errors,
            nonnegative=self.nonnegative,
        )
        return quantiles + jnp.moveaxis(coherent - location, -1, 1)[..., None]

    @property
    def weights(self) -> Float[np.ndarray, " quantiles"]:
        """Weights w of the quantiles in their location."""
        scores = ndtri(np.asarray(self.quantiles))
        weights, spread = np.full(len(scores), 1 / len(scores)), scores - scores.mean()
        if len(scores) > 1:
            weights = weights - scores.mean() * spread / (spread @ spread)
        return weights

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        order = self._order(panel)
        grid = self.forecaster.forecast(panel, columns)
        if not grid.made.all():
            row, date = np.argwhere(~grid.made)[0]
            raise ValueError(
                "Coherent expected forecasts of every series of its hierarchy, got none for "
                f"{panel.ids[row]!r} at {panel.date_name(row, int(columns[date]))}, where it has no known "
                "target; begin later, or forecast with a model that learns from the others."
            )
        values = np.asarray(grid.values, np.float64)
        with jax.enable_x64(True):
            moved = np.asarray(self._moved(jnp.asarray(values[None, order])))[0]
        back = np.empty_like(values)
        back[order] = moved
        return back

    def _order(self, panel: Panel) -> np.ndarray:
        """The rows of a panel in the order of the hierarchy."""
        rows = {name: row for row, name in enumerate(panel.ids.tolist())}
        ids = self.hierarchy.ids
        if set(rows) != set(ids):
            apart = {"others": set(rows) - set(ids), "missing": set(ids) - set(rows)}
            words = [f"{len(x)} {n}, such as {min(map(str, x))!r}" for n, x in apart.items() if x]
            raise ValueError(
                f"Coherent expected the {len(ids)} series of its hierarchy, got {' and '.join(words)}; give it "
                "all series, aggregates too, and the hierarchy their names."
            )
        if np.ptp(panel.ends) > 0:
            first, last = (
                panel.date_name(row, panel.length - 1)
                for row in (int(panel.ends.argmin()), int(panel.ends.argmax()))
            )
            raise ValueError(
                f"Coherent expected series that end at the same date, got {first} and {last}; cut "
                "them, or let them end with a known target."
            )
        return np.array([rows[name] for name in ids])

    def _options(self) -> dict[str, Any]:
        tree = self.hierarchy
        links = {"links": np.asarray(tree.links).tolist()}
        hierarchy = {"ids": list(tree.ids), "above": tree.above, "bottom": tree.bottom} | links
        names = ("method", "end_to_end", "windows")
        return {"hierarchy": hierarchy} | {name: getattr(self, name) for name in names}

    def _arrays(self):
        if self._errors is None:
            return None, {}
        return jnp.asarray(self._errors), {"dates": len(self._errors)}

    def _like(self, sizes):
        return jnp.zeros((sizes["dates"], len(self.hierarchy.ids)), jnp.float32)

    def _restore(self, arrays):
        self._errors = np.asarray(arrays)

    @classmethod
    def _built(cls, path: Path, options: dict[str, Any]) -> Forecaster:
        stored = options.pop("hierarchy")
        hierarchy = Hierarchy.from_links(**stored)
        return cls(load(path / INNER), hierarchy, **options)
