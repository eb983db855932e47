"""The record of a preset, and the documents generated from it."""

import json
import math

import pytest

from jaxsci.experiment import (
    ExperimentError,
    generate,
    read_record,
    read_records,
    run,
    write_record,
)
from jaxsci.experiment.jsonfile import read_json, write_json


@pytest.fixture
def experiment(make, toy):
    return make(claims=[toy.claim(), toy.claim(name="mass", tolerance=None, published=None)])


@pytest.fixture
def outcome(experiment, results):
    return run(experiment, "cpu", results=results)


@pytest.fixture
def records(experiment, outcome):
    write_record(experiment, "cpu", outcome)
    return read_records(experiment.directory.parent)


def test_a_record_is_read_back(experiment, outcome):
    path = write_record(experiment, "cpu", outcome)
    assert path == experiment.directory / "record" / "toy-cpu.json"
    item = json.loads(path.read_text())
    assert item["rows"]["solver"]["error"]["values"] == [0.1, 0.2, 0.1 + 0.1 * 2]
    assert item["environments"][0]["seeds"] == [0, 1, 2]
    record = read_record(path)
    assert record.name == "toy-cpu"
    assert record.seeds == (0, 1, 2)
    assert record.command == "python -m jaxsci run toy --preset cpu"
    assert record.verdicts == outcome.verdicts


def test_a_record_is_judged_by_the_claims_there_are_now(experiment, outcome, toy):
    path = write_record(experiment, "cpu", outcome)
    claims = [
        toy.claim(tolerance={"at_least": 5}),
        toy.claim(name="on paper", presets=["paper"]),
        toy.claim(experiment="other"),
    ]
    (experiment.directory / "expected.json").write_text(json.dumps(claims))
    (verdict,) = read_record(path).verdicts
    assert (verdict.claim, verdict.word) == ("the solver is better", "FAIL")
    assert verdict.ours == outcome.verdicts[0].ours


def test_seeds_that_ran_elsewhere_are_told_apart(experiment, outcome):
    path = outcome.folder / "1" / "env.json"
    write_json(path, read_json(path, keys=(), remedy="") | {"python": "3.99.0"})
    record = write_record(experiment, "cpu", outcome)
    environments = json.loads(record.read_text())["environments"]
    assert [at["seeds"] for at in environments] == [[0, 2], [1]]


@pytest.mark.parametrize("changes", [{"rate": 0.2}, {"seeds": (0,)}])
def test_a_run_with_overrides_is_not_recorded(experiment, toy, results, changes):
    outcome = run(experiment, "cpu", toy.Config(**changes), results=results)
    (name,) = changes
    with pytest.raises(ExperimentError, match=rf"as it is for the record, got {name}="):
        write_record(experiment, "cpu", outcome)
    assert not (experiment.directory / "record").exists()


def test_values_that_are_not_finite_stay_so(make, results):
    experiment = make(run_seed=lambda config, seed, out: {"solver": {"a": math.nan}})
    path = write_record(experiment, "cpu", run(experiment, "cpu", results=results))
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert math.isnan(read_record(path).estimates["solver"]["a"].mean)


def test_a_truncated_record_is_refused(experiment, outcome):
    path = write_record(experiment, "cpu", outcome)
    path.write_text(path.read_text()[:200])
    with pytest.raises(ExperimentError, match=r"toy-cpu\.json .* write it again with --record"):
        read_records(experiment.directory.parent)


def test_tables_and_numbers_stand_between_their_markers(records):
    before = (
        "# A\n\n<!-- table: toy-cpu -->old<!-- /table -->\n"
        "<!-- verdicts: toy-cpu --><!-- /verdicts -->\n"
        "FNO has <!-- value: toy-cpu; FNO; error -->9<!-- /value --> here,"
        " <!-- claim: toy-cpu; the solver is better -->9<!-- /claim --> times more.\n"
    )
    after = generate(before, records)
    assert "| FNO    | 0.400 ± 0.058 | 0.250 ± 0 |" in after
    assert "| the solver is better | 2.22 ± 0.4 | 3         | ≥ 2       | pass     |" in after
    assert "| mass                 | 2.22 ± 0.4 | –         | –         | reported |" in after
    assert "<!-- value: toy-cpu; FNO; error -->0.400 ± 0.058<!-- /value --> here," in after
    assert "<!-- claim: toy-cpu; the solver is better -->2.22 ± 0.4<!-- /claim --> times" in after
    assert "`python -m jaxsci run toy --preset cpu`: mean ± standard error over 3 seeds" in after
    assert "old" not in after
    assert generate(after, records) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- table: toy-cpus --><!-- /table -->", "got 'toy-cpus'; did you mean 'toy-cpu'"),
        ("<!-- table: toy-cpu -->", "table: toy-cpu --> without its partner"),
        ("<!-- table: toy-cpu --><!-- /verdicts -->", "without its partner"),
        ("<!-- /table --><!-- table: toy-cpu -->", "without its partner"),
        ("<!-- value: toy-cpu; FNO --><!-- /value -->", "Expected a marker table: RECORD"),
        ("<!-- value: toy-cpu; FN; error --><!-- /value -->", "got 'FN'; did you mean 'FNO'"),
        ("<!-- value: toy-cpu; FNO; eror --><!-- /value -->", "did you mean 'error'"),
        ("<!-- claim: toy-cpu; mess --><!-- /claim -->", "did you mean 'mass'"),
    ],
)
def test_markers_that_name_nothing_are_refused(records, text, message):
    with pytest.raises(ExperimentError, match=message):
        generate(text, records)


def test_text_without_markers_is_left_alone():
    assert generate("<!-- a remark -->", {}) == "<!-- a remark -->"
