"""Every page of the reference runs as printed, from top to bottom."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "api"
# The other page, solvers.md, shows calls for several devices, and has fragments only.
NAMES = (
    "constraints",
    "data",
    "experiment",
    "forecasting",
    "generative",
    "metrics",
    "nn",
    "operators",
    "plots",
    "probabilistic",
    "training",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES.is_dir(), reason="the documents are not part of this copy"),
]


def blocks(page):
    """Python blocks with blank lines in front of each, so that errors name the line of the page."""
    for match in re.finditer(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield "\n" * page[: match.start(1)].count("\n") + match[1]


@pytest.mark.parametrize("name", NAMES)
def test_snippets_run_in_order(name, tmp_path, monkeypatch):
    path = PAGES / f"{name}.md"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = list(blocks(path.read_text(encoding="utf-8")))
    assert found, f"{path} has no snippet"
    names = {"__name__": f"docs_{name}"}
    for block in found:
        exec(compile(block, str(path), "exec"), names)


def test_every_page_is_run():
    assert {path.stem for path in PAGES.glob("*.md")} - {"solvers"} == set(NAMES)
