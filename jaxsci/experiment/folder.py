"""A run's folder, read back: which experiment and configuration it holds, and how far it is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxsci.experiment.config import Config, from_json
from jaxsci.experiment.errors import ExperimentError
from jaxsci.experiment.experiment import Experiment, Rows
from jaxsci.experiment.jsonfile import read_json
from jaxsci.experiment.runner import read_run, read_summary
from jaxsci.experiment.table import estimates, estimates_table

# Lines of each metrics file that are shown: enough to see where a run is.
_LAST_LINES = 3


@dataclass(frozen=True)
class RunFolder:
    """Seeds of one run.

    Args:
        results: the folder above all experiments' results.
        experiment: name of the experiment.
        preset: name of the preset.
        seeds: the seeds to be run.
        config: the fields of the configuration but its seeds, as they are in the file.
        folders: the folders of the seeds that have started.
    """

    results: Path
    experiment: str
    preset: str
    seeds: tuple[int, ...]
    config: Mapping[str, Any]
    folders: tuple[Path, ...]

    def rebuild(self, experiment: Experiment[Any]) -> Config:
        """The configuration of the run, of the type that `experiment` has now.

        Raises:
            ExperimentError: where its fields are others than then.
        """
        return from_json(experiment.preset(self.preset), self.config, seeds=self.seeds)


def read_folder(path: Path) -> RunFolder:
    """The run at `path`, which is ``results/<name>/<preset>`` or one seed's folder in it.

    Raises:
        ExperimentError: for a folder that holds no run, or one that was renamed.
    """
    path = path.resolve()
    single = (path / "config.json").exists()
    started = (at.parent for at in path.glob("*/config.json"))
    # Seed 10 comes after seed 2.
    folders = [path] if single else sorted(started, key=lambda at: (len(at.name), at.name))
    if not folders:
        raise ExperimentError(
            f"Expected a folder results/<name>/<preset> or one seed's folder in it, got {path} "
            f"without any config.json; name the folder of a run."
        )
    runs = [read_run(folder) for folder in folders]
    for folder, run in zip(folders, runs, strict=True):
        place = (run["experiment"], run["preset"], str(run["seed"]))
        if folder.parts[-3:] != place:
            raise ExperimentError(
                f"Expected the folder of this run to end in {'/'.join(place)}, got {folder}; move "
                f"it back."
            )
    first = runs[0]
    seeds = [first["seed"]] if single else [seed for run in runs for seed in run["seeds"]]
    return RunFolder(
        results=folders[0].parents[2],
        experiment=first["experiment"],
        preset=first["preset"],
        seeds=tuple(sorted(set(seeds))),
        config=first["config"],
        folders=tuple(folders),
    )


def inspect(run: RunFolder) -> Iterator[str]:
    """Lines on a run: configuration, environment, each seed's last metrics, the table so far."""
    finished: dict[int, Rows] = {}
    yield f"{run.experiment}, preset {run.preset}"
    yield f"\nConfiguration\n{_indented(run.config)}"
    for folder in run.folders:
        seed = int(folder.name)
        environment = read_json(
            folder / "env.json", keys=("time",), remedy="resume the run, which writes it again"
        )
        yield f"\nSeed {seed}, environment\n{_indented(environment)}"
        for metrics in sorted(folder.rglob("*.jsonl")):
            lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines()[
                -_LAST_LINES:
            ]
            yield f"\nSeed {seed}, last lines of {metrics.relative_to(folder)}"
            yield from (f"  {line}" for line in lines)
        if (folder / "summary.json").exists():
            summary = read_summary(folder)
            finished[seed] = summary["rows"]
            yield f"\nSeed {seed}: finished in {summary['wall_time_s']:.1f} s"
        else:
            yield f"\nSeed {seed}: not finished; continue with `python -m jaxsci resume {folder}`"
    waiting = [seed for seed in run.seeds if not (run.folders[0].parent / str(seed)).exists()]
    if waiting:
        yield f"\nNot started: {', '.join(map(str, waiting))}"
    if finished:
        yield f"\nSeeds {', '.join(map(str, finished))}"
        yield f"\n{estimates_table(estimates(finished)).markdown()}"


def _indented(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return "\n".join(f"  {line}" for line in text.splitlines()[1:-1])
