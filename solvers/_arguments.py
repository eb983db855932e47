"""Wrong arguments of public functions, told by what the annotations say.

A function checks by itself what only it knows: ranges, sizes that divide, values that are finite. What
its annotations say already, kinds and axes, is read from them: where the call fails on an argument
that does not fit, in the words of whatever library it reached, and where it goes through unnoticed. A sentence
that the function raises itself comes first.
"""

import dataclasses
import dis
import functools
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType, TracebackType
from typing import Any

from solvers._annotations import misfit

_OURS = tuple(f"{Path(__file__).parents[1] / package}{os.sep}" for package in ("jaxsci", "solvers"))
_RAISE = dis.opmap["RAISE_VARARGS"]


def name_misfits(package: str) -> None:
    """Let every public function, constructor and method of a package name arguments that do not fit.

    Args:
        package: name of the package, ``__name__`` at the end of its ``__init__``.
    """
    module = sys.modules[package]
    for name, value in list(vars(module).items()):
        if name.startswith("_") or not _is_of(value, package.partition(".")[0]):
            continue
        if isinstance(value, FunctionType):
            named = _named(value, value.__name__)
            # Where it is defined too: pickling finds a function by the name of its module.
            for home in (module, sys.modules[value.__module__]):
                setattr(home, name, named)
        elif isinstance(value, type) and not issubclass(value, BaseException):
            _name_methods(value)


def _is_of(value: Any, library: str) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] == library


def _name_methods(cls: type) -> None:
    for base in cls.__mro__:
        if not (_is_of(base, "jaxsci") or _is_of(base, "solvers")):
            continue
        for name, method in list(vars(base).items()):
            public = not name.startswith("_") or name in ("__init__", "__call__")
            if not (public and isinstance(method, FunctionType)) or hasattr(
                method, "__isabstractmethod__"
            ):
                continue
            title = base.__name__ if name.startswith("_") else f"{base.__name__}.{name}"
            converted = _converted(base) if name == "__init__" else frozenset()
            # Past the metaclasses of Equinox, which would wrap the method once more.
            type.__setattr__(base, name, _named(method, title, first=1, skip=converted))


def _converted(cls: type) -> frozenset[str]:
    """Fields that a converter makes of something else than what their annotation says."""
    if not dataclasses.is_dataclass(cls) or "__init__" not in vars(cls):
        return frozenset()
    return frozenset(f.name for f in dataclasses.fields(cls) if "converter" in f.metadata)


def _named(
    function: FunctionType, title: str, *, first: int = 0, skip: frozenset[str] = frozenset()
) -> FunctionType:
    """Wrap a function so that arguments that do not fit its annotations are named."""
    if hasattr(function, "_names_misfits"):
        return function
    parameters = inspect.signature(function).parameters
    names = [
        n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    annotations = {
        name: p.annotation
        for name, p in list(parameters.items())[first:]
        if p.annotation is not p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and name not in skip
    }

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            if not on_purpose(error.__traceback__):
                _refuse(title, annotations, dict(zip(names, args, strict=False)) | kwargs, error)
            raise
        _refuse(title, annotations, dict(zip(names, args, strict=False)) | kwargs, None)
        return result

    call.__dict__["_names_misfits"] = MappingProxyType(annotations)
    return call  # pyright: ignore[reportReturnType]


def on_purpose(trace: TracebackType | None) -> bool:
    """Whether the error comes from a `raise` in a file of ours, not from inside of another library."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    return code.co_filename.startswith(_OURS) and code.co_code[trace.tb_lasti] == _RAISE


def _refuse(
    title: str, annotations: Mapping[str, Any], arguments: dict[str, Any], error: Exception | None
) -> None:
    """Raise for the first argument that does not fit its annotation."""
    sizes: dict[str, Any] = {}
    for name, annotation in annotations.items():
        if name not in arguments:
            continue
        found = misfit(annotation, arguments[name], sizes, strict=error is not None)
        if found is not None:
            raise TypeError(
                f"{title} expected {name} to be {found.expected}, got {found.received}; {found.remedy}."
            ) from error
