"""Silent answers that are right, each with its reason.

A rule is three patterns, of the call, the argument and the mutation, and why the answer is meant.
"""

from fnmatch import fnmatch

_RULES: tuple[tuple[str, str, str, str], ...] = ()


def reason(call: str, argument: str, mutation: str) -> str | None:
    """Why the answer is right, or None where no rule says so."""
    for calls, arguments, mutations, why in _RULES:
        if fnmatch(call, calls) and fnmatch(argument, arguments) and fnmatch(mutation, mutations):
            return why
    return None
