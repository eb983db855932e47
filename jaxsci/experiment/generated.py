"""Numbers in the documentation, generated from the records between markers.

``<!-- table: heat-cpu -->`` ... ``<!-- /table -->`` holds the results of a record,
``<!-- verdicts: heat-cpu -->`` ... ``<!-- /verdicts -->`` its verdicts,
``<!-- value: heat-cpu; FNO; relative L2 -->0.1<!-- /value -->`` one number within a sentence, and
``<!-- claim: heat-cpu; BOON beats FNO -->3<!-- /claim -->`` our number of one claim.
"""

import re
from collections.abc import Mapping

from jaxsci.experiment.errors import ExperimentError, unknown
from jaxsci.experiment.record import Record
from jaxsci.experiment.table import estimates_table, listed, plural
from jaxsci.experiment.verdicts import notes, verdicts_table

_KINDS = "table|verdicts|value|claim"
_MARKER = re.compile(rf"<!-- (/?)({_KINDS})(?:: (.*?))? -->")


def generate(text: str, records: Mapping[str, Record], *, where: str = "the text") -> str:
    """`text` with everything between its markers written anew from `records`.

    Raises:
        ExperimentError: for a marker without its end, or one that names what no record has.
    """
    parts: list[str] = []
    rest = 0
    markers = list(_MARKER.finditer(text))
    if len(markers) % 2:
        raise _unpaired(where, markers[-1])
    for start, end in zip(markers[::2], markers[1::2], strict=True):
        paired = start[2] == end[2] and not start[1] and end[1] and start[3] and not end[3]
        if not paired:
            raise _unpaired(where, start)
        parts += [text[rest : start.end()], _content(start[2], start[3], records)]
        rest = end.start()
    return "".join(parts) + text[rest:]


def _unpaired(where: str, marker: re.Match[str]) -> ExperimentError:
    return ExperimentError(
        f"Expected markers in {where} to come as <!-- kind: record --> and <!-- /kind --> in "
        f"turn, got {marker[0]} without its partner; add or remove one."
    )


def _content(kind: str, words: str, records: Mapping[str, Record]) -> str:
    name, *rest = (word.strip() for word in words.split(";"))
    if name not in records:
        raise unknown("a record", name, records)
    record = records[name]
    match kind, rest:
        case "table", []:
            return f"\n\n{estimates_table(record.estimates).markdown()}\n{provenance(record)}\n\n"
        case "verdicts", []:
            remarks = notes(record.verdicts)
            table = verdicts_table(record.verdicts).markdown()
            return f"\n\n{table}\n{remarks}\n" if remarks else f"\n\n{table}\n"
        case "value", [row, metric]:
            if row not in record.estimates:
                raise unknown(f"a row of {name}", row, record.estimates)
            if metric not in record.estimates[row]:
                raise unknown(f"a metric of {row} in {name}", metric, record.estimates[row])
            return str(record.estimates[row][metric])
        case "claim", [claim]:
            ours = {verdict.claim: str(verdict.ours) for verdict in record.verdicts}
            if claim not in ours:
                raise unknown(f"a claim of {name}", claim, ours)
            return ours[claim]
    raise ExperimentError(
        f"Expected a marker table: RECORD, verdicts: RECORD, value: RECORD; ROW; METRIC or claim: "
        f"RECORD; CLAIM, got {kind}: {words}; correct the marker."
    )


def provenance(record: Record) -> str:
    """One line on where a record's numbers come from: command, seeds, machine, time, commit."""
    machines = dict.fromkeys(
        f"{plural(at['cores'], 'core')} of {at['processor']}"
        if at["device"] == "cpu"
        else f"{at['device']}"
        for at in record.environments
    )
    commits = dict.fromkeys(
        f"{at['commit'][:10]}{' (modified)' if at['modified'] else ''}"
        for at in record.environments
        if at["commit"]
    )
    minutes = f"{record.wall_time_s / 60:.1f} minutes"
    statistics = "mean ± standard error over " if len(record.seeds) > 1 else ""
    return (
        f"`{record.command}`: {statistics}{plural(len(record.seeds), 'seed')}, "
        f"{minutes}{', last session only' if record.resumed else ''} on {listed(machines)}, "
        f"commit {listed(commits)}."
    )
