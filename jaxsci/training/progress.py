"""How far a run is: a bar on a terminal, now and then a line anywhere else. Both go to stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

# Seconds between two lines where there is no terminal: a log of a long run stays readable.
_LINE_EVERY = 10.0

Report = Callable[[int, float], None]


@contextmanager
def report_progress(steps: int, *, start: int, enabled: bool, label: str = "") -> Iterator[Report]:
    """Yield ``report(step, loss)``, to be called as the run goes on.

    Args:
        steps: the last step.
        start: the step that the run starts or resumes from.
        enabled: False reports nothing.
        label: name of the run, in front of every line.
    """
    console = Console(stderr=True)
    describe = _Describe(steps, label)
    if not enabled:
        yield lambda step, loss: None
    elif console.is_terminal:
        columns = (BarColumn(bar_width=30), TextColumn("{task.description}"))
        with Bar(*columns, console=console) as bar:
            task = bar.add_task(f"{describe.front}compiling", total=steps, completed=start)
            yield lambda step, loss: bar.update(
                task, completed=step, description=describe(step, loss)
            )
    else:
        last = -_LINE_EVERY

        def report(step: int, loss: float) -> None:
            nonlocal last
            line = describe(step, loss)
            if time.monotonic() - last >= _LINE_EVERY or step == steps:
                last = time.monotonic()
                console.print(line, highlight=False, soft_wrap=True)

        yield report


def interrupted(step: int, steps: int, folder: Path | None) -> str:
    """How far a run was when it was interrupted, and how to go on from its folder of checkpoints."""
    kept = (
        "nothing of it is kept; give a folder as checkpoint to go on from where it stopped"
        if folder is None
        else f"the same call goes on from the checkpoints in {folder}"
    )
    return f"fit was interrupted at step {step} of {steps}; {kept}."


class _Describe:
    """Words for one moment; the rate counts from the first report, which leaves compilation out."""

    def __init__(self, steps: int, label: str):
        self.steps = steps
        self.front = f"{label}: " if label else ""
        self.first: tuple[int, float] | None = None

    def __call__(self, step: int, loss: float) -> str:
        now = time.monotonic()
        text = f"{self.front}step {step}/{self.steps}  loss {loss:.4g}"
        if self.first is None:
            self.first = (step, now)
        elif step > self.first[0]:
            rate = (step - self.first[0]) / max(now - self.first[1], 1e-9)
            left = timedelta(seconds=round((self.steps - step) / rate))
            text += f"  {rate:.3g} steps/s  {left} left"
        return text
