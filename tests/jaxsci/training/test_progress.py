import io

import pytest
from rich.console import Console

from jaxsci.training import progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def _run(clock, steps=1000, start=400, label=""):
    with progress.report_progress(steps, start=start, enabled=True, label=label) as report:
        for step in range(start + 10, steps + 1, 10):
            clock[0] += 0.5
            report(step, 1.0 / step)


def test_plain_lines_are_few_and_complete(monkeypatch, clock):
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **kw: Console(file=out))
    _run(clock)
    lines = out.getvalue().splitlines()
    # 60 reports in 30 seconds: the first, one every ten seconds, and the last.
    assert lines[0] == "step 410/1000  loss 0.002439"
    assert lines[1] == "step 610/1000  loss 0.001639  20 steps/s  0:00:20 left"
    assert lines[-1] == "step 1000/1000  loss 0.001  20 steps/s  0:00:00 left"
    assert len(lines) == 4


def test_terminal_gets_a_bar(monkeypatch, clock):
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda **kw: terminal)
    _run(clock)
    assert "━" in out.getvalue()
    assert "step 1000/1000  loss 0.001  20 steps/s  0:00:00 left" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_run_with_a_name_says_it(monkeypatch, clock, terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    monkeypatch.setattr(progress, "Console", lambda **kw: console)
    _run(clock, label="BOON-FNO")
    assert "BOON-FNO: step 1000/1000  loss 0.001  20 steps/s" in out.getvalue()
    if not terminal:
        assert all(line.startswith("BOON-FNO: step") for line in out.getvalue().splitlines())


def test_silence(monkeypatch, clock, capsys):
    with progress.report_progress(10, start=0, enabled=False) as report:
        report(10, 1.0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
