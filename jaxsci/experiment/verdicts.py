"""Verdicts: what the results say about the claims of one preset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from jaxsci.experiment.claims import Claim
from jaxsci.experiment.experiment import Rows
from jaxsci.experiment.table import Estimate, Table


@dataclass(frozen=True)
class Verdict:
    """A claim beside our number; `passed` is None for a claim that is reported, not judged."""

    claim: str
    ours: Estimate
    published: int | float | str | None
    tolerance: str
    passed: bool | None
    source: str
    note: str = ""

    @property
    def word(self) -> Literal["pass", "FAIL", "reported"]:
        """How the table says it."""
        if self.passed is None:
            return "reported"
        return "pass" if self.passed else "FAIL"


def judge(claims: Iterable[Claim], results: Mapping[int, Rows]) -> tuple[Verdict, ...]:
    """The verdicts on `claims`; a quantity is its mean over seeds, a ratio the mean of ratios.

    A value that is not finite at one seed fails. An optional claim on rows that the results do not
    have is left out.

    Raises:
        ExperimentError: for any other claim on a row or a metric that the results do not have.
    """
    return tuple(
        _judge(claim, results)
        for claim in claims
        if not claim.optional or all(claim.quantity.within(rows) for rows in results.values())
    )


def _judge(claim: Claim, results: Mapping[int, Rows]) -> Verdict:
    ours = Estimate.of([claim.quantity.of(rows) for rows in results.values()])
    tolerance = claim.tolerance
    return Verdict(
        claim=claim.name,
        ours=ours,
        published=claim.published,
        tolerance="–" if tolerance is None else str(tolerance),
        passed=None if tolerance is None else tolerance.holds(ours.mean),
        source=claim.source,
        note=claim.note,
    )


def verdicts_table(verdicts: Iterable[Verdict]) -> Table:
    """Claim, ours, published, tolerance, verdict, source."""
    rows = tuple(
        (
            verdict.claim,
            str(verdict.ours),
            "–" if verdict.published is None else _published(verdict.published),
            verdict.tolerance,
            verdict.word,
            verdict.source,
        )
        for verdict in verdicts
    )
    return Table(
        headers=("claim", "ours", "published", "tolerance", "verdict", "source"), rows=rows
    )


def notes(verdicts: Iterable[Verdict]) -> str:
    """The notes of the claims that have one, as a list to stand below their table."""
    return "".join(f"- {verdict.claim}: {verdict.note}\n" for verdict in verdicts if verdict.note)


def _published(value: int | float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
