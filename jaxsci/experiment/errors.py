"""What a user can mend, said in one sentence: what was expected, what came, what to do."""

import difflib
from collections.abc import Iterable


class ExperimentError(ValueError):
    """A run, a claim or a file that is refused; the command line prints it without a traceback."""


def unknown(kind: str, name: str, expected: Iterable[str]) -> ExperimentError:
    """The error for a name that is none of `expected`; it offers the closest one."""
    names = sorted(expected)
    close = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(names) or "none at all"
    remedy = f"did you mean {close[0]!r}?" if close else "choose one of these."
    return ExperimentError(f"Expected {kind} out of {listed}, got {name!r}; {remedy}")
