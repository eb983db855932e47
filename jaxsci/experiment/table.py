"""Tables: mean and standard error over seeds; colour on a terminal, Markdown anywhere else."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from jaxsci.experiment.errors import ExperimentError
from jaxsci.experiment.experiment import Rows

_STYLES = {"pass": "green", "FAIL": "bold red"}


@dataclass(frozen=True)
class Estimate:
    """Mean of one number over seeds, and its standard error (None for a single seed)."""

    mean: float
    standard_error: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """Mean and standard error of `values`, one per seed; not finite if one of them is not."""
        n = len(values)
        if not all(math.isfinite(value) for value in values):
            return cls(mean=math.nan if n > 1 else values[0], standard_error=None)
        mean = math.fsum(values) / n
        if n == 1:
            return cls(mean=mean, standard_error=None)
        variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
        return cls(mean=mean, standard_error=math.sqrt(variance / n))

    def __str__(self) -> str:
        count = self.mean.is_integer() and abs(self.mean) >= 10
        mean = f"{self.mean:.0f}" if count else f"{self.mean:#.3g}".rstrip(".")
        return mean if self.standard_error is None else f"{mean} ± {self.standard_error:.2g}"


Estimates = Mapping[str, Mapping[str, Estimate]]
"""``estimates[model][metric]``, over all seeds."""


@dataclass(frozen=True)
class Table:
    """Cells of text under headers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown, its columns aligned to be read as plain text too."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.headers, *self.rows)]
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            [cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows
        ]
        lines.insert(1, ["-" * width for width in widths])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def print(self, console: Console, *, title: str) -> None:
        """Print with lines and colour on a terminal, as Markdown anywhere else."""
        if not console.is_terminal:
            print(f"{title}\n\n{self.markdown()}", file=console.file)
            return
        table = RichTable(title=title)
        for header in self.headers:
            table.add_column(header)
        for row in self.rows:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        console.print(table)


def estimates(results: Mapping[int, Rows]) -> Estimates:
    """Mean and standard error of every number over the seeds of `results`.

    Raises:
        ExperimentError: for seeds that do not have the same rows and metrics.
    """
    (first, rows), *others = results.items()
    for seed, other in others:
        if _shape(other) != _shape(rows):
            raise ExperimentError(
                f"Expected seed {seed} to have the rows and metrics of seed {first}, got others; "
                f"run both again with --overwrite."
            )
    return {
        row: {
            metric: Estimate.of([seed[row][metric] for seed in results.values()]) for metric in at
        }
        for row, at in rows.items()
    }


def _shape(rows: Rows) -> dict[str, set[str]]:
    return {row: set(metrics) for row, metrics in rows.items()}


def estimates_table(estimates: Estimates) -> Table:
    """One row per model, one column per metric; a dash where a model has no such metric."""
    metrics = tuple(dict.fromkeys(metric for row in estimates.values() for metric in row))
    rows = (
        (name, *(str(row[metric]) if metric in row else "–" for metric in metrics))
        for name, row in estimates.items()
    )
    return Table(headers=("", *metrics), rows=tuple(rows))


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(items: Iterable[object]) -> str:
    """Items with commas between them, or the word none."""
    return ", ".join(map(str, items)) or "none"
