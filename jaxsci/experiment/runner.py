"""Run an experiment: one folder per seed, finished seeds skipped, interrupted ones resumed.

``results/<name>/<preset>/<seed>/`` holds ``config.json`` and ``env.json``, written before the seed
starts, whatever the experiment writes (``metrics.jsonl``, figures, checkpoints), and
``summary.json``, written when it has finished. A seed with a summary is never run again; a folder
that holds another configuration is refused before anything runs.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxsci.experiment.claims import Claim, read_claims
from jaxsci.experiment.config import Config, ConfigT, check_config, differences, overridden, to_json
from jaxsci.experiment.environment import environment
from jaxsci.experiment.errors import ExperimentError, unknown
from jaxsci.experiment.experiment import Experiment, Rows
from jaxsci.experiment.jsonfile import encode, read_json, write_json, write_text
from jaxsci.experiment.table import Table, estimates, estimates_table, plural
from jaxsci.experiment.verdicts import Verdict, judge, notes, verdicts_table
from solvers._lock import alone

_REMEDY = "delete that seed's folder, or run again with --overwrite"


@dataclass(frozen=True)
class Outcome:
    """What a run came to: rows by seed, verdicts on the preset's claims."""

    folder: Path
    config: Config
    results: Mapping[int, Rows]
    verdicts: tuple[Verdict, ...]

    @property
    def tables(self) -> tuple[Table, Table]:
        """The results and the verdicts."""
        return estimates_table(estimates(self.results)), verdicts_table(self.verdicts)

    @property
    def failed(self) -> bool:
        """Whether a verdict fails."""
        return any(verdict.passed is False for verdict in self.verdicts)


