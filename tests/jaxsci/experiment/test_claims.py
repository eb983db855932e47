"""expected.json is read strictly, and judged over seeds."""

import json
import math

import pytest

from jaxsci.experiment import ExperimentError, judge, read_claims, run
from jaxsci.experiment.runner import claims_of
from jaxsci.experiment.verdicts import notes, verdicts_table

PRESETS = ("smoke", "cpu", "paper")


@pytest.fixture
def read(tmp_path):
    def read(*claims):
        path = tmp_path / "expected.json"
        path.write_text(json.dumps(claims))
        return read_claims(path, presets=PRESETS)

    return read


@pytest.fixture
def rows(tmp_path, toy):
    return {seed: toy.rows_of(None, seed, tmp_path) for seed in (0, 1, 2)}


def test_a_ratio_is_the_mean_of_ratios(read, rows, toy):
    (verdict,) = judge(read(toy.claim()), rows)
    # Ratios 3, 2 and 5/3; the ratio of the means would be 2. Round-off of a few operations.
    assert verdict.ours.mean == pytest.approx(20 / 9, rel=1e-12)
    deviations = sum((r - 20 / 9) ** 2 for r in (3, 2, 5 / 3))
    assert verdict.ours.standard_error == pytest.approx(math.sqrt(deviations / 2 / 3), rel=1e-12)
    assert verdict.word == "pass"


@pytest.mark.parametrize(
    ("tolerance", "word"),
    [
        ({"at_least": 0.39}, "pass"),
        ({"at_least": 0.41}, "FAIL"),
        ({"at_most": 0.41}, "pass"),
        ({"at_most": 0.39}, "FAIL"),
        ({"within": [0.39, 0.41]}, "pass"),
        ({"within": [0.1, 0.39]}, "FAIL"),
        (None, "reported"),
    ],
)
def test_bounds(read, rows, tolerance, word, toy):
    quantity = {"row": "FNO", "metric": "error"}
    (verdict,) = judge(read(toy.claim(quantity=quantity, tolerance=tolerance)), rows)
    assert verdict.word == word


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_fails(read, value, toy):
    quantity = {"row": "a", "metric": "b"}
    claims = read(toy.claim(quantity=quantity, tolerance={"at_least": -1e9}))
    (verdict,) = judge(claims, {0: {"a": {"b": 1.0}}, 1: {"a": {"b": value}}})
    assert verdict.word == "FAIL"


def test_a_ratio_over_zero_fails(read, rows, toy):
    rows[1]["solver"]["error"] = 0.0
    assert judge(read(toy.claim()), rows)[0].word == "FAIL"


def test_the_table_has_a_line_for_each_claim(read, rows, toy):
    claims = read(
        toy.claim(tolerance={"at_least": 5}, note="fewer epochs"),
        toy.claim(name="b", published=None),
    )
    verdicts = judge(claims, rows)
    text = verdicts_table(verdicts).markdown()
    assert "| the solver is better | 2.22 ± 0.4 | 3         | ≥ 5       | FAIL    | Table 1" in text
    assert notes(verdicts) == "- the solver is better: fewer epochs\n"


def test_an_optional_claim_needs_no_rows(read, rows, toy):
    absent = {"row": "peer", "metric": "error"}
    optional = toy.claim(name="b", quantity=absent, optional=True)
    (verdict,) = judge(read(toy.claim(optional=True), optional), rows)
    assert verdict.claim == "the solver is better"
    with pytest.raises(ExperimentError, match=r"the row of a claim .* got 'peer'"):
        judge(read(toy.claim(quantity=absent)), rows)


def test_claims_are_those_of_the_experiment_and_preset(make, results, toy):
    claims = [
        toy.claim(),
        toy.claim(name="on paper", presets=["paper"]),
        toy.claim(experiment="other"),
    ]
    experiment = make(claims=claims)
    assert [item.name for item in claims_of(experiment, "cpu")] == ["the solver is better"]
    assert not run(experiment, "cpu", results=results).failed


def test_a_file_about_other_experiments_alone_is_refused(make, results, toy):
    with pytest.raises(ExperimentError, match="makes claims on out of tay, got 'toy'"):
        run(make(claims=[toy.claim(experiment="tay")]), "cpu", results=results)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tolerence": {"at_least": 1}}, "expected a claim to have the keys"),
        ({"tolerance": {"atleast": 1}}, 'expected a tolerance {"at_least": x}'),
        ({"tolerance": {"at_least": 1, "at_most": 2}}, "expected a tolerance"),
        ({"tolerance": {"within": [2, 1]}}, "expected a tolerance"),
        ({"tolerance": {"at_least": "1"}}, "expected a tolerance"),
        ({"quantity": {"row": "FNO"}}, "expected a quantity to have the keys metric, row"),
        ({"quantity": {"ratio": [{"row": "a", "metric": "b"}]}}, "expected ratio to be a pair"),
        ({"presets": ["cpus"]}, "out of cpu, paper, smoke, got 'cpus'; did you mean 'cpu'"),
        ({"presets": []}, "expected presets to be a list"),
        ({"published": [1]}, "expected published to be a number, a string or null"),
        ({"source": 3}, "expected source to be a string"),
        ({"optional": "yes"}, "expected optional to be true or false"),
    ],
)
def test_malformed_claims_are_refused(read, changes, message, toy):
    with pytest.raises(ExperimentError, match=message):
        read(toy.claim(**changes))


def test_a_claim_made_twice_is_refused(read, toy):
    read(toy.claim(presets=["cpu"]), toy.claim(presets=["paper"]))
    with pytest.raises(ExperimentError, match="one claim per name for preset smoke"):
        read(toy.claim(), toy.claim())


@pytest.mark.parametrize("text", ["[{", "", '{"a": 1}'])
def test_a_broken_file_is_refused(tmp_path, text):
    (tmp_path / "expected.json").write_text(text)
    with pytest.raises(ExperimentError, match=r"expected\.json.* list"):
        read_claims(tmp_path / "expected.json", presets=PRESETS)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ExperimentError, match="empty if nothing is claimed"):
        read_claims(tmp_path / "expected.json", presets=PRESETS)


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        ({"row": "FN0", "metric": "error"}, "the row of a claim out of FNO, solver, got 'FN0'"),
        ({"row": "FNO", "metric": "eror"}, "got 'eror'; did you mean 'error'"),
    ],
)
def test_a_claim_on_what_the_results_lack_is_refused(make, results, quantity, message, toy):
    with pytest.raises(ExperimentError, match=message):
        run(make(claims=[toy.claim(quantity=quantity)]), "cpu", results=results)
