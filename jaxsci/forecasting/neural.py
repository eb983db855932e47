"""What forecasters that are networks have in common: they are trained on all series with forking sequences.

Reference: Wen et al., A multi-horizon quantile recurrent forecaster, 2017, arXiv:1711.11053, section 3.3.
"""

import abc
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxsci._checks import whole
from jaxsci.training import OptimizerConfig, Source, StreamSource, fit
from jaxsci.training.step import LossFn

from .decoders import MQDecoder
from .forecaster import Forecaster
from .forking import ForkSource, SeriesArrays, typical_of
from .grid import check_levels
from .heads import HEADS
from .network import EMBEDDING, MQNetwork
from .panel import Panel
from .scaling import learn_prior, usual_half_life
from .store import SeriesStore
from .stretches import Stretches, StretchSource

# Forecasts of one pass, or dates read: bounds its memory, and is enough to fill the cores.
_CELLS = 1 << 18
_DATES = 64
_Kind = TypeVar("_Kind", bound="NeuralForecaster")
# Heads that know the whole distribution.
_ANY_LEVEL = ("quantile-function", "student-t", "negative-binomial")


@dataclass(kw_only=True, eq=False)
class NeuralForecaster(Forecaster):
    """What the networks have in common; see `Forecaster` for the other options.

    Attributes:
        head: "increments" (quantiles that cannot cross), "free", "quantile-function", "student-t" or
            "negative-binomial" (counts); see `heads`.
        width: channels of the encoder and of the decoder.
        half_life: dates after which an observation counts half in a series' level and scale; four times the
            longest season or twice the horizon by default, whichever is longer.
        steps: of training.
        batch_size: stretches of series in a batch.
        forks: consecutive dates of a stretch that make forecasts; 1 samples windows.
        learning_rate: at its largest; it falls along a cosine.
        weight_decay: of matrices.
        seed: fixes initial weights and batches.
        progress: whether to report progress.
    """

    head: str = "increments"
    width: int = 32
    half_life: float | None = None
    steps: int = 1000
    batch_size: int = 32
    forks: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    progress: bool = False

    def __post_init__(self):
        super().__post_init__()
        who = type(self).__name__
        if self.head not in HEADS:
            raise ValueError(
                f"{who} expected a head of {sorted(HEADS)}, got {self.head!r}; choose one."
            )
        for name in ("width", "steps", "batch_size", "forks"):
            setattr(self, name, whole(who, name, getattr(self, name)))
        self.seed = whole(who, "seed", self.seed, 0)
        if self.half_life is None:
            self.half_life = usual_half_life(self.seasons, self.horizon)
        if not self.half_life > 0:
            raise ValueError(
                f"{who} expected a positive half_life, got {self.half_life}; give a number of dates."
            )
        self._optimizer()  # which checks its options
        self._network: MQNetwork | None = None

    @property
    def network(self) -> MQNetwork:
        """The network that was trained.

        Raises:
            RuntimeError: before `fit`.
        """
        assert self.schema is not None
        assert self._network is not None
        return self._network

    def at(self: _Kind, quantiles: Sequence[float]) -> _Kind:
        """The same fitted forecaster, asked for other levels, without training again.

        Args:
            quantiles: increasing levels between 0 and 1.

        Raises:
            RuntimeError: before `fit`.
            ValueError: a head that knows no levels but those that it was trained at.
        """
        if self.head not in _ANY_LEVEL:
            raise ValueError(
                f"{type(self).__name__}.at expected a head of {_ANY_LEVEL}, got {self.head!r}, which knows the "
                "levels it was trained at; train one with those you need."
            )
        trained, other = self.network, copy.copy(self)
        other.quantiles = check_levels(type(self).__name__, quantiles)
        structure = jax.tree.structure(other._like(self._sizes))
        other._network = jax.tree.unflatten(structure, jax.tree.leaves(trained))
        return other

    @abc.abstractmethod
    def build(self, sizes: dict[str, Any], *, key: PRNGKeyArray) -> MQNetwork:
        """The network before training.

        Args:
            sizes: channels of the covariates, "past", "future" and "static", and the number of each of the
                "categories".
            key: random key of the initial weights.
        """

    def source(
        self, series: Panel | SeriesStore, network: MQNetwork, *, key: PRNGKeyArray
    ) -> ForkSource | StretchSource:
        """Batches of series, in memory or on disk, for training a network in a loop of one's own."""
        length = self._reach(network) + self.forks - 1
        assert self.half_life is not None
        if isinstance(series, SeriesStore):
            stretches = Stretches(
                series,
                network.prior,
                half_life=self.half_life,
                length=length,
                forks=self.forks,
                horizon=self.horizon,
            )
            return StretchSource(StreamSource(stretches, self.batch_size, key=key))
        arrays = SeriesArrays.of(series, network.prior, half_life=self.half_life, pad=length)
        observed = series.observed
        first = np.where(observed.any(1), observed.argmax(1), series.length)
        return ForkSource(
            arrays=arrays,
            first=jnp.asarray(first, jnp.int32),
            length=length,
            forks=self.forks,
            horizon=self.horizon,
            batch_size=self.batch_size,
            key=key,
        )

    def _fit(self, panel: Panel) -> None:
        self._train([panel], lambda network, key: self.source(panel, network, key=key))

    def _fit_store(self, store: SeriesStore) -> None:
        self._check_store(store)
        self._train(store, lambda network, key: self.source(store, network, key=key))

    def _train(
        self,
        panels: Iterable[Panel],
        source_of: Callable[[MQNetwork, PRNGKeyArray], Source],
        loss_fn: LossFn | None = None,
    ) -> None:
        """Train on a source of all series, of which `panels` has the parts."""
        typical, sizes = [], {}
        assert self.half_life is not None
        for panel in panels:
            self._check_targets(panel)
            typical.append(typical_of(panel, half_life=self.half_life))
            sizes = _sizes(panel)
        network_key, batch_key, key = jax.random.split(jax.random.key(self.seed), 3)
        # In one program: the weights' shapes would each be compiled by themselves.
        network = eqx.filter_jit(lambda key: self.build(sizes, key=key))(network_key)
        network = eqx.tree_at(lambda n: n.prior, network, learn_prior(typical))
        optimizer = self._optimizer().build(self.steps)
        source = source_of(network, batch_key)
        try:
            result = fit(
                network,
                loss_fn or forking_loss,
                source,
                optimizer,
                key=key,
                steps=self.steps,
                steps_per_dispatch=10,
                progress=self.progress,
                label=type(self).__name__,
            )
        finally:
            if isinstance(source, StretchSource):
                source.close()
        self._network, self._sizes = result.best_model, sizes

    def _optimizer(self) -> OptimizerConfig:
        return OptimizerConfig(
            learning_rate=self.learning_rate,
            warmup_steps=min(50, self.steps // 10),
            weight_decay=self.weight_decay,
        )

    def _check_targets(self, panel: Panel) -> None:
        super()._check_targets(panel)
        if self.head != "negative-binomial":
            return
        wrong = panel.observed & ((panel.y < 0) | (panel.y != np.round(panel.y)))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"{type(self).__name__} expected whole targets of zero or more for "
                f"head='negative-binomial', got {panel.y[row, column]:g} in series {panel.ids[row]!r} at "
                f"{panel.date_name(row, column)} and {wrong.sum()} such values; choose another head."
            )

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        network = self._network
        assert network is not None
        assert self.half_life is not None
        columns = np.asarray(columns)
        consecutive = bool((np.diff(columns) == 1).all())
        dates = min(len(columns), _DATES) if consecutive else 1
        length = self._history(panel, network) + dates - 1
        pad = length + _DATES
        # The last date of each pass; the first pass may reach back to dates that are not asked for.
        lasts = columns[::-1][::dates][::-1] if consecutive else columns
        count = len(panel.ids)
        batch = max(1, min(count, _CELLS // max(dates * self.horizon, length)))
        parts = []
        for start in range(0, count, batch):
            # The last batch is filled up, so that all have one shape and one program.
            rows = panel.rows(np.minimum(np.arange(start, start + batch), count - 1))
            arrays = SeriesArrays.of(rows, network.prior, half_life=self.half_life, pad=pad)
            passes = [
                np.asarray(_quantiles(network, arrays, jnp.asarray(last, jnp.int32), length, dates))
                for last in lasts
            ]
            parts.append(np.concatenate(passes, 1)[: count - start, -len(columns) :])
        return np.concatenate(parts)

    def _arrays(self):
        return self.network, self._sizes

    def _like(self, sizes):
        self._sizes = sizes
        return self.build(sizes, key=jax.random.key(0))

    def _restore(self, arrays):
        self._network = arrays

    def _reach(self, network: MQNetwork) -> int:
        assert network.reach is not None
        return network.reach

    def _history(self, panel: Panel, network: MQNetwork) -> int:
        """Dates that a forecast is made from."""
        return self._reach(network)

    def _network_of(self, encoder, decoder, sizes, width, seasons, *, key) -> MQNetwork:
        return MQNetwork(
            encoder=encoder,
            decoder=decoder,
            head=HEADS[self.head](tuple(self.quantiles)),
            categories=sizes["categories"],
            seasons=seasons,
            origin=self._above,
            width=width,
            key=key,
        )

    def _mq(self, encoder, n, sizes, keys) -> MQNetwork:
        """The network of MQ-RNN and MQ-CNN."""
        decoder = MQDecoder(
            encoding=encoder.width,
            future=n["future"],
            static=n["static"],
            horizon=self.horizon,
            agnostic=self.width,
            width=self.width,
            key=keys[0],
        )
        return self._network_of(encoder, decoder, sizes, self.width, self.seasons, key=keys[1])

    @property
    def _above(self) -> bool:
        """Whether no target is negative."""
        return self.nonnegative or self.head == "negative-binomial"

    def _inputs(self, sizes: dict[str, Any]) -> dict[str, int]:
        static = sizes["static"] + EMBEDDING * len(sizes["categories"])
        return {
            "static": static,
            "future": sizes["future"],
            "all": 2 + self._above + sizes["past"] + sizes["future"] + static,
        }


def forking_loss(
    network: MQNetwork, batch: Any, key: PRNGKeyArray | None = None
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Mean loss of all targets of a batch of `ForkSource`, for `jaxsci.training.fit`."""
    series, targets, observed = batch
    losses = jax.vmap(network.loss)(series, targets, observed)
    return mean_loss(losses, observed), {}


def mean_loss(losses: Float[Array, "*cells"], observed: Bool[Array, "*cells"]) -> Float[Array, ""]:
    """The mean of losses, which are zero where nothing was observed, over what was."""
    return losses.sum() / jnp.maximum(observed.sum(), 1).astype(losses.dtype)


def _sizes(panel: Panel) -> dict[str, Any]:
    return {
        "past": panel.past.shape[-1],
        "future": panel.future.shape[-1],
        "static": panel.static.shape[-1],
        "categories": list(panel.categories),
    }


@eqx.filter_jit
def _quantiles(network, arrays, last, length, dates):
    def one(i):
        return network(arrays.stretch(i, last, length, network.horizon), dates)

    return jax.vmap(one)(jnp.arange(arrays.series.y.shape[0], dtype=jnp.int32))
