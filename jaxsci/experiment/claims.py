"""Claims of ``expected.json``: a number of the results, what was published, and what is tolerated.

The file is a list of objects::

    {"experiment": "heat", "name": "BOON beats FNO", "presets": ["cpu", "paper"],
     "quantity": {"ratio": [{"row": "FNO", "metric": "relative L2"},
                            {"row": "BOON-FNO", "metric": "relative L2"}]},
     "published": "2 to 20", "source": "Table 3", "tolerance": {"at_least": 2},
     "note": "why it may differ"}

`quantity` is one number, ``{"row": ..., "metric": ...}``, or the ratio of two. `tolerance` has one
of `at_least`, `at_most` and `within` (a pair); a claim without one is reported, not judged. With
``"optional": true``, a claim is on rows that only a run with optional packages has.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxsci.experiment.errors import ExperimentError, unknown
from jaxsci.experiment.experiment import Rows
from solvers._files import read_json

_REQUIRED = {"experiment", "name", "quantity", "published", "source", "presets"}
_OPTIONAL = {"tolerance", "note", "optional"}


@dataclass(frozen=True)
class Value:
    """One number of the results."""

    row: str
    metric: str

    def within(self, rows: Rows) -> bool:
        """Whether the rows have it."""
        return self.metric in rows.get(self.row, {})

    def of(self, rows: Rows) -> float:
        """The number in the rows of one seed.

        Raises:
            ExperimentError: for a row or metric that is not there.
        """
        if self.row not in rows:
            raise unknown("the row of a claim", self.row, rows)
        if self.metric not in rows[self.row]:
            raise unknown(f"the metric of a claim on {self.row}", self.metric, rows[self.row])
        return rows[self.row][self.metric]


@dataclass(frozen=True)
class Ratio:
    """One number of the results over another of the same seed."""

    numerator: Value
    denominator: Value

    def within(self, rows: Rows) -> bool:
        """Whether the rows have both."""
        return self.numerator.within(rows) and self.denominator.within(rows)

    def of(self, rows: Rows) -> float:
        """The ratio in the rows of one seed; not finite where the denominator is zero."""
        above, below = self.numerator.of(rows), self.denominator.of(rows)
        return above / below if below != 0 else math.nan


@dataclass(frozen=True)
class Tolerance:
    """An interval, open to one side or closed."""

    at_least: float = -math.inf
    at_most: float = math.inf

    def holds(self, value: float) -> bool:
        """Whether `value` is finite and inside."""
        return math.isfinite(value) and self.at_least <= value <= self.at_most

    def __str__(self) -> str:
        if self.at_most == math.inf:
            return f"≥ {self.at_least:g}"
        if self.at_least == -math.inf:
            return f"≤ {self.at_most:g}"
        return f"{self.at_least:g} to {self.at_most:g}"


@dataclass(frozen=True)
class Claim:
    """One line of the verdict table; `tolerance` None means that it is reported, not judged.

    An `optional` claim is left out where the results do not have its rows.
    """

    experiment: str
    name: str
    quantity: Value | Ratio
    published: int | float | str | None
    source: str
    presets: tuple[str, ...]
    tolerance: Tolerance | None = None
    note: str = ""
    optional: bool = False


def read_claims(path: Path, *, presets: Sequence[str] | None = None) -> tuple[Claim, ...]:
    """All claims of the file at `path`.

    Args:
        path: an ``expected.json``.
        presets: the presets there are; None for any.

    Raises:
        ExperimentError: for a file or a claim that is not of the form above.
    """
    remedy = "write a list of claims, empty if nothing is claimed"
    items = read_json(path, error=ExperimentError, remedy=remedy)
    if not isinstance(items, list):
        raise _malformed(path, "a list of claims", items)
    claims = tuple(_claim(item, path, presets) for item in items)
    seen: set[tuple[str, str, str]] = set()
    for claim in claims:
        for preset in claim.presets:
            if (claim.experiment, claim.name, preset) in seen:
                raise _malformed(path, f"one claim per name for preset {preset}", claim.name)
            seen.add((claim.experiment, claim.name, preset))
    return claims


def _claim(item: Any, path: Path, presets: Sequence[str] | None) -> Claim:
    _check_keys(item, path, "a claim", required=_REQUIRED, optional=_OPTIONAL)
    for key in ("experiment", "name", "source", "note"):
        if not isinstance(item.get(key, ""), str):
            raise _malformed(path, f"{key} to be a string", item[key])
    if not (item["published"] is None or _is_number(item["published"], or_text=True)):
        raise _malformed(path, "published to be a number, a string or null", item["published"])
    if not isinstance(item["presets"], list) or not item["presets"]:
        raise _malformed(path, "presets to be a list of names", item["presets"])
    if not isinstance(item.get("optional", False), bool):
        raise _malformed(path, "optional to be true or false", item["optional"])
    for preset in item["presets"]:
        if presets is not None and preset not in presets:
            raise unknown(f"the preset of a claim in {path}", str(preset), presets)
    tolerance = item.get("tolerance")
    return Claim(
        experiment=item["experiment"],
        name=item["name"],
        quantity=_quantity(item["quantity"], path),
        published=item["published"],
        source=item["source"],
        presets=tuple(item["presets"]),
        tolerance=None if tolerance is None else _tolerance(tolerance, path),
        note=item.get("note", ""),
        optional=item.get("optional", False),
    )


def _quantity(item: Any, path: Path) -> Value | Ratio:
    if isinstance(item, Mapping) and "ratio" in item:
        _check_keys(item, path, "a ratio", required={"ratio"})
        if not isinstance(item["ratio"], list) or len(item["ratio"]) != 2:
            raise _malformed(path, "ratio to be a pair of row and metric", item["ratio"])
        above, below = item["ratio"]
        return Ratio(numerator=_value(above, path), denominator=_value(below, path))
    return _value(item, path)


def _value(item: Any, path: Path) -> Value:
    _check_keys(item, path, "a quantity", required={"row", "metric"})
    return Value(row=str(item["row"]), metric=str(item["metric"]))


def _tolerance(item: Any, path: Path) -> Tolerance:
    match item:
        case {"at_least": bound, **rest} if not rest and _is_number(bound):
            return Tolerance(at_least=float(bound))
        case {"at_most": bound, **rest} if not rest and _is_number(bound):
            return Tolerance(at_most=float(bound))
        case {"within": [low, high], **rest} if (
            not rest and _is_number(low) and _is_number(high) and low <= high
        ):
            return Tolerance(at_least=float(low), at_most=float(high))
    raise _malformed(
        path, 'a tolerance {"at_least": x}, {"at_most": x} or {"within": [low, high]}', item
    )


def _is_number(value: Any, *, or_text: bool = False) -> bool:
    if isinstance(value, str):
        return or_text
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_keys(
    item: Any,
    path: Path,
    what: str,
    *,
    required: set[str],
    optional: set[str] = frozenset(),  # pyright: ignore[reportArgumentType]
) -> None:
    found = set(item) if isinstance(item, Mapping) else set()
    if not required <= found <= required | optional:
        listed = ", ".join(sorted(required) + [f"{key} (optional)" for key in sorted(optional)])
        raise _malformed(path, f"{what} to have the keys {listed}", item)


def _malformed(path: Path, expected: str, got: Any) -> ExperimentError:
    shown = json.dumps(got, ensure_ascii=False)
    return ExperimentError(f"{path} expected {expected}, got {shown}; correct the file.")
