"""Presets of the speed measurement: grids, rounds, and where the peers are installed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SolverSpeedConfig:
    """What is timed. Each case is timed once a round, in turns; the medians count.

    Args:
        seeds: one; nothing is drawn at random.
        rounds: times each case is timed.
        small: cells an axis of the 2-D Euler equations that fit a cache.
        large: cells an axis that do not.
        scalar: cells an axis of scalar advection and heat conduction.
        gradient: cells an axis of the differentiated solve.
        gradient_steps: its numbers of steps, growing.
        steps: steps of a call on the small grid, so many that its start does not count; the large
            ones take fewer.
        peers: the interpreter of the environment that has the peers, ``make peers`` makes it; empty to
            leave them out.
    """

    seeds: tuple[int, ...] = (0,)
    rounds: int = 7
    small: int = 256
    large: int = 2048
    scalar: int = 4096
    gradient: int = 128
    gradient_steps: tuple[int, ...] = (16, 64, 256)
    steps: int = 100
    peers: str = ".venv-peers/bin/python"

    def __post_init__(self):
        for name in ("rounds", "small", "large", "scalar", "gradient", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"SolverSpeedConfig expected {name} >= 1, got {getattr(self, name)}; see the preset "
                    "cpu for values that make sense."
                )


PRESETS = {
    # That everything runs; the numbers say nothing.
    "smoke": SolverSpeedConfig(
        rounds=1, small=32, large=64, scalar=64, gradient_steps=(), steps=4, peers=""
    ),
    "cpu": SolverSpeedConfig(),
    "paper": SolverSpeedConfig(rounds=15),
}
