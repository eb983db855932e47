"""Packages that only some data need, imported when they are used."""

from importlib import import_module
from typing import Any


def extra(who: str, module: str, package: str, instead: str, *, name: str = "earth") -> Any:
    """A module of an optional package, or an error that says how to get it, or around it.

    Args:
        who: needs the package.
        module: to import.
        package: that has the module.
        instead: what to do without it.
        name: of the extra that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{who} expected the package {package}, got none; install it with jaxsci[{name}], or {instead}."
        ) from error
