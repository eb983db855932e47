"""Packages that only some data need, imported when they are used."""

from importlib import import_module
from typing import Any


def extra(who: str, module: str, package: str, instead: str) -> Any:
    """A module of an optional package, or an error that says how to get it, or around it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{who} expected the package {package}, got none; install it with jaxsci[earth], or {instead}."
        ) from error
