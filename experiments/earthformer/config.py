"""Presets of the comparison of forecasters."""

from dataclasses import dataclass, field, replace

from experiments.earthformer.films import Data
from experiments.earthformer.flow import Kolmogorov
from experiments.earthformer.nbody import NBody
from jaxsci.training import OptimizerConfig

RIVALS = ("U-Net", "ConvLSTM", "PredRNN", "PhyDNet", "E3D-LSTM", "Rainformer")


@dataclass(frozen=True)
class Network:
    """Sizes of the forecasters.

    Args:
        base: channels of the Earthformer's finest tokens.
        depth: its stacks on each level.
        vectors: its global vectors.
        width: hidden channels of the others.
        patch: pixels on each axis that the recurrent ones read as one.
    """

    base: int = 32
    depth: tuple[int, ...] = (1, 1)
    vectors: int = 8
    width: int = 32
    patch: int = 2


@dataclass(frozen=True, kw_only=True)
class FilmConfig:
    """One preset.

    Args:
        seeds: each draws its own data, initial weights and batches.
        data: the films.
        network: sizes.
        rivals: forecasters beside the Earthformer.
        steps: updates of every forecaster; those faster than the Earthformer are trained again, for as
            long as it takes to train that.
        batch: films a step.
        optimizer: the same for all.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Data
    network: Network = field(default_factory=Network)
    rivals: tuple[str, ...] = RIVALS
    steps: int = 1000
    batch: int = 16
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=2e-3, warmup_steps=50, weight_decay=1e-5
        )
    )

    def __post_init__(self):
        if min(self.steps, self.batch) < 1 or self.batch > self.data.train:
            raise ValueError(
                f"FilmConfig expected at least one step and a batch of 1 to {self.data.train} films, got "
                f"steps={self.steps} and batch={self.batch}; change them."
            )
        unknown = [name for name in self.rivals if name not in RIVALS]
        if unknown:
            raise ValueError(
                f"FilmConfig expected rivals among {', '.join(RIVALS)}, got {', '.join(unknown)}; "
                "correct the names."
            )


def _presets(data: Data, smallest: Data, paper: FilmConfig) -> dict[str, FilmConfig]:
    return {
        "smoke": FilmConfig(
            seeds=(0,),
            data=replace(smallest, size=16, time_in=3, time_out=3, train=10, test=10),
            network=Network(base=8, depth=(1,), vectors=2, width=8),
            rivals=("U-Net",),
            steps=4,
            batch=4,
            optimizer=OptimizerConfig(learning_rate=2e-3),
        ),
        "cpu": FilmConfig(data=data),
        "paper": paper,
    }


# Published: 20,000 films of 64 × 64, 100 epochs of batches of 32, warm-up over a fifth.
_NBODY = FilmConfig(
    data=NBody(size=64, train=20_000, test=1000),
    network=Network(base=64, depth=(4, 4), vectors=8, width=64, patch=4),
    steps=62_500,
    batch=32,
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=12_500, weight_decay=1e-5),
)
NBODY = _presets(NBody(), NBody(), _NBODY)
FLOW = _presets(
    Kolmogorov(),
    Kolmogorov(refinement=1, spin_up=1.0),
    replace(_NBODY, data=Kolmogorov(size=64, train=5000)),
)
