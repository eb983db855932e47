"""Contract of the sweep itself: what is mutated, and how each outcome is told, on functions of a few lines."""

import inspect
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.data import bicubic
from solvers import Grid, cell_averages, trapezoid_weights

from . import plugin
from .judged import reason
from .mutations import mutations


def _mutated(value, annotation="", default=inspect.Parameter.empty) -> dict:
    parameter = inspect.Parameter(
        "x", inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )
    return dict(mutations(value, parameter))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (3, {"zero", "minus one", "one and a half", "a digit as text"}),
        (0.5, {"NaN", "infinity", "its negative", "a complex number"}),
        (True, {"yes", "two"}),
        ("name", {"an empty word", "a number"}),
        (np.ones((2, 3)), {"a sample too few", "transposed", "one axis more", "objects", "text"}),
        (np.arange(3), {"halves", "out of range"}),
        (jax.random.key(0), {"a seed", "two keys"}),
        ((1, 2), {"empty", "its first alone", "a zero in front"}),
        (lambda x: x, {"a function of nothing", "a function to nothing"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_each_kind_are_mutated(value, names):
    assert {"None", "an object", *names} <= set(_mutated(value, "float"))


def test_what_is_allowed_is_no_mutation():
    assert "None" not in _mutated(0.5, "float | None")
    assert "None" not in _mutated(0.5, "float", default=None)
    assert "text" not in _mutated("a", "str | Path")
    assert "an array of two" not in _mutated(0.5, "Float[Array, '']")
    assert "zero" not in _mutated(0, "int")


def test_an_array_is_mutated_in_a_copy():
    array = np.ones(3)
    broken = _mutated(array, "Array")["a NaN"]
    assert math.isnan(broken[0])
    assert array[0] == 1


def _of_nothing():
    return _mutated(lambda x: x)["a function of nothing"]


def _hanging():
    time.sleep(5)


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        (lambda: 1.0, "silent"),
        (lambda: {"x": jnp.ones(2)}, "silent"),
        (lambda: {"x": jnp.array([1.0, jnp.nan])}, "shown"),
        (lambda: math.inf, "shown"),
        (lambda: jnp.ones(2) + jnp.ones(3), "obscure"),
        (lambda: None.shape, "obscure"),  # pyright: ignore
        (lambda: bicubic(0, 3), "sentence"),
        (lambda: trapezoid_weights(np.array([object()])), "sentence"),
        (lambda: cell_averages(_of_nothing(), Grid.uniform(0.0, 1.0, 4)), "python"),
        (_hanging, "hang"),
    ],
)
def test_outcome(attempt, outcome, monkeypatch):
    monkeypatch.setattr(plugin, "_SECONDS", 0.5)
    assert plugin._outcome(attempt)[0] == outcome


def test_the_words_of_a_sentence_must_be_ours():
    """Other libraries say what they expected too; that is no sentence of ours."""

    def elsewhere():
        raise ValueError("expected something else")

    assert plugin._outcome(elsewhere)[0] == "obscure"


def test_a_call_is_swept_once_and_the_test_gets_its_answer(monkeypatch):
    def half(x: float) -> float:
        return x / 2

    monkeypatch.setattr(plugin, "_TESTS", __file__)
    sweep = plugin.WrongInput(None)
    watched = sweep._watched("half", half)
    assert watched(3.0) == watched(3.0) == 1.5
    outcomes = {row["mutation"]: row["outcome"] for row in sweep.rows}
    assert len(outcomes) == len(sweep.rows)
    assert (outcomes["None"], outcomes["NaN"]) == ("obscure", "shown")
    assert outcomes["its negative"] == "silent"


def test_a_silent_answer_is_judged_by_a_rule_only():
    assert reason("jaxsci.metrics.smape", "target", "a NaN")
    assert reason("jaxsci.metrics.smape", "forecast", "a NaN") is None
    assert reason("jaxsci.data.Windows", "stride", "2**70")
