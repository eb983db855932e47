"""Estimates over seeds, and tables as text."""

import io
import math

import pytest
from rich.console import Console

from jaxsci.experiment.table import Estimate, Table, estimates, estimates_table


def test_mean_and_standard_error():
    estimate = Estimate.of([1.0, 2.0, 6.0])
    # Variance (4 + 1 + 9) / 2 = 7; the tolerance is round-off.
    assert estimate.mean == pytest.approx(3.0, rel=1e-14)
    assert estimate.standard_error == pytest.approx(math.sqrt(7 / 3), rel=1e-14)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.0123456], "0.0123"),
        ([1.0, 2.0, 6.0], "3.00 ± 1.5"),
        ([100.0], "100"),
        ([3e-9, 5e-9], "4.00e-09 ± 1e-09"),
        ([math.nan, 1.0], "nan"),
        ([math.inf], "inf"),
    ],
)
def test_how_an_estimate_is_written(values, text):
    assert str(Estimate.of(values)) == text


def test_a_metric_that_a_row_lacks_is_a_dash():
    table = estimates_table(estimates({0: {"a": {"x": 1.0}, "b": {"x": 2.0, "y": 3.0}}}))
    assert table.markdown() == (
        "|     | x    | y    |\n| --- | ---- | ---- |\n"
        "| a   | 1.00 | –    |\n| b   | 2.00 | 3.00 |\n"
    )


def test_a_bar_in_a_cell_does_not_end_it():
    assert "| a\\|b |" in Table(headers=("x",), rows=(("a|b",),)).markdown()


@pytest.mark.parametrize("terminal", [True, False])
def test_terminal_and_file(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    Table(headers=("claim", "verdict"), rows=(("[bold] c", "FAIL"),)).print(console, title="T")
    text = console.file.getvalue()
    assert ("\x1b[" in text) is terminal
    assert ("| claim    | verdict |" in text) is not terminal
    # Square brackets are text, not markup.
    assert "[bold] c" in text
