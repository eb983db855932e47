"""The command line, on a toy experiment that an installed package declares."""

import json
import re
import subprocess
import sys
from importlib import metadata

import pytest

from jaxsci.cli import main
from solvers._lock import alone

TOY = '''
from dataclasses import dataclass
from pathlib import Path

from jaxsci.experiment import Experiment
from jaxsci.training import DivergedError


@dataclass(frozen=True)
class Model:
    """The model."""

    width: int = 8
    bias: bool = True


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1)
    model: Model = Model()
    rate: float = 0.5

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"Config expected rate >= 0, got {self.rate}; give a positive one.")


def run_seed(config, seed, out):
    (out / "metrics.jsonl").write_text('{"step": 1}\\n{"step": 2}\\n{"step": 3}\\n{"step": 4}\\n')
    (out / "profile.png").write_text("")
    if config.rate == 7 and seed == 1 and not (out / "again").exists():
        (out / "again").write_text("")
        raise KeyboardInterrupt
    if config.rate == 8:
        raise ValueError("FNO expected width >= 1, got 0; give one of at least 1.")
    if config.rate == 9:
        raise ZeroDivisionError("a bug")
    return {"FNO": {"error": config.rate}, "mean": {"error": 1.0 / config.model.width}}


EXPERIMENT = Experiment(
    name="toy",
    claim="Toys are small.",
    directory=Path(__file__).parent,
    presets={"smoke": Config(seeds=(0,)), "cpu": Config(), "paper": Config()},
    run_seed=run_seed,
    baseline="mean",
)
'''
CLAIM = {
    "experiment": "toy",
    "name": "small",
    "quantity": {"row": "FNO", "metric": "error"},
    "published": 0.25,
    "source": "Table 1",
    "tolerance": {"at_most": 0.6},
    "presets": ["cpu"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder in which a package declares the toy."""
    package = tmp_path / "experiments" / "toys"
    package.mkdir(parents=True)
    (package / "toy_experiment.py").write_text(TOY)
    (package / "expected.json").write_text(json.dumps([CLAIM]))
    entries = metadata.EntryPoints(
        [metadata.EntryPoint("toy", "toy_experiment:EXPERIMENT", "jaxsci.experiments")]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda **words: entries.select(**words))
    monkeypatch.syspath_prepend(package)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("toy_experiment", None)


@pytest.fixture
def call(folder, capsys):
    """``call(*words)``: exit status, standard output and standard error."""

    def call(*words):
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_list(call):
    status, out, _ = call("list")
    assert status == 0
    assert "| toy        | Toys are small. | smoke, cpu, paper |" in out
    assert call("list", "--names")[:2] == (0, "toy\n")


def test_run_prints_results_figures_and_verdicts(call, folder):
    status, out, _ = call("run", "toy")
    assert status == 0
    assert "toy cpu seed 0: starts in results/toy/cpu/0" in out
    assert "toy, preset cpu, 2 seeds" in out
    assert "Figure: results/toy/cpu/1/profile.png" in out
    assert "| small | 0.500 ± 0 | 0.25      | ≤ 0.6     | pass    | Table 1 |" in out
    status, out, _ = call("run", "toy")
    assert status == 0
    assert "toy cpu seed 1: finished before, skipped" in out


def test_a_verdict_that_fails_is_exit_status_1(call):
    status, out, _ = call("run", "toy", "--rate", "0.7", "--results", "other")
    assert status == 1
    assert "toy, preset cpu with rate=0.7, 2 seeds" in out
    assert "| FAIL    |" in out


def test_a_preset_without_claims_has_no_verdicts(call):
    status, out, _ = call("run", "toy", "--preset", "smoke", "--rate=0.7")
    assert status == 0
    assert "Verdicts" not in out


def test_overrides_are_typed(call, folder):
    words = ("--model.width", "16", "--model.no-bias", "--seeds", "3", "5")
    assert call("run", "toy", *words)[0] == 0
    stored = json.loads((folder / "results/toy/cpu/5/config.json").read_text())
    assert stored["config"] == {"model": {"width": 16, "bias": False}, "rate": 0.5}
    assert stored["seeds"] == [3, 5]


def test_help_shows_the_fields_with_the_values_of_the_preset(call):
    status, out, _ = call("run", "toy", "--preset", "smoke", "--help")
    assert status == 0
    assert "--results DIR" in out
    assert "default: 8" in out
    # The fields are what one asks for; what every run takes stands below.
    assert (
        out.index("--model.width INT")
        < out.index("Options of every run")
        < out.rindex("--results DIR")
    )
    assert call("run", "--help")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "tov"), "Expected an experiment out of toy, got 'tov'; did you mean 'toy'?"),
        (("run", "toy", "--preset", "papers"), "got 'papers'; did you mean 'paper'?"),
        (("run", "toy", "--model.widht", "3"), "got 'model.widht'; did you mean 'model.width'?"),
        (("run", "toy", "--width=3"), "out of model.bias, model.width, rate, seeds, got 'width'"),
        (("run", "toy", "--record", "--rate", "3"), "for the record, got rate=3.0; run it without"),
        (("run", "toy", "--seeds", "1", "1"), "distinct integers >= 0 and below 2**32, got (1, 1)"),
        (("resume", "nowhere"), "without any config.json; name the folder of a run."),
        (("inspect", "nowhere"), "without any config.json; name the folder of a run."),
        (("tables", "nowhere.md"), "Expected nowhere.md to be a Markdown file, got none"),
    ],
)
def test_what_is_refused_is_one_sentence(call, words, message):
    status, out, err = call(*words)
    assert status == 2
    assert err.startswith("jaxsci: ")
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "toy", "--model.width", "wide"), "--model.width"),
        (("run", "toy", "--seeds", "a"), "python -m jaxsci run toy --help"),
        (("run", "toy", "--rate", "-1"), "Config expected rate >= 0, got -1.0"),
        (("run",), "usage: "),
        (("run",), "Experiments, see `python -m jaxsci list`: toy"),
        (("lists",), "invalid choice: 'lists'"),
        (("list", "--all"), "unrecognized arguments: --all"),
        ((), "required"),
    ],
)
def test_words_that_do_not_parse(call, words, message):
    status, out, err = call(*words)
    assert status == 2
    assert message in out + err


def test_a_bug_has_a_traceback(call):
    with pytest.raises(ZeroDivisionError, match="a bug"):
        call("run", "toy", "--rate", "9")


def test_an_interrupted_run_resumes_by_its_folder(call):
    status, _, err = call("run", "toy", "--rate", "7")
    assert status == 130
    assert "interrupted" in err
    assert (
        "Seed 1: not finished; continue with `python -m jaxsci resume"
        in call("inspect", "results/toy/cpu")[1]
    )
    status, out, _ = call("resume", "results/toy/cpu")
    assert "toy cpu seed 0: finished before, skipped" in out
    assert "toy cpu seed 1: resumes in" in out
    assert "toy, preset cpu with rate=7.0, 2 seeds" in out
    # The claim is 0.6 at most: the override is kept, and fails.
    assert status == 1


def test_resume_of_one_seed_runs_no_other(call, folder):
    call("run", "toy", "--rate", "7", "--seeds", "1", "2")
    status, out, _ = call("resume", "results/toy/cpu/1")
    assert status == 1
    assert "seed 1: resumes" in out
    assert not (folder / "results/toy/cpu/2").exists()
    _, out, _ = call("resume", "results/toy/cpu")
    assert "seed 2: starts" in out


def test_a_renamed_folder_is_not_resumed(call, folder):
    call("run", "toy", "--preset", "smoke")
    (folder / "results/toy/smoke").rename(folder / "results/toy/cpu")
    status, _, err = call("resume", "results/toy/cpu")
    assert status == 2
    assert "to end in toy/smoke/0" in err


def test_a_folder_of_another_configuration_is_refused(call, folder):
    assert call("run", "toy", "--rate", "0.1")[0] == 0
    before = (folder / "results/toy/cpu/0/summary.json").read_bytes()
    status, _, err = call("run", "toy")
    assert status == 2
    assert "differs in rate (0.1 there, 0.5 now)" in err
    assert (folder / "results/toy/cpu/0/summary.json").read_bytes() == before
    assert call("run", "toy", "--overwrite")[0] == 0


def test_inspect(call):
    call("run", "toy")
    status, out, _ = call("inspect", "results/toy/cpu")
    assert status == 0
    assert '"width": 8' in out
    assert '"jaxlib": ' in out
    assert '{"step": 2}\n  {"step": 3}\n  {"step": 4}\n' in out
    assert '{"step": 1}' not in out
    assert "Seed 1: finished in" in out
    assert "| FNO  | 0.500 ± 0 |" in out
    assert "Seed 1" not in call("inspect", "results/toy/cpu/0")[1]


def test_tables_are_written_and_checked(call, folder):
    readme = folder / "README.md"
    readme.write_text("It is <!-- value: toy-cpu; FNO; error -->?<!-- /value -->.\n")
    assert call("tables", "README.md")[0] == 2
    status, out, _ = call("run", "toy", "--record")
    assert status == 0
    assert "toys/record/toy-cpu.json" in out
    status, _, err = call("tables", "README.md", "--check")
    assert status == 1
    assert "got others; run `python -m jaxsci tables README.md`." in err
    assert "?" in readme.read_text()
    assert call("tables", "README.md")[0] == 0
    assert "-->0.500 ± 0<!--" in readme.read_text()
    assert call("tables", "README.md", "--check")[0] == 0


def test_a_claim_on_no_experiment_is_refused(call, folder):
    claims = [CLAIM, {**CLAIM, "experiment": "toi"}]
    (folder / "experiments/toys/expected.json").write_text(json.dumps(claims))
    status, _, err = call("run", "toy")
    assert status == 2
    assert "got 'toi'; did you mean 'toy'?" in err


def test_without_any_experiment_installed(call, monkeypatch):
    monkeypatch.setattr(metadata, "entry_points", lambda **words: metadata.EntryPoints())
    status, _, err = call("list")
    assert status == 2
    assert "`pip install -e .`" in err


def test_as_a_module():
    words = [sys.executable, "-m", "jaxsci", "run", "no such experiment"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "got 'no such experiment'" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", "12345678901234567890"), "distinct integers >= 0 and below 2\\*\\*32"),
        (("--results", "x" * 300), "File name too long"),
        (("--results", "file/below"), "Not a directory"),
        (("--rate", "8"), "FNO expected width >= 1, got 0; give one"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(call, folder, words, message):
    (folder / "file").write_text("")
    status, _, err = call("run", "toy", *words)
    assert status == 2
    assert re.fullmatch(rf"jaxsci: .*{message}.*\n", err)


@pytest.mark.parametrize("name", ["summary.json", "env.json", "config.json"])
@pytest.mark.parametrize(
    "text", [None, "", "[" * 100_000, '{"rows": 3, "wall_time_s": "x", "resumed": 1}']
)
def test_inspect_names_damaged_files(call, folder, name, text):
    call("run", "toy", "--preset", "smoke")
    path = folder / "results/toy/smoke/0" / name
    path.unlink() if text is None else path.write_text(text)
    status, _, err = call("inspect", "results/toy/smoke")
    if name == "summary.json" and text is None:
        assert status == 0
    else:
        assert status == 2
        assert err.startswith("jaxsci: Expected")
        assert err.count("\n") == 1


def test_two_processes_do_not_share_a_seed(call, folder):
    (folder / "results/toy/smoke").mkdir(parents=True)
    lock = folder / "results/toy/smoke/.0.lock"
    with alone(lock, who="another", path="it"):
        status, _, err = call("run", "toy", "--preset", "smoke")
    assert status == 2
    assert err == (
        "jaxsci: run expected results/toy/smoke/0 for itself, got one that another process or thread is "
        "writing; wait for its end, or choose another path.\n"
    )
    assert call("run", "toy", "--preset", "smoke")[0] == 0
    assert not lock.exists()


def test_an_interrupted_run_with_overwrite_is_not_to_be_overwritten(call):
    _, _, err = call("run", "toy", "--rate", "7", "--overwrite")
    assert (
        err == "jaxsci: interrupted; `python -m jaxsci resume results/toy/cpu` goes on from here.\n"
    )
