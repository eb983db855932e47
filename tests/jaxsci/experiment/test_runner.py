"""Seeds: skipped when finished, resumed when interrupted, refused when they are of another run."""

import json
import math
from dataclasses import replace

import pytest

from jaxsci.experiment import ExperimentError, run
from jaxsci.experiment.config import from_json, to_json


def read(path):
    return json.loads(path.read_text())


def test_a_run_leaves_config_environment_summary_and_table(make, results):
    outcome = run(make(), "cpu", results=results)
    folder = results / "toy" / "cpu"
    assert outcome.folder == folder
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2", "table.md"]
    assert read(folder / "1" / "config.json")["config"]["model"] == {"width": 8, "modes": [4, 4]}
    assert read(folder / "1" / "summary.json")["rows"]["solver"] == {"error": 0.2}
    environment = read(folder / "1" / "env.json")
    assert environment["packages"]["jax"]
    assert environment["cores"] >= 1
    # Errors 0.3, 0.4, 0.5: mean 0.4, standard error 0.1 / sqrt(3) = 0.058.
    assert "| FNO    | 0.400 ± 0.058 | 0.250 ± 0 |" in (folder / "table.md").read_text()
    assert not list(folder.rglob("*.tmp"))


def test_finished_seeds_are_skipped_and_seeds_can_be_added(make, results, toy):
    ran = []

    def run_seed(config, seed, out):
        ran.append(seed)
        return toy.rows_of(config, seed, out)

    experiment = make(run_seed=run_seed)
    first = run(experiment, "cpu", toy.Config(seeds=(0, 1)), results=results)
    assert ran == [0, 1]
    second = run(experiment, "cpu", toy.Config(seeds=(0, 1, 5)), results=results)
    assert ran == [0, 1, 5]
    assert second.results[1] == first.results[1]


def test_claims_on_rows_that_other_settings_lack_are_left_out_and_counted(make, results, toy):
    def run_seed(config, seed, out):
        rows = toy.rows_of(config, seed, out)
        return rows if config.rate == 0.1 else {"solver": rows["solver"]}

    number = {"row": "solver", "metric": "error"}
    alone = toy.claim(name="small", quantity=number, tolerance={"at_most": 1})
    experiment, lines = make(run_seed=run_seed, claims=[toy.claim(), alone]), []
    outcome = run(experiment, "cpu", toy.Config(rate=0.2), results=results, report=lines.append)
    assert [verdict.claim for verdict in outcome.verdicts] == ["small"]
    assert lines[-1] == "1 claim left out, on rows that these results do not have"


def test_claims_on_rows_that_a_preset_lacks_are_errors(make, results, toy):
    experiment = make(run_seed=lambda *_: {"solver": {"error": 0.1}}, claims=[toy.claim()])
    with pytest.raises(ExperimentError, match="the row of a claim out of solver, got 'FNO'"):
        run(experiment, "cpu", results=results)


def test_an_interrupted_seed_resumes_in_its_folder(make, results):
    def run_seed(config, seed, out):
        counter = out / "steps"
        done = int(counter.read_text()) if counter.exists() else 0
        if done == 0 and seed == 1:
            counter.write_text("7")
            raise KeyboardInterrupt
        return {"solver": {"error": 1.0, "resumed from": done}}

    experiment = make(run_seed=run_seed)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, "cpu", results=results)
    folder = results / "toy" / "cpu"
    assert (folder / "0" / "summary.json").exists()
    assert not (folder / "1" / "summary.json").exists()
    outcome = run(experiment, "cpu", results=results)
    assert outcome.results[1]["solver"]["resumed from"] == 7
    assert read(folder / "1" / "summary.json")["resumed"] is True
    assert read(folder / "2" / "summary.json")["resumed"] is False


def test_another_configuration_is_refused_before_anything_runs(make, results, toy):
    run(make(), "cpu", toy.Config(seeds=(2,)), results=results)

    def never(config, seed, out):
        raise AssertionError("ran")

    changed = toy.Config(model=toy.Model(width=16), rate=0.5)
    message = r"model.width \(8 there, 16 now\), rate \(0.1 there, 0.5 now\); choose another"
    with pytest.raises(ExperimentError, match=message):
        run(make(run_seed=never), "cpu", changed, results=results)


def test_what_a_run_lacks_is_refused_before_anything_is_written(make, results, toy):
    def check(config):
        if config.rate < 1:
            raise ExperimentError(f"Expected a rate of at least 1, got {config.rate}; raise it.")

    experiment = make(check=check)
    with pytest.raises(ExperimentError, match=r"at least 1, got 0.1; raise it"):
        run(experiment, "smoke", results=results)
    assert not results.exists()
    assert run(experiment, "smoke", toy.Config(seeds=(0,), rate=2.0), results=results).results


def test_overwrite_deletes_what_was_there(make, results, toy):
    run(make(), "cpu", toy.Config(seeds=(0,)), results=results)
    stray = results / "toy" / "cpu" / "0" / "checkpoint"
    stray.write_text("old")
    changed = toy.Config(seeds=(0,), rate=0.5)
    run(make(), "cpu", changed, results=results, overwrite=True)
    assert not stray.exists()
    assert read(results / "toy" / "cpu" / "0" / "config.json")["config"]["rate"] == 0.5


