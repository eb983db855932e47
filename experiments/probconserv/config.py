"""Presets of the five conservation laws."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from experiments.probconserv.problems import (
    DecayingSine,
    Melting,
    PorousFront,
    Problem,
    SteepeningRamp,
    TransportedStep,
)
from jaxsci.training import OptimizerConfig


@dataclass(frozen=True)
class Network:
    """Size of the attentive neural process; the published one has width 128, 2 blocks and dropout 0.1.

    One block instead of two halves the time of a step, and two heads instead of four save a sixth of it.
    Every step draws fresh contexts and targets, so there is nothing to overfit and no dropout.
    """

    width: int = 48
    heads: int = 2
    self_attention: int = 1
    cross_attention: int = 1
    dropout: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """How it is tested.

    Args:
        in_range: number of evenly spaced parameters whose scores are averaged over the training range.
        contexts: random contexts for each parameter.
        samples: draws of the latent variable for each context.
    """

    in_range: int = 7
    contexts: int = 50
    samples: int = 20

    def __post_init__(self):
        if min(self.in_range, self.contexts, self.samples) < 1:
            raise ValueError(
                f"Evaluation expected positive in_range, contexts and samples, got {self}; give "
                "numbers of at least 1."
            )


@dataclass(frozen=True, kw_only=True)
class ProbConservConfig:
    """One preset.

    Args:
        seeds: each draws its own weights, contexts and batches.
        data: the problem.
        network: the neural process.
        evaluation: the test.
        steps: updates.
        batch: functions a step, each with a context of its own.
        micro_batches: pieces of a batch that the gradient is summed over; sixteen functions fit the cache.
        penalty: λ of SoftC-ANP, the weight of the squared mass error beside the likelihood per point.
            The paper adds λ = 1 to a likelihood summed over 25,000 points, which changes nothing.
        ema_decay: decay of the averaged weights that are evaluated.
        optimizer: the same for both networks.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Problem
    network: Network = field(default_factory=Network)
    evaluation: Evaluation = field(default_factory=Evaluation)
    steps: int = 900
    batch: int = 32
    micro_batches: int = 2
    penalty: float = 100.0
    ema_decay: float = 0.98
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=4e-4, schedule="cosine", warmup_steps=100, clip_norm=1.0
        )
    )

    def __post_init__(self):
        if min(self.steps, self.batch, self.micro_batches) < 1 or self.batch % self.micro_batches:
            raise ValueError(
                f"ProbConservConfig expected positive steps and a batch that micro_batches divides, got "
                f"steps={self.steps}, batch={self.batch} and micro_batches={self.micro_batches}; change "
                "them."
            )


def _presets(data: Problem) -> Mapping[str, ProbConservConfig]:
    return {
        "smoke": ProbConservConfig(
            seeds=(0,),
            data=replace(data, functions=4, cells=50, times=50, grid_size=5),
            network=Network(width=16, heads=2),
            evaluation=Evaluation(in_range=2, contexts=4, samples=8),
            steps=60,
            batch=8,
            micro_batches=1,
            optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=10),
        ),
        "cpu": ProbConservConfig(data=data),
        # The published sizes: width 128, batch 250, 20,000 steps of Adam at 1e-4 without a schedule.
        "paper": ProbConservConfig(
            data=replace(data, functions=512),
            network=Network(width=128, heads=4, self_attention=2, cross_attention=2, dropout=0.1),
            evaluation=Evaluation(samples=100),
            steps=20_000,
            batch=250,
            micro_batches=1,
            penalty=1.0,
            optimizer=OptimizerConfig(learning_rate=1e-4, schedule="constant", clip_norm=None),
        ),
    }


STEFAN = _presets(Melting())
POROUS_MEDIUM = _presets(PorousFront())
DIFFUSION = _presets(DecayingSine())
ADVECTION = _presets(TransportedStep())
BURGERS = _presets(SteepeningRamp())
