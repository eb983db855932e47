"""The summary of record of a preset: values, seeds, environment, commit, wall time.

``experiments/<paper>/record/<name>-<preset>.json`` is the one file of a run that is versioned.
Every number in the README and the documentation is generated from it. It holds no verdicts: they
are judged from its values and the claims of ``expected.json`` when it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxsci.experiment.claims import read_claims
from jaxsci.experiment.config import Config, overridden, to_json
from jaxsci.experiment.errors import ExperimentError
from jaxsci.experiment.experiment import Experiment
from jaxsci.experiment.jsonfile import read_json, write_json
from jaxsci.experiment.runner import Outcome, read_summary
from jaxsci.experiment.table import Estimates, estimates
from jaxsci.experiment.verdicts import Verdict, judge

_KEYS = (
    "experiment",
    "preset",
    "command",
    "seeds",
    "config",
    "rows",
    "wall_time_s",
    "resumed",
    "environments",
)


@dataclass(frozen=True)
class Record:
    """What the file of record says, in the types that tables are made of."""

    experiment: str
    preset: str
    command: str
    seeds: tuple[int, ...]
    estimates: Estimates
    verdicts: tuple[Verdict, ...]
    wall_time_s: float
    resumed: bool
    environments: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """As the file is called: ``heat-cpu``."""
        return f"{self.experiment}-{self.preset}"


def check_recordable(experiment: Experiment[Any], preset: str, config: Config) -> None:
    """Refuse a configuration with overrides: it must not pass for the preset.

    Raises:
        ExperimentError: with the fields that differ.
    """
    overrides = overridden(experiment.preset(preset), config)
    if overrides:
        raise ExperimentError(
            f"Expected the preset {preset} of {experiment.name} as it is for the record, got "
            f"{', '.join(overrides)}; run it without overrides."
        )


def write_record(experiment: Experiment[Any], preset: str, outcome: Outcome) -> Path:
    """Write the record of a run of the preset as it is; returns the path.

    Raises:
        ExperimentError: for a run with overrides.
    """
    config = outcome.config
    check_recordable(experiment, preset, config)
    folders = {seed: outcome.folder / str(seed) for seed in outcome.results}
    summaries = [read_summary(folder) for folder in folders.values()]
    path = experiment.directory / "record" / f"{experiment.name}-{preset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        path,
        {
            "experiment": experiment.name,
            "preset": preset,
            "command": f"python -m jaxsci run {experiment.name} --preset {preset}",
            "seeds": list(folders),
            "config": to_json(config),
            "rows": _rows(outcome),
            "wall_time_s": round(sum(summary["wall_time_s"] for summary in summaries), 1),
            "resumed": any(summary["resumed"] for summary in summaries),
            "environments": _environments(folders),
        },
    )
    return path


def _rows(outcome: Outcome) -> dict[str, Any]:
    return {
        row: {
            metric: {
                "values": [rows[row][metric] for rows in outcome.results.values()],
                "mean": estimate.mean,
                "standard_error": estimate.standard_error,
            }
            for metric, estimate in metrics.items()
        }
        for row, metrics in estimates(outcome.results).items()
    }


def _environments(folders: Mapping[int, Path]) -> list[dict[str, Any]]:
    """The environments of the seeds, each once, with the seeds that ran in it."""
    found: list[dict[str, Any]] = []
    for seed, folder in folders.items():
        keys = ("time", "commit")
        environment = read_json(folder / "env.json", keys=keys, remedy="run again with --overwrite")
        started = environment.pop("time")
        for known in found:
            if known["environment"] == environment:
                known["seeds"].append(seed)
                break
        else:
            found.append({"seeds": [seed], "started": started, "environment": environment})
    return found


def read_record(path: Path) -> Record:
    """The record at `path`.

    Raises:
        ExperimentError: for a file that is cut short or lacks a part, or a claim on rows that it does not have.
    """
    item = read_json(path, keys=_KEYS, remedy="write it again with --record")
    seeds = tuple(item["seeds"])
    results = {
        seed: {
            row: {metric: number["values"][at] for metric, number in metrics.items()}
            for row, metrics in item["rows"].items()
        }
        for at, seed in enumerate(seeds)
    }
    claims = (
        claim
        for claim in read_claims(path.parents[1] / "expected.json")
        if claim.experiment == item["experiment"] and item["preset"] in claim.presets
    )
    return Record(
        experiment=item["experiment"],
        preset=item["preset"],
        command=item["command"],
        seeds=seeds,
        estimates=estimates(results),
        verdicts=judge(claims, results),
        wall_time_s=item["wall_time_s"],
        resumed=item["resumed"],
        environments=tuple(at["environment"] for at in item["environments"]),
    )


def read_records(directory: Path) -> dict[str, Record]:
    """All records below `directory`, ``*/record/*.json``, by name."""
    records = [read_record(path) for path in sorted(directory.glob("*/record/*.json"))]
    return {record.name: record for record in records}
