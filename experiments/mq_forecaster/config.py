"""Presets of the comparisons of forecasters."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from experiments.mq_forecaster.demand import Demand
from experiments.mq_forecaster.published import ETTh1, M4Hourly, Published, Tourism
from jaxsci.forecasting.forecaster import DECILES


@dataclass(frozen=True)
class Training:
    """Of every network.

    Args:
        steps: updates.
        batch_size: stretches of series in a batch.
        forks: consecutive dates of a stretch that make forecasts.
        width: channels.
        learning_rate: the largest.
        half_life: dates after which an observation counts half in a series' level; 0 for the library's choice.
        holdout: last dates that training stops early by; 0 trains for all steps, as the records were made.
    """

    steps: int = 1500
    batch_size: int = 32
    forks: int = 28
    width: int = 32
    learning_rate: float = 4e-3
    half_life: float = 0.0
    holdout: int = 0

    def options(self, seed: int) -> dict[str, Any]:
        """What a network is built with; the seed fixes its initial weights and batches."""
        return {**asdict(self), "half_life": self.half_life or None, "seed": seed}


# Levels of the synthetic demand do not drift, so that a network may remember them for long.
_STEADY = Training(half_life=200.0)
MODELS = (
    "seasonal naive",
    "ETS",
    "SQRF",
    "MLP",
    "MQ-RNN",
    "MQ-CNN, one fork",
    "MQ-CNN",
    "MQTransformer",
)
AROUND_EVENTS = (
    "seasonal naive",
    "MQ-CNN",
    "MQ-CNN, far",
    "MQTransformer",
    "MQTransformer, copying",
)


@dataclass(frozen=True)
class SyntheticConfig:
    """One preset on synthetic demand.

    Args:
        seeds: each draws its own demand, initial weights and batches.
        data: the demand.
        horizon: days ahead, H.
        quantiles: levels.
        training: of the networks.
        trees: of the forest.
        every: days between the forecast dates that classical forecasters are judged on, one fit a series and
            date.
        window: days that MQTransformer attends to, and that "MQ-CNN, far" reads; 0 for the library's choice.
        models: those that are compared.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Demand = field(default_factory=Demand)
    horizon: int = 14
    quantiles: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
    training: Training = _STEADY
    trees: int = 100
    every: int = 21
    window: int = 0
    models: tuple[str, ...] = MODELS

    def __post_init__(self):
        known = dict.fromkeys(MODELS + AROUND_EVENTS)
        strangers = [name for name in self.models if name not in known]
        if strangers or not {"seasonal naive", "MQ-CNN"} <= set(self.models):
            raise ValueError(
                f"SyntheticConfig expected models among {'; '.join(known)}, with seasonal naive "
                f"and MQ-CNN, got {'; '.join(self.models)}; correct the names."
            )
        if self.window < 0:
            raise ValueError(
                f"SyntheticConfig expected a window of at least 0 days, got {self.window}; 0 leaves it to "
                "the library."
            )


SYNTHETIC = {
    "smoke": SyntheticConfig(
        seeds=(0,),
        data=Demand(items=12, days=130, test_days=48, shares=(0.6, 0.2, 0.2)),
        horizon=4,
        training=replace(_STEADY, steps=20, batch_size=8, forks=8, width=8),
        trees=5,
        every=7,
        models=("seasonal naive", "ETS", "SQRF", "MQ-CNN"),
    ),
    "cpu": SyntheticConfig(),
    "paper": SyntheticConfig(
        data=Demand(items=2000, days=1100, test_days=365),
        training=replace(_STEADY, steps=20_000, batch_size=64, forks=56, width=64),
    ),
}


def _around_events(name: str, window: int, models: tuple[str, ...]) -> SyntheticConfig:
    config = SYNTHETIC[name]
    data = replace(config.data, own_reactions=True)
    return replace(config, data=data, window=window, models=models)


# Feasts are 45 to 64 days apart: a year has about seven to learn an item's reaction from.
EVENTS = {
    "smoke": _around_events("smoke", 16, ("seasonal naive", "MQ-CNN", "MQTransformer, copying")),
    "cpu": _around_events("cpu", 365, AROUND_EVENTS),
    "paper": _around_events("paper", 730, AROUND_EVENTS),
}


