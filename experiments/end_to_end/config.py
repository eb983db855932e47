"""Presets of the comparison."""

from dataclasses import dataclass, field

from experiments.end_to_end.data import Data
from jaxsci.training import OptimizerConfig


@dataclass(frozen=True)
class Network:
    """Size of the operator behind the head."""

    width: int = 32
    modes: int = 16
    depth: int = 4
    projection: int = 64


@dataclass(frozen=True)
class EndToEndConfig:
    """One preset.

    Args:
        seeds: each draws its own data, initial weights and batches.
        data: the problem.
        network: the operator, the same in every row.
        penalty: λ of SoftC, the weight of the squared error of the total beside the CRPS.
        epochs: passes over the training samples.
        batch: samples a step.
        optimizer: the same for every row.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    penalty: float = 10.0
    epochs: int = 40
    batch: int = 20
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=1e-3, weight_decay=1e-4)
    )

    def __post_init__(self):
        if min(self.epochs, self.batch) < 1 or self.batch > self.data.train:
            raise ValueError(
                f"EndToEndConfig expected at least one epoch and a batch of 1 to {self.data.train} "
                f"samples, got epochs={self.epochs} and batch={self.batch}; change them."
            )

    @property
    def steps(self) -> int:
        """Updates in all epochs."""
        return self.epochs * self.data.train // self.batch


PRESETS = {
    "smoke": EndToEndConfig(
        seeds=(0,),
        data=Data(cells=32, refinement=2, train=60, test=20),
        network=Network(width=12, modes=8, depth=2, projection=32),
        epochs=10,
    ),
    "cpu": EndToEndConfig(),
    "paper": EndToEndConfig(
        data=Data(cells=512, train=5000, test=500), network=Network(width=64), epochs=200
    ),
}
