"""What forecasters that are networks have in common: they are trained on all series with forking sequences.

Reference: Wen et al., A multi-horizon quantile recurrent forecaster, 2017, arXiv:1711.11053, section 3.3.
"""

import abc
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from jaxsci._checks import whole
from jaxsci.training import OptimizerConfig, Source, StreamSource
from jaxsci.training.step import LossFn

from .forecaster import Forecaster
from .forking import ForkSource, SeriesArrays, typical_of
from .grid import check_levels
from .heads import HEADS
from .learning.holdout import CELLS, dates_held_out, judge_of
from .learning.losses import forking_loss
from .learning.passes import forecasts
from .learning.training import in_single_precision, train
from .network import EMBEDDING, MQNetwork
from .panel import Panel, check_counts
from .scaling import Prior, learn_prior, usual_half_life
from .store import SeriesStore
from .stretches import Stretches, StretchSource

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
        steps: of training, at most.
        holdout: last dates of the series that are not learned from: training ends when forecasts of them get
            worse, and the network that was best there is kept. By default a tenth of the dates, and at least a
            horizon, but none of series so short that it would be more than a quarter; 0 for none.
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
    holdout: int | None = None
    batch_size: int = 32
    forks: int = 32
    learning_rate: float = 1e-3
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
        if self.holdout is not None:
            self.holdout = whole(who, "holdout", self.holdout, 0)
        if self.half_life is None:
            self.half_life = usual_half_life(self.seasons, self.horizon)
        if not self.half_life > 0:
            raise ValueError(
                f"{who} expected a positive half_life, got {self.half_life}; give a number of dates."
            )
        self._optimizer()  # which checks its options
        self._network: MQNetwork | None = None
        self._prior = Prior()
        self._checkpoint: str | Path | None = None

    def fit(self: _Kind, frame: Any, *, checkpoint: str | Path | None = None) -> _Kind:
        """Learn from series, as every forecaster does, resuming from `checkpoint` if there is one.

        Args:
            frame: as for `Forecaster.fit`.
            checkpoint: folder that training writes its state to now and then, and resumes from when it was
                killed and is started again with the same series and options; the forecaster is then the same,
                bit for bit. As in `jaxsci.training.fit`, a run of its own needs a folder of its own.

        Raises:
            CheckpointError: for a checkpoint that is damaged, or of another run.
        """
        self._checkpoint = checkpoint
        try:
            return super().fit(frame)
        finally:
            self._checkpoint = None

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
        self,
        series: Panel | SeriesStore,
        network: MQNetwork,
        *,
        key: PRNGKeyArray,
        zero: Float[np.ndarray, " series"] | None = None,
        forks: int | None = None,
        held: int = 0,
    ) -> ForkSource | StretchSource:
        """Batches of series, in memory or on disk, for training a network in a loop of one's own.

        Args:
            series: all of them.
            network: the one to be trained.
            key: fixes the batches.
            zero: what the numbers of each series, in memory, are told as differences from; their own level
                at each stretch by default.
            forks: those of the forecaster by default.
            held: last dates that are left out.
        """
        forks = self.forks if forks is None else forks
        length = self._reach(network) + forks - 1
        sizes = {"length": length, "forks": forks, "horizon": self.horizon}
        if isinstance(series, SeriesStore):
            assert self.half_life is not None
            stretches = Stretches(
                series,
                self._prior,
                half_life=self.half_life,
                counts=self._counts,
                held=held,
                **sizes,
            )
            return StretchSource(StreamSource(stretches, self.batch_size, key=key))
        series = series.until(series.length - 1 - held)
        return ForkSource(
            arrays=self._series_arrays(series, length, zero),
            first=jnp.asarray(series.first, jnp.int32),
            batch_size=self.batch_size,
            key=key,
            **sizes,
        )

    def _series_arrays(self, panel: Panel, pad: int, zero: Any = None) -> SeriesArrays:
        assert self.half_life is not None
        zero = np.zeros(len(panel.ids)) if self._counts else zero
        return SeriesArrays.of(
            panel, self._prior, half_life=self.half_life, pad=pad, unit=self._unit, zero=zero
        )

    def _fit(self, panel: Panel) -> None:
        self._train(
            [panel], lambda network, key, held: self.source(panel, network, key=key, held=held)
        )

    def _fit_store(self, store: SeriesStore) -> None:
        self._check_store(store)
        self._train(
            store, lambda network, key, held: self.source(store, network, key=key, held=held)
        )

    def _train(
        self,
        panels: Iterable[Panel],
        source_of: Callable[[MQNetwork, PRNGKeyArray, int], Source],
        loss_fn: LossFn | None = None,
        zero: Any = None,
    ) -> None:
        """Train on a source of all series, of which `panels` has the parts."""
        typical, longest = [], None
        assert self.half_life is not None
        for panel in panels:
            self._check_targets(panel)
            typical.append(typical_of(panel, half_life=self.half_life))
            if longest is None or panel.length > longest.length:
                longest = panel
        assert longest is not None
        sizes, self._prior = longest.sizes, learn_prior(typical)
        network_key, batch_key, key = jax.random.split(jax.random.key(self.seed), 3)
        # In one program: the weights' shapes would each be compiled by themselves.
        network = eqx.filter_jit(lambda key: self._single(sizes, key))(network_key)
        loss_fn = loss_fn or forking_loss
        held = dates_held_out(type(self).__name__, longest, self.holdout, self.horizon)
        judge = self._judge(longest, held, network, loss_fn, zero) if held else None
        self._network = train(
            network,
            loss_fn,
            source_of(network, batch_key, held if judge else 0),
            self._optimizer(),
            judge=judge,
            steps=self.steps,
            key=key,
            checkpoint=self._checkpoint,
            progress=self.progress,
            label=type(self).__name__,
        )
        self._sizes = sizes

    def _judge(
        self, panel: Panel, held: int, network: MQNetwork, loss_fn: LossFn, zero: Any
    ) -> Callable[[Any], dict[str, Any]] | None:
        """What validates on the dates held out, of some series where there are many that are told apart."""
        every = 1 if zero is not None else -(-len(panel.ids) * held * self.horizon // CELLS)
        some = panel.rows(np.arange(0, len(panel.ids), every))
        source = self.source(some, network, key=jax.random.key(0), zero=zero, forks=held)
        assert isinstance(source, ForkSource)
        return judge_of(source, loss_fn)

    def _single(self, sizes: dict[str, Any], key: PRNGKeyArray) -> MQNetwork:
        return in_single_precision(self.build(sizes, key=key))

    def _optimizer(self) -> OptimizerConfig:
        return OptimizerConfig(
            learning_rate=self.learning_rate,
            warmup_steps=min(50, self.steps // 10),
            weight_decay=self.weight_decay,
        )

    def _check_targets(self, panel: Panel) -> None:
        super()._check_targets(panel)
        if self._counts:
            check_counts(type(self).__name__, panel)

    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        network = self._network
        assert network is not None
        return forecasts(
            network,
            self._series_arrays,
            panel,
            np.asarray(columns),
            history=self._history(panel, network),
            unit=self._unit,
        )

    def _arrays(self):
        return self.network, self._sizes | {"prior": list(self._prior)}

    def _like(self, sizes):
        self._sizes = {name: size for name, size in sizes.items() if name != "prior"}
        self._prior = Prior(*sizes.get("prior", self._prior))
        return self._single(self._sizes, jax.random.key(0))

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

    @property
    def _counts(self) -> bool:
        """Whether targets stay the whole numbers that they are."""
        return self.head == "negative-binomial"

    @property
    def _unit(self) -> float:
        return 1.0 if self._counts else self._prior.unit

    @property
    def _above(self) -> bool:
        """Whether no target is negative."""
        return self.nonnegative or self._counts

    def _inputs(self, sizes: dict[str, Any]) -> dict[str, int]:
        static = sizes["static"] + EMBEDDING * len(sizes["categories"])
        return {
            "static": static,
            "future": sizes["future"],
            "all": 2 + self._above + sizes["past"] + sizes["future"] + static,
        }
