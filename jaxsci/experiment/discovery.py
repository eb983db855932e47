"""Experiments by name, from the entry points of installed packages.

The library never imports an experiment; a package declares its own as
``[project.entry-points."jaxsci.experiments"]``, ``name = "module:EXPERIMENT"``.
"""

from importlib import metadata
from typing import Any

from jaxsci.experiment.claims import read_claims
from jaxsci.experiment.errors import ExperimentError, unknown
from jaxsci.experiment.experiment import Experiment

GROUP = "jaxsci.experiments"


def experiment_names() -> tuple[str, ...]:
    """Names of all experiments that are installed, in alphabetical order.

    Raises:
        ExperimentError: where none is, as when the package runs without being installed.
    """
    names = sorted({entry.name for entry in metadata.entry_points(group=GROUP)})
    if not names:
        raise ExperimentError(
            f"Expected installed packages to declare entry points {GROUP!r}, got none; install "
            f"the project again with `pip install -e .`."
        )
    return tuple(names)


def find_experiment(name: str) -> Experiment[Any]:
    """The experiment of that name.

    Raises:
        ExperimentError: for a name that no installed package declares, or a malformed
            ``expected.json``.
        TypeError: where the entry point is not an `Experiment` of its name.
    """
    names = experiment_names()
    if name not in names:
        missing = unknown("an experiment", name, names)
        raise ExperimentError(
            f"{missing} An experiment added since the project was installed appears after "
            f"`pip install -e .`."
        )
    (entry, *_) = metadata.entry_points(group=GROUP, name=name)
    experiment = entry.load()
    if not isinstance(experiment, Experiment) or experiment.name != name:
        raise TypeError(
            f"Expected entry point {entry.value} to be the Experiment {name!r}, got {experiment!r}; "
            "correct the entry point in pyproject.toml."
        )
    _check_claims(experiment, names)
    return experiment


def _check_claims(experiment: Experiment[Any], names: tuple[str, ...]) -> None:
    """Refuse a claim on an experiment that does not exist: nobody would ever judge it."""
    path = experiment.directory / "expected.json"
    for claim in read_claims(path, presets=tuple(experiment.presets)):
        if claim.experiment not in names:
            raise unknown(f"the experiment of a claim in {path}", claim.experiment, names)