def test_overwrite_deletes_nothing_where_it_refuses(make, results, toy):
    run(make(), "cpu", toy.Config(seeds=(0,)), results=results)
    (results / "toy" / "cpu" / "1").mkdir()
    (results / "toy" / "cpu" / "1" / "thesis.tex").write_text("precious")
    with pytest.raises(ExperimentError, match=r"thesis.tex without one"):
        run(make(), "cpu", toy.Config(seeds=(0, 1)), results=results, overwrite=True)
    assert (results / "toy" / "cpu" / "0" / "summary.json").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebody_elses_folder_is_neither_used_nor_deleted(make, results, overwrite):
    folder = results / "toy" / "cpu" / "0"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(ExperimentError, match=r"thesis.tex without one; choose another --results"):
        run(make(), "cpu", results=results, overwrite=overwrite)
    assert (folder / "thesis.tex").read_text() == "precious"


def test_a_file_is_no_results_folder(make, results):
    results.write_text("")
    with pytest.raises(ExperimentError, match="Expected --results to be a folder"):
        run(make(), "cpu", results=results)


@pytest.mark.parametrize("name", ["summary.json", "config.json"])
@pytest.mark.parametrize("damage", ["truncate", "empty", "other"])
def test_a_damaged_file_is_refused(make, results, name, damage):
    run(make(), "cpu", results=results)
    path = results / "toy" / "cpu" / "1" / name
    text = path.read_text()
    path.write_text({"truncate": text[: len(text) // 2], "empty": "", "other": "[1, 2]"}[damage])
    with pytest.raises(ExperimentError, match=rf"Expected \S+{name} to be .*--overwrite"):
        run(make(), "cpu", results=results)


def test_a_killed_write_leaves_a_folder_that_resumes(make, results):
    folder = results / "toy" / "cpu" / "0"
    folder.mkdir(parents=True)
    (folder / "config.json.tmp").write_text('{"exper')
    assert run(make(), "cpu", results=results).results.keys() == {0, 1, 2}


def test_values_that_are_not_finite_are_kept(make, results):
    experiment = make(run_seed=lambda config, seed, out: {"solver": {"a": math.nan, "b": math.inf}})
    run(experiment, "smoke", results=results)
    text = (results / "toy" / "smoke" / "0" / "summary.json").read_text()
    rows = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["rows"]
    assert rows == {"solver": {"a": {"non_finite": "nan"}, "b": {"non_finite": "inf"}}}
    again = run(experiment, "smoke", results=results).results[0]["solver"]
    assert math.isnan(again["a"])
    assert again["b"] == math.inf


def test_a_result_without_its_baseline_is_refused(make, results):
    experiment = make(run_seed=lambda config, seed, out: {"FNO": {"error": 0.1}})
    with pytest.raises(ExperimentError, match="expected its baseline 'solver' among the rows, got"):
        run(experiment, "smoke", results=results)
    assert not (results / "toy" / "smoke" / "0" / "summary.json").exists()


def test_seeds_with_different_rows_are_refused(make, results):
    experiment = make(run_seed=lambda config, seed, out: {"solver": {f"error {seed % 2}": 0.1}})
    with pytest.raises(ExperimentError, match="Expected seed 1 to have the rows and metrics of"):
        run(experiment, "cpu", results=results)


def test_figures_are_drawn_over_all_seeds(make, results):
    def figures(config, rows, out):
        (out / "all.png").write_text(str(sorted(rows)))

    run(make(figures=figures), "cpu", results=results)
    assert (results / "toy" / "cpu" / "all.png").read_text() == "[0, 1, 2]"


def test_an_unknown_preset_names_the_closest(make, results):
    with pytest.raises(ExperimentError, match=r"out of cpu, paper, smoke, got 'cpus'.*mean 'cpu'"):
        run(make(), "cpus", results=results)


def test_a_missing_preset_is_refused(make, toy):
    with pytest.raises(ExperimentError, match="a preset of toy out of smoke, got 'cpu'"):
        make(presets={"smoke": toy.Config()})


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,), (0.5,)])
def test_bad_seeds_are_refused(make, seeds, toy):
    presets = dict.fromkeys(("smoke", "cpu", "paper"), toy.Config(seeds=seeds))
    with pytest.raises(ExperimentError, match="distinct integers >= 0"):
        make(presets=presets)


def test_a_configuration_that_cannot_be_stored_is_refused(make, toy):
    presets = dict.fromkeys(("smoke", "cpu", "paper"), toy.Config(rate=object()))
    with pytest.raises(TypeError, match="store a plain value instead"):
        make(presets=presets)


def test_a_configuration_is_read_back_as_it_was(toy):
    config = toy.Config(seeds=(3,), model=toy.Model(width=2, modes=(1, 2, 3)), clip=5.0)
    stored = json.loads(json.dumps(to_json(config)))
    assert from_json(toy.Config(), stored, seeds=(3,)) == config
    del stored["rate"]
    with pytest.raises(ExperimentError, match="the fields rate and without"):
        from_json(toy.Config(), stored, seeds=(3,))


def test_outcome_knows_its_configuration(make, results, toy):
    config = replace(toy.Config(), rate=0.2)
    assert run(make(), "cpu", config, results=results).config == config
    assert "preset cpu with rate=0.2, 3 seeds" in (results / "toy/cpu/table.md").read_text()
