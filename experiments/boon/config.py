"""Presets of the heat experiment."""

from dataclasses import dataclass, field

from jaxsci.training import OptimizerConfig


@dataclass(frozen=True)
class Data:
    """A rod on [0, 1], insulated at 0, with u_x(t, 1) = U sin πt, from u_0 = cos(ωπx).

    Args:
        diffusivity: k, in length² per time.
        frequency: range of ω.
        flux: range of the amplitude U, in u per length. The paper has U = 5 for every sample.
        time: when the solution is asked for.
        nodes: nodes of the operators, both ends included.
        cells: cells of the solver, a multiple of nodes − 1.
        train: samples to train on.
        test: samples to test on, drawn from the same ranges with another key.
    """

    diffusivity: float = 0.01
    frequency: tuple[float, float] = (2.01, 3.99)
    flux: tuple[float, float] = (2.5, 7.5)
    time: float = 0.5
    nodes: int = 129
    cells: int = 256
    train: int = 500
    test: int = 100

    def __post_init__(self):
        if self.nodes < 9 or min(self.cells, self.train, self.test) < 1:
            raise ValueError(
                f"Data expected at least 9 nodes and positive cells, train and test, got "
                f"{self.nodes}, {self.cells}, {self.train} and {self.test}; give larger numbers."
            )
        if self.cells % (self.nodes - 1):
            raise ValueError(
                f"Data expected cells to be a multiple of nodes - 1 = {self.nodes - 1}, got "
                f"{self.cells}; a node must lie on a face."
            )


@dataclass(frozen=True)
class Network:
    """Size of every network in the comparison."""

    width: int = 32
    modes: int = 16
    depth: int = 4
    projection: int = 128
    identity: float = 0.9


@dataclass(frozen=True)
class HeatConfig:
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
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    epochs: int = 30
    batch: int = 20
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=1e-3, schedule="cosine", weight_decay=1e-4, clip_norm=None
        )
    )

    def __post_init__(self):
        if min(self.epochs, self.batch) < 1 or self.batch > self.data.train:
            raise ValueError(
                f"HeatConfig expected at least one epoch and a batch of 1 to {self.data.train} samples, "
                f"got epochs={self.epochs} and batch={self.batch}; change them."
            )

    @property
    def steps(self) -> int:
        """Updates in all epochs."""
        return self.epochs * self.data.train // self.batch


PRESETS = {
    "smoke": HeatConfig(
        seeds=(0,),
        data=Data(nodes=65, train=60, test=20),
        network=Network(width=12, modes=8, depth=2, projection=32),
        epochs=10,
    ),
    "cpu": HeatConfig(),
    # The published single-step setting: 500/100 samples, 16 modes, width 64, rate halved every 50 epochs.
    "paper": HeatConfig(
        data=Data(flux=(5.0, 5.0), nodes=1025, cells=2048),
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
