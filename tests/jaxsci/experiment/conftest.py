"""An experiment without any training, and its folder of claims."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from jaxsci.experiment import Experiment


@dataclass(frozen=True)
class Model:
    width: int = 8
    modes: tuple[int, ...] = (4, 4)


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2)
    model: Model = Model()
    rate: float = 0.1
    clip: float = float("inf")


def rows_of(config, seed, out):
    """Errors 0.3, 0.4, 0.5 and a ratio of 3, 2, 5/3 to the baseline's 0.1, 0.2, 0.3."""
    (out / "metrics.jsonl").write_text(json.dumps({"step": seed, "loss": 1.0}) + "\n")
    return {
        "FNO": {"error": 0.3 + 0.1 * seed, "mass": 0.25},
        "solver": {"error": 0.1 + 0.1 * seed},
    }


def claim(**changes):
    """A claim that holds: the ratio above, 2.2 in the mean."""
    number = [{"row": "FNO", "metric": "error"}, {"row": "solver", "metric": "error"}]
    standard = {
        "experiment": "toy",
        "name": "the solver is better",
        "quantity": {"ratio": number},
        "published": 3,
        "source": "Table 1",
        "tolerance": {"at_least": 2},
        "presets": ["smoke", "cpu"],
    }
    return {**standard, **changes}


@pytest.fixture
def toy():
    """The toy's configuration, rows and claims, by name."""
    return SimpleNamespace(Config=Config, Model=Model, rows_of=rows_of, claim=claim)


@pytest.fixture
def make(tmp_path):
    """``make(claims=..., **fields)``: the toy experiment in `tmp_path`, with fields replaced."""

    def make(*, claims=(), **fields):
        directory = tmp_path / "experiments" / "toy"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "expected.json").write_text(json.dumps(claims))
        standard = {
            "name": "toy",
            "claim": "A toy.",
            "directory": directory,
            "presets": {"smoke": Config(seeds=(0,)), "cpu": Config(), "paper": Config()},
            "run_seed": rows_of,
            "baseline": "solver",
        }
        return Experiment(**{**standard, **fields})

    return make


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"
