"""An experiment: a claim, presets of its configuration, and one seed of the work.

``run_seed(config, seed, out)`` trains, evaluates and plots one seed. It returns one row per model
and one column per metric, writes figures, checkpoints and ``metrics.jsonl`` into `out`, and resumes
from what it finds there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from jaxsci.experiment.config import ConfigT, check_config
from jaxsci.experiment.errors import unknown

Rows = Mapping[str, Mapping[str, float]]
"""Metrics of one seed: ``rows[model][metric]``."""

PRESETS = ("smoke", "cpu", "paper")


@dataclass(frozen=True, kw_only=True)
class Experiment(Generic[ConfigT]):
    """What is run, recorded and judged under one name.

    Args:
        name: how the command line calls it; also its folder below the results.
        claim: what it shows, in one sentence.
        directory: where its ``expected.json`` and ``record/`` lie.
        presets: configurations under the names smoke (in CI, under a minute), cpu and paper, and
            any others. Each is a frozen dataclass of plain values, nested ones included, with a
            field ``seeds: tuple[int, ...]``.
        run_seed: ``run_seed(config, seed, out)``, the metrics of one seed.
        baseline: the row of the trivial baseline; a result without it is refused.
        check: ``check(config)`` raises an `ExperimentError` for what a run lacks, such as files of the user,
            before anything is written; None checks nothing.
        figures: ``figures(config, results, out)`` draws over all seeds, where ``results[seed]`` are
            rows; None draws nothing.

    Raises:
        TypeError: for a configuration that is no frozen dataclass of plain values.
        ExperimentError: for bad seeds or a preset that is missing.
    """

    name: str
    claim: str
    directory: Path
    presets: Mapping[str, ConfigT]
    run_seed: Callable[[ConfigT, int, Path], Rows]
    baseline: str
    check: Callable[[ConfigT], None] | None = None
    figures: Callable[[ConfigT, Mapping[int, Rows], Path], None] | None = None

    def __post_init__(self):
        for preset in PRESETS:
            self.preset(preset)
        for preset, config in self.presets.items():
            check_config(config, where=f"preset {preset} of {self.name}")

    def preset(self, name: str) -> ConfigT:
        """The configuration of that name; an `ExperimentError` lists the names there are."""
        if name not in self.presets:
            raise unknown(f"a preset of {self.name}", name, self.presets)
        return self.presets[name]