def run(
    experiment: Experiment[ConfigT],
    preset: str,
    config: ConfigT | None = None,
    *,
    results: Path = Path("results"),
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> Outcome:
    """Run every seed of `config` that is not finished, draw the figures, judge the claims.

    Args:
        experiment: what to run.
        preset: the name it runs under.
        config: the configuration; by default that of the preset.
        results: the folder above all experiments' results.
        overwrite: delete what the seeds of `config` have left there, and start afresh.
        report: gets a line when a seed starts, finishes or is skipped.

    Raises:
        ExperimentError: for results of another configuration, files that are cut short, a result
            without its baseline, or claims that do not fit the results of a preset as it is.
    """
    standard = experiment.preset(preset)
    config = standard if config is None else config
    check_config(config, where=f"configuration of {experiment.name}")
    if experiment.check is not None:
        experiment.check(config)
    claims = claims_of(experiment, preset)
    if results.exists() and not results.is_dir():
        raise ExperimentError(
            f"Expected --results to be a folder, got the file {results}; choose another one."
        )
    folder = results / experiment.name / preset
    # All folders are looked at before the first one is deleted or written to.
    folders = [folder / str(seed) for seed in config.seeds]
    for path in folders:
        _check_ours(path)
        if not overwrite:
            _check_same(path, to_json(config))
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for path in folders:
            stack.enter_context(alone(folder / f".{path.name}.lock", who="run", path=path))
        for path in folders:
            if overwrite and path.exists():
                shutil.rmtree(path)
        # While seeds are running there is no table, rather than one of an earlier run.
        (folder / "table.md").unlink(missing_ok=True)
        rows = {
            seed: _run_seed(experiment, preset, config, seed, folder / str(seed), report)
            for seed in config.seeds
        }
    if overridden(standard, config):
        # Of other settings than the preset's, such as fewer forecasters, not every claim can be judged.
        claims = tuple(replace(claim, optional=True) for claim in claims)
    outcome = Outcome(folder, config, rows, judge(claims, rows))
    if len(outcome.verdicts) < len(claims):
        left = plural(len(claims) - len(outcome.verdicts), "claim")
        report(f"{left} left out, on rows that these results do not have")
    _write_tables(outcome, title=describe(experiment, preset, config))
    if experiment.figures is not None:
        experiment.figures(config, rows, folder)
    return outcome


def describe(experiment: Experiment[ConfigT], preset: str, config: ConfigT) -> str:
    """Name, preset and overrides of a run, and its seeds."""
    changed = overridden(experiment.preset(preset), config)
    words = f"{experiment.name}, preset {preset}{' with ' if changed else ''}{', '.join(changed)}"
    return f"{words}, {plural(len(config.seeds), 'seed')}"


def _write_tables(outcome: Outcome, *, title: str) -> None:
    results, verdicts = (table.markdown() for table in outcome.tables)
    parts = [f"{title}\n", results]
    if outcome.verdicts:
        parts += [verdicts, notes(outcome.verdicts)]
    write_text(outcome.folder / "table.md", "\n".join(part for part in parts if part))


def claims_of(experiment: Experiment[Any], preset: str) -> tuple[Claim, ...]:
    """The claims of ``expected.json`` on one preset of the experiment.

    Raises:
        ExperimentError: for a file that is malformed, or has no claim on the experiment at all.
    """
    path = experiment.directory / "expected.json"
    claims = read_claims(path, presets=tuple(experiment.presets))
    names = {claim.experiment for claim in claims}
    if names and experiment.name not in names:
        raise unknown(f"an experiment that {path} makes claims on", experiment.name, names)
    return tuple(
        claim for claim in claims if claim.experiment == experiment.name and preset in claim.presets
    )


def _run_seed(
    experiment: Experiment[ConfigT],
    preset: str,
    config: ConfigT,
    seed: int,
    folder: Path,
    report: Callable[[str], None],
) -> Rows:
    title = f"{experiment.name} {preset} seed {seed}"
    if (folder / "summary.json").exists():
        report(f"{title}: finished before, skipped")
        return read_summary(folder)["rows"]
    resumed = (folder / "config.json").exists()
    report(f"{title}: {'resumes' if resumed else 'starts'} in {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    if not resumed:
        _write_config(experiment, preset, config, seed, folder)
    write_json(folder / "env.json", environment())
    start = time.perf_counter()
    rows = _checked(experiment, experiment.run_seed(config, seed, folder))
    wall_time = time.perf_counter() - start
    # The wall time of a resumed seed counts its last session only, and the summary says so.
    write_json(
        folder / "summary.json",
        {"rows": rows, "wall_time_s": round(wall_time, 3), "resumed": resumed},
    )
    report(f"{title}: finished in {wall_time:.1f} s")
    return rows


def _write_config(
    experiment: Experiment[ConfigT], preset: str, config: ConfigT, seed: int, folder: Path
) -> None:
    write_json(
        folder / "config.json",
        {
            "experiment": experiment.name,
            "preset": preset,
            "seed": seed,
            "seeds": config.seeds,
            "config": to_json(config),
        },
    )


def _checked(experiment: Experiment[Any], rows: Rows) -> Rows:
    if experiment.baseline not in rows:
        raise ExperimentError(
            f"{experiment.name} expected its baseline {experiment.baseline!r} among the rows, got "
            f"{', '.join(rows) or 'none'}; a result without a trivial baseline is refused."
        )
    return {
        row: {metric: float(value) for metric, value in metrics.items()}
        for row, metrics in rows.items()
    }


def read_run(folder: Path) -> dict[str, Any]:
    """What ``config.json`` of a seed's folder says: experiment, preset, seed, seeds, config."""
    kinds = {"experiment": str, "preset": str, "seed": int, "seeds": list, "config": dict}
    found = read_json(folder / "config.json", keys=kinds, remedy=_REMEDY)
    for key, kind in kinds.items():
        if not isinstance(found[key], kind):
            raise ExperimentError(
                f"Expected {key} in {folder / 'config.json'} to be of type {kind.__name__}, got "
                f"{found[key]!r}; {_REMEDY}."
            )
    return found


def read_summary(folder: Path) -> dict[str, Any]:
    """What ``summary.json`` of a finished seed says: rows, wall_time_s, resumed."""
    keys = ("rows", "wall_time_s", "resumed")
    summary = read_json(folder / "summary.json", keys=keys, remedy=_REMEDY)
    rows = summary["rows"]
    whole = isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())
    values = [x for row in rows.values() for x in row.values()] if whole else [None]
    if not all(isinstance(x, int | float) for x in (*values, summary["wall_time_s"])):
        raise ExperimentError(
            f"Expected {folder / 'summary.json'} to hold rows of numbers and a wall time, got others; "
            f"{_REMEDY}."
        )
    return summary


def _check_ours(folder: Path) -> None:
    """Refuse a folder that holds files but no run."""
    if not (folder / "config.json").exists():
        found = [path for path in folder.glob("*") if path.suffix != ".tmp"]
        if found:
            raise ExperimentError(
                f"Expected {folder} to be empty or to hold a run with its config.json, got "
                f"{found[0].name} without one; choose another --results folder."
            )


def _check_same(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a folder that holds a run of another configuration, or a broken file."""
    if not (folder / "config.json").exists():
        return
    if (folder / "summary.json").exists():
        read_summary(folder)
    changed = list(differences(encode(read_run(folder)["config"]), config))
    if changed:
        fields = ", ".join(f"{name} ({there} there, {now} now)" for name, there, now in changed)
        raise ExperimentError(
            f"Expected {folder} to hold a run of this configuration, got one that differs in "
            f"{fields}; choose another --results folder, or --overwrite it."
        )