SERIES = ("seasonal naive", "ETS", "Theta", "MLP", "MQ-RNN", "MQ-CNN", "MQTransformer")
# Trained on the loss of forecasts that add up; and, to compare with that, in batches as large.
END_TO_END, ALL_SERIES = ", end to end", ", batches of all"
COHERENT = tuple(name + how for name in ("MLP", "MQ-CNN") for how in (ALL_SERIES, END_TO_END))
PEERS = ".venv-forecast-peers/bin/python"


@dataclass(frozen=True, kw_only=True)
class SeriesConfig:
    """One preset on published series.

    Args:
        seeds: of initial weights and batches.
        data: the series and the dates of the forecasts.
        quantiles: levels, with 0.1, 0.5 and 0.9.
        training: of the networks; a half_life of 0 is that of the library.
        models: those that are compared.
        peers: interpreter that has neuralforecast; where there is none of this name, the one that runs this if
            it has it. "" for no peers.
        peer_seconds: how long each of its models is trained.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Published
    quantiles: tuple[float, ...] = DECILES
    training: Training = field(default_factory=Training)
    models: tuple[str, ...] = SERIES
    peers: str = PEERS
    peer_seconds: float = 60.0

    def __post_init__(self):
        q = np.asarray(self.quantiles)
        even = (np.diff(q) > 0).all() and np.allclose(q, 1 - q[::-1])
        if not {0.1, 0.5, 0.9} <= set(self.quantiles) or not even:
            raise ValueError(
                "SeriesConfig expected increasing levels, symmetric about the median, with 0.1, 0.5 and "
                f"0.9 among them, got {self.quantiles}; change them."
            )
        known = SERIES + (COHERENT if self.data.ADD_UP else ())
        strangers = [name for name in self.models if name not in known]
        if strangers or "seasonal naive" not in self.models:
            raise ValueError(
                f"SeriesConfig expected models among {'; '.join(known)}, with seasonal naive, got "
                f"{'; '.join(self.models)}; correct the names."
            )


_SMOKE = ("seasonal naive", "MQ-CNN", "MQ-CNN" + END_TO_END)


def _published(cpu: SeriesConfig, paper: SeriesConfig) -> dict[str, SeriesConfig]:
    smoke = SeriesConfig(
        seeds=(0,),
        data=replace(cpu.data, synthetic=True, windows=min(2, cpu.data.windows)),
        training=Training(steps=4, batch_size=4, forks=4, width=8),
        models=tuple(name for name in cpu.models if name in _SMOKE),
        peers="",
    )
    return {"smoke": smoke, "cpu": cpu, "paper": paper}


_LONG = Training(steps=5000, batch_size=64, forks=48, width=64)
_HOURLY = Training(steps=2000, batch_size=8, forks=24, learning_rate=2e-3)
# Attention over a week of hours needs minutes for what the others learn in one.
_WITHOUT_ATTENTION = ("seasonal naive", "ETS", "Theta", "MLP", "MQ-CNN")
M4 = _published(
    SeriesConfig(data=M4Hourly(), training=_HOURLY, models=_WITHOUT_ATTENTION),
    SeriesConfig(data=M4Hourly(), training=_LONG),
)
# The load changes from one kind of day to another: a level of the last days is better than one of a month.
_DAYS = replace(_HOURLY, half_life=24.0)
ETT = _published(
    SeriesConfig(data=ETTh1(), training=_DAYS, models=_WITHOUT_ATTENTION),
    SeriesConfig(data=ETTh1(), training=replace(_LONG, half_life=_DAYS.half_life)),
)
TOURISM = _published(
    SeriesConfig(
        data=Tourism(),
        training=Training(steps=500, batch_size=16, forks=8, learning_rate=2e-3),
        models=SERIES + COHERENT,
    ),
    SeriesConfig(data=Tourism(), training=_LONG, models=SERIES + COHERENT),
)
