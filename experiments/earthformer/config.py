"""Presets of the comparison of forecasters."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from experiments.earthformer.films import Data, Drawn
from experiments.earthformer.flow import Kolmogorov
from experiments.earthformer.nbody import NBody
from experiments.earthformer.nino import Nino
from experiments.earthformer.storms import Storms
from jaxsci.training import OptimizerConfig

RIVALS = ("U-Net", "ConvLSTM", "PredRNN", "PhyDNet", "E3D-LSTM", "Rainformer")


@dataclass(frozen=True)
class Network:
    """Sizes of the forecasters.

    Args:
        preset: name of a published size of the Earthformer, as `Earthformer.preset` knows it, instead of base
            and depth; "" for none.
        base: channels of the Earthformer's finest tokens.
        depth: its stacks on each level.
        vectors: its global vectors; without them, there is one row fewer.
        width: hidden channels of the others.
        patch: pixels on each axis that the recurrent ones read as one.
    """

    preset: str = ""
    base: int = 32
    depth: tuple[int, ...] = (1, 1)
    vectors: int = 8
    width: int = 32
    patch: int = 2


@dataclass(frozen=True, kw_only=True)
class FilmConfig:
    """One preset.

    Args:
        seeds: each draws its own data, where they are drawn, initial weights and batches.
        data: the films.
        network: sizes.
        rivals: forecasters beside the Earthformer.
        steps: updates of every forecaster; 0 to count by epochs.
        epochs: passes over the films to train on; 0 to count by steps.
        batch: films a step.
        pieces: equal parts of a batch that are computed one after the other, for less memory.
        equal_time: train the rivals again, for as long as it takes to train the Earthformer.
        validate_every: epochs between validations, where the data have films for them.
        patience: validations in a row without improvement after which training ends.
        learning_rate: the largest, the same for all.
        warmup: share of the steps over which the rate rises; it falls along a cosine to a thousandth.
        weight_decay: of AdamW.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Data
    network: Network = field(default_factory=Network)
    rivals: tuple[str, ...] = RIVALS
    steps: int = 0
    epochs: int = 0
    batch: int = 16
    pieces: int = 1
    equal_time: bool = True
    validate_every: int = 1
    patience: int = 20
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 1e-5

    def __post_init__(self):
        if (self.steps > 0) == (self.epochs > 0) or min(self.steps, self.epochs) < 0:
            raise ValueError(
                f"FilmConfig expected a positive number of steps or of epochs, got steps={self.steps} and "
                f"epochs={self.epochs}; leave one of them at 0."
            )
        most = self.data.train if isinstance(self.data, Drawn) else self.batch
        if not 1 <= self.batch <= most or self.pieces < 1 or self.batch % self.pieces:
            raise ValueError(
                f"FilmConfig expected a batch of at least 1 film and at most those to train on, in equal "
                f"pieces, got batch={self.batch} and pieces={self.pieces}; change them."
            )
        if min(self.validate_every, self.patience) < 1 or not 0 <= self.warmup < 1:
            raise ValueError(
                "FilmConfig expected positive validate_every and patience, and a warmup from 0 to below 1, "
                f"got {self.validate_every}, {self.patience} and {self.warmup}; correct them."
            )
        unknown = [name for name in self.rivals if name not in RIVALS]
        if unknown:
            raise ValueError(
                f"FilmConfig expected rivals among {', '.join(RIVALS)}, got {', '.join(unknown)}; "
                "correct the names."
            )

    def updates(self, films: int) -> int:
        """Steps of a training on that many films."""
        return self.steps or max(1, self.epochs * films // self.batch)

    def optimizer(self, steps: int) -> OptimizerConfig:
        """The optimiser for so many steps; gradients are clipped at a norm of 1."""
        return OptimizerConfig(
            learning_rate=self.learning_rate,
            warmup_steps=int(self.warmup * steps),
            final_fraction=1e-3,
            weight_decay=self.weight_decay,
        )


_TINY = Network(base=8, depth=(1,), vectors=2, width=8)


def _drawn(data: Data, smallest: Data, paper: FilmConfig) -> dict[str, FilmConfig]:
    return {
        "smoke": FilmConfig(
            seeds=(0,),
            data=replace(smallest, size=16, time_in=3, time_out=3, train=10, test=10),
            network=_TINY,
            rivals=("U-Net",),
            steps=4,
            batch=4,
            warmup=0.0,
        ),
        "cpu": FilmConfig(
            data=replace(data, time_in=5, time_out=5, train=2000),
            network=Network(base=16, width=16),
            steps=500,
            batch=8,
        ),
        "paper": paper,
    }


def _observed(synthetic: Data, cpu: FilmConfig, paper: FilmConfig) -> Mapping[str, FilmConfig]:
    return {
        "smoke": FilmConfig(
            seeds=(0,),
            data=synthetic,
            network=replace(_TINY, base=4, vectors=0),
            rivals=(),
            epochs=2,
            batch=2,
            equal_time=False,
            warmup=0.2,
        ),
        "cpu": cpu,
        "paper": paper,
    }


# Published: 20,000 films of 64 × 64, 100 epochs of batches of 32, warm-up over a fifth.
_NBODY = FilmConfig(
    data=NBody(size=64, train=20_000, test=1000),
    network=Network(preset="nbody", vectors=8, width=64, patch=4),
    epochs=100,
    batch=32,
    learning_rate=1e-3,
    warmup=0.2,
)
NBODY = _drawn(NBody(size=16), NBody(), _NBODY)
FLOW = _drawn(
    Kolmogorov(size=16, refinement=4),
    Kolmogorov(refinement=1, spin_up=1.0, cuts=2),
    replace(_NBODY, data=Kolmogorov(size=64, train=5000), steps=62_500, epochs=0),
)
# A step of E3D-LSTM takes ten times as long as those of most others; `nbody` has it.
FLOW["cpu"] = replace(FLOW["cpu"], rivals=tuple(name for name in RIVALS if name != "E3D-LSTM"))

# Published: 100 epochs of batches of 32, patience 20, no weight decay.
_SEVIR = FilmConfig(
    seeds=(0,),
    data=Storms(),
    network=Network(preset="sevir-paper", vectors=8, width=64, patch=4),
    epochs=100,
    batch=32,
    pieces=16,
    equal_time=False,
    learning_rate=1e-3,
    warmup=0.2,
    weight_decay=0.0,
)
SEVIR = _observed(
    Storms(synthetic=True, pool=24, train=4),
    replace(
        _SEVIR,
        data=Storms(pool=12, train=1000, validation=100, test=300, in_memory=True),
        network=Network(base=16, width=16),
        rivals=("U-Net", "ConvLSTM"),
        epochs=2,
        batch=8,
        pieces=1,
        learning_rate=2e-3,
    ),
    _SEVIR,
)

# Published: 100 epochs of batches of 64, judged every fifth, patience 5.
_ENSO = replace(
    _SEVIR,
    data=Nino(),
    network=Network(preset="enso-paper", vectors=8, width=64, patch=4),
    batch=64,
    pieces=4,
    validate_every=5,
    patience=5,
    learning_rate=1e-4,
    weight_decay=1e-5,
)
ENSO = _observed(
    Nino(synthetic=True, models=((1, 3), (2, 3)), stride=4, train=4, validation=4, test=4),
    replace(
        _ENSO,
        data=Nino(train=1000, validation=100, test=400),
        network=Network(base=16, width=16),
        rivals=("U-Net", "ConvLSTM"),
        epochs=2,
        batch=8,
        pieces=1,
        validate_every=1,
        learning_rate=1e-3,
    ),
    _ENSO,
)
