"""The command line: ``python -m jaxsci list | run | resume | inspect | tables``.

It exits with 0; with 1 where a verdict fails, a run diverges or a table is stale; with 2 where what
was asked for is refused; with 130 or 143 where Ctrl-C or SIGTERM interrupted it. What a user can mend
is one sentence without a traceback; a traceback is a bug.
"""

import argparse
import functools
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import tyro
from rich.console import Console

from jaxsci.experiment.config import Config, ConfigT, field_names
from jaxsci.experiment.discovery import experiment_names, find_experiment
from jaxsci.experiment.errors import ExperimentError, unknown
from jaxsci.experiment.experiment import Experiment
from jaxsci.experiment.folder import inspect, read_folder
from jaxsci.experiment.generated import generate
from jaxsci.experiment.record import check_recordable, read_records, write_record
from jaxsci.experiment.runner import Outcome, describe, run
from jaxsci.experiment.table import Table
from jaxsci.experiment.verdicts import notes
from solvers._stop import Terminated, stoppable

_say = functools.partial(print, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Args:
        arguments: words after the program's name; by default those of this process.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not _run:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.overrides = rest
    with stoppable() as stop:
        try:
            return _called(options)
        except (KeyboardInterrupt, Terminated):
            print(f"jaxsci: interrupted; {_how_to_go_on(options)}.", file=sys.stderr)
            return stop.status


def _called(options: argparse.Namespace) -> int:
    # Importing JAX takes a second, which a mistyped command should not.
    from jaxsci.training import CheckpointError, DivergedError

    try:
        return options.command(options)
    except (ExperimentError, CheckpointError) as error:
        print(f"jaxsci: {error}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"jaxsci: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # Sentences of our own have no number.
        raw = (
            f"expected files and folders that can be read and written, got {error}; choose others."
        )
        print(f"jaxsci: {error if error.errno is None else raw}", file=sys.stderr)
        return 2
    except (TypeError, ValueError) as error:
        # What the library refuses of a configuration; an error in any other words is a bug.
        if not re.search(r"expected .*\bgot\b.*;", str(error), re.DOTALL | re.IGNORECASE):
            raise
        print(f"jaxsci: {error}", file=sys.stderr)
        return 2


def _how_to_go_on(options: argparse.Namespace) -> str:
    """What to do after an interruption: never to overwrite what was kept."""
    folder = options.folder if options.command is _resume else None
    if options.command is _run and options.name is not None:
        folder = options.results / options.name / options.preset
    if folder is None or not [*folder.glob("config.json"), *folder.glob("*/config.json")]:
        return "nothing had begun, so give the same command again"
    return f"`python -m jaxsci resume {shlex.quote(str(folder))}` goes on from here"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jaxsci", description="Experiments of jaxsci.")
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("list", help="list the experiments")
    command.add_argument("--names", action="store_true", help="print nothing but their names")
    command.set_defaults(command=_list)

    command = commands.add_parser(
        "run",
        help="run an experiment",
        add_help=False,
        allow_abbrev=False,
        epilog="Further options override fields of the configuration: run NAME --help.",
    )
    command.add_argument("name", nargs="?", help="the experiment")
    command.add_argument("--preset", default="cpu", help="its configuration (default: cpu)")
    command.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="(default: results)"
    )
    command.add_argument(
        "--overwrite", action="store_true", help="delete earlier results of these seeds"
    )
    command.add_argument("--record", action="store_true", help="write the summary of record")
    command.add_argument("-h", "--help", action="store_true", help="show this and the fields")
    command.set_defaults(command=_run, usage=command)

    command = commands.add_parser("resume", help="go on with an interrupted run")
    command.add_argument("folder", type=Path, help="results/NAME/PRESET, or one seed's folder")
    command.set_defaults(command=_resume)

    command = commands.add_parser("inspect", help="show a run: configuration, metrics, table")
    command.add_argument("folder", type=Path, help="results/NAME/PRESET, or one seed's folder")
    command.set_defaults(command=_inspect)

    command = commands.add_parser("tables", help="write the numbers of record into documents")
    command.add_argument("files", type=Path, nargs="+", help="Markdown files with markers")
    command.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    command.add_argument(
        "--records", type=Path, default=Path("experiments"), metavar="DIR", help="where records are"
    )
    command.set_defaults(command=_tables)
    return parser


def _list(options: argparse.Namespace) -> int:
    if options.names:
        _say(*experiment_names(), sep="\n")
        return 0
    experiments = [find_experiment(name) for name in experiment_names()]
    rows = ((e.name, e.claim, ", ".join(e.presets)) for e in experiments)
    table = Table(headers=("experiment", "claim", "presets"), rows=tuple(rows))
    table.print(Console(), title="Experiments: python -m jaxsci run NAME --preset PRESET")
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.name is None:
        options.usage.print_help()
        _say(f"\nExperiments, see `python -m jaxsci list`: {', '.join(experiment_names())}")
        return 0 if options.help else 2
    experiment = find_experiment(options.name)
    standard = experiment.preset(options.preset)
    if options.help:
        _help(standard, options)
    config = _overridden(standard, options.overrides, name=options.name)
    if options.record:
        check_recordable(experiment, options.preset, config)
    outcome = run(
        experiment,
        options.preset,
        config,
        results=options.results,
        overwrite=options.overwrite,
        report=_say,
    )
    status = _show(experiment, options.preset, outcome)
    if options.record:
        _say(f"Record: {write_record(experiment, options.preset, outcome)}")
    return status


def _help(config: Config, options: argparse.Namespace) -> NoReturn:
    """Print the fields of `config`, and below them what every run takes; then exit."""
    try:
        _overridden(config, [*options.overrides, "--help"], name=options.name)
    except SystemExit:
        _say("\nOptions of every run:\n")
        options.usage.print_help()
        raise
    raise AssertionError("tyro exits when it has shown its help")


def _overridden(config: ConfigT, arguments: list[str], *, name: str) -> ConfigT:
    """`config` with the fields that `arguments` name."""
    names = sorted(field_names(config))
    # A flag is also switched off, as --model.no-bias.
    known = {"help", *names, *(re.sub(r"(\w+)$", r"no_\1", field) for field in names)}
    for argument in arguments:
        field = argument.split("=")[0].removeprefix("--").replace("-", "_")
        if argument.startswith("--") and field not in known:
            raise unknown("a field of the configuration", field, names)
    try:
        return tyro.cli(
            type(config),
            default=config,
            args=arguments,
            prog=f"python -m jaxsci run {name}",
        )
    except ValueError as error:
        # A configuration that refuses its own values; newer tyro says so and exits by itself.
        raise ExperimentError(str(error)) from error


def _show(experiment: Experiment[Any], preset: str, outcome: Outcome) -> int:
    """Print figures, results and verdicts; the exit status."""
    console = Console()
    results, verdicts = outcome.tables
    _say()
    results.print(console, title=describe(experiment, preset, outcome.config))
    for figure in sorted(outcome.folder.rglob("*.png")):
        _say(f"Figure: {figure}")
    if outcome.verdicts:
        _say()
        verdicts.print(console, title="Verdicts")
        _say(notes(outcome.verdicts), end="")
    return 1 if outcome.failed else 0


def _resume(options: argparse.Namespace) -> int:
    folder = read_folder(options.folder)
    experiment = find_experiment(folder.experiment)
    config = folder.rebuild(experiment)
    outcome = run(experiment, folder.preset, config, results=folder.results, report=_say)
    return _show(experiment, folder.preset, outcome)


def _inspect(options: argparse.Namespace) -> int:
    for line in inspect(read_folder(options.folder)):
        _say(line)
    return 0


def _tables(options: argparse.Namespace) -> int:
    records = read_records(options.records)
    stale = []
    for path in options.files:
        if not path.is_file():
            raise ExperimentError(f"Expected {path} to be a Markdown file, got none; name another.")
        before = path.read_text(encoding="utf-8")
        after = generate(before, records, where=str(path))
        if after != before:
            stale.append(str(path))
            if not options.check:
                path.write_text(after, encoding="utf-8")
                _say(f"Wrote {path}")
    if options.check and stale:
        listed = " ".join(stale)
        print(
            f"jaxsci: expected the tables in {listed} to be those of the records, got others; run "
            f"`python -m jaxsci tables {listed}`.",
            file=sys.stderr,
        )
        return 1
    return 0
