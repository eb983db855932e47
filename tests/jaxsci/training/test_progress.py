import io

import pytest
from rich.console import Console

from jaxsci.training import progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def _run(clock, steps=1000, start=400):
    with progress.report_progress(steps, start=start, enabled=True) as report:
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


def test_silence(monkeypatch, clock, capsys):
    with progress.report_progress(10, start=0, enabled=False) as report:
        report(10, 1.0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
