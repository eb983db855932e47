"""Presets of the Fourier neural operator's two anchors."""

from dataclasses import dataclass, field, replace

from experiments.fno.burgers import Burgers
from experiments.fno.darcy import Darcy
from jaxsci.training import OptimizerConfig


@dataclass(frozen=True)
class Network:
    """Size of the operator; the published ones have width 64 in one dimension and 32 in two.

    Args:
        width: hidden channels.
        modes: modes kept along every axis.
        depth: Fourier layers.
        padding: zeros appended along every axis, as a share of its points, for fields that are not
            periodic.
    """

    width: int = 64
    modes: int = 16
    depth: int = 4
    padding: float = 0.0


@dataclass(frozen=True)
class FNOConfig:
    """One preset.

    Args:
        seeds: each draws its own data, initial weights and batches.
        data: the problem.
        network: the operator.
        train: samples to train on.
        test: samples to test on.
        epochs: lengths of training that are compared, each a run of its own with its own schedule.
        batch: samples a step.
        optimizer: the schedule rises for a tenth of the run where `warmup_steps` says so.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Burgers | Darcy = field(default_factory=Burgers)
    network: Network = field(default_factory=Network)
    train: int = 1000
    test: int = 200
    epochs: tuple[int, ...] = (100,)
    batch: int = 20
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=1e-3, schedule="cosine", weight_decay=1e-4, warmup_steps=100
        )
    )

    def __post_init__(self):
        if not self.epochs or min(*self.epochs, self.batch, self.train, self.test) < 1:
            raise ValueError(
                "FNOConfig expected positive epochs, batch, train and test, got "
                f"epochs={self.epochs}, batch={self.batch}, train={self.train} and test={self.test}; "
                "give numbers of at least 1."
            )
        if self.batch > self.train:
            raise ValueError(
                f"FNOConfig expected a batch of at most the {self.train} training samples, got "
                f"{self.batch}; change one of them."
            )

    def steps(self, epochs: int) -> int:
        """Updates in that many epochs."""
        return epochs * self.train // self.batch


_SMOKE = FNOConfig(
    seeds=(0,),
    network=Network(width=12, modes=8, depth=2),
    train=60,
    test=20,
    epochs=(10,),
    optimizer=OptimizerConfig(learning_rate=4e-3, warmup_steps=5),
)
_DARCY = Network(width=32, modes=12, padding=0.1)

BURGERS = {
    "smoke": replace(_SMOKE, data=Burgers(points=256, strides=(4, 2), training_stride=4)),
    # A quarter of the published points: the operator does not see a difference, as the errors at the
    # other resolutions show.
    "cpu": FNOConfig(data=Burgers(strides=(8, 4, 2, 1), training_stride=8)),
    "paper": FNOConfig(
        data=Burgers(points=8192, strides=(32, 16, 8, 4, 2, 1), training_stride=8),
        epochs=(100, 500),
    ),
}

DARCY = {
    "smoke": replace(
        _SMOKE,
        data=Darcy(cells=51, strides=(3, 1), training_stride=3),
        network=Network(width=8, modes=4, depth=2, padding=0.1),
    ),
    "cpu": FNOConfig(
        data=Darcy(cells=129, strides=(3, 1), training_stride=3), network=_DARCY, epochs=(10, 40)
    ),
    # The published grid has 421 points, which divide as 421 = 5 · 84 + 1; cells divide as 425 = 5 · 85.
    "paper": FNOConfig(
        data=Darcy(cells=425, strides=(5, 1), training_stride=5), network=_DARCY, epochs=(100, 500)
    ),
}
