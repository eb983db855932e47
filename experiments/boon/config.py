"""What a preset says, and the presets of the one-dimensional problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from experiments.boon.problems import (
    PeriodicBurgers,
    Plate,
    Problem,
    Rod,
    StandingWaves,
    TravellingShock,
)
from jaxsci.training import OptimizerConfig


@dataclass(frozen=True)
class Network:
    """Size of every network in the comparison."""

    width: int = 32
    modes: int = 16
    depth: int = 4
    projection: int = 128
    identity: float = 0.9


class _Data(Protocol):
    @property
    def train(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Study:
    """One preset.

    Args:
        seeds: each draws its own data, initial weights and batches.
        data: the problem.
        network: the networks, all of one size.
        epochs: passes over the training samples.
        batch: samples a step.
        optimizer: the same for all networks.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: _Data
    network: Network = field(default_factory=Network)
    epochs: int = 60
    batch: int = 20
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=1e-3, schedule="cosine", weight_decay=1e-4, clip_norm=None
        )
    )

    def __post_init__(self):
        if min(self.epochs, self.batch) < 1 or self.batch > self.data.train:
            raise ValueError(
                f"{type(self).__name__} expected at least one epoch and a batch of 1 to "
                f"{self.data.train} samples, got epochs={self.epochs} and batch={self.batch}; "
                "change them."
            )

    @property
    def steps(self) -> int:
        """Updates in all epochs."""
        return self.epochs * self.data.train // self.batch


@dataclass(frozen=True, kw_only=True)
class BOONConfig(Study):
    """A preset of a problem on an interval."""

    data: Problem


def _presets(data: Problem, paper: Problem) -> Mapping[str, BOONConfig]:
    return {
        "smoke": BOONConfig(
            seeds=(0,),
            data=replace(data, nodes=65, cells=64, train=60, test=20),
            network=Network(width=12, modes=8, depth=2, projection=32),
            epochs=10,
        ),
        "cpu": BOONConfig(data=data),
        # The published single-step setting: 500/100 samples, 16 modes, width 64, rate halved every 50
        # epochs.
        "paper": BOONConfig(
            data=replace(paper, nodes=1025, cells=max(paper.cells, 1024)),
            network=Network(width=64),
            epochs=500,
            optimizer=OptimizerConfig(
                learning_rate=1e-3,
                schedule="step",
                decay_every=50 * 25,
                weight_decay=1e-4,
                clip_norm=None,
            ),
        ),
    }


HEAT = dict(_presets(Rod(), Rod(flux=(5.0, 5.0), cells=2048)))
# Shorter than the others: it is part of the main job, which is to take ten minutes.
HEAT["cpu"] = replace(HEAT["cpu"], epochs=20)
WAVE = _presets(StandingWaves(), StandingWaves())
BURGERS_DIRICHLET = _presets(TravellingShock(), TravellingShock())
BURGERS_PERIODIC = _presets(PeriodicBurgers(), PeriodicBurgers())
STOKES = _presets(Plate(), Plate())
