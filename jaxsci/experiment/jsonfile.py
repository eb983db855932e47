"""JSON files that are whole or absent, and numbers that survive them.

A file is written beside its place and moved there, so a killed process leaves the old one or the
new one. It ends in a checksum, by which damage is noticed. JSON has no infinity and no NaN: both
are written as ``{"non_finite": "nan"}``, so a run that diverged keeps saying so.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxsci.experiment.errors import ExperimentError
from solvers import _files
from solvers._files import write_text as write_text

_NON_FINITE = "non_finite"


def encode(value: Any) -> Any:
    """`value` in JSON's types: dataclasses become objects, tuples lists.

    Raises:
        TypeError: for a value that could not be read back as it was.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: encode(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_NON_FINITE: str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"Expected None, a bool, int, float, str, tuple, mapping or dataclass of these, got "
        f"{type(value).__name__} ({value!r}); store a plain value instead."
    )


def decode(value: Any) -> Any:
    """The inverse of `encode`, up to dataclasses and tuples, which stay objects and lists."""
    if isinstance(value, dict):
        if set(value) == {_NON_FINITE}:
            return float(value[_NON_FINITE])
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write `value`, an object, and its checksum to `path`, all of it or nothing."""
    content = _files.seal(encode(value))
    _files.write_json(path, content, ensure_ascii=False, allow_nan=False)


def read_json(path: Path, *, keys: Iterable[str], remedy: str) -> dict[str, Any]:
    """The JSON object at `path`, which must have `keys`.

    Raises:
        ExperimentError: for a file that is missing, cut short, no JSON, other than it was written, or that
            lacks a key; it ends in `remedy`.
    """
    # Files of earlier versions have no checksum.
    value = _files.read_object(path, keys=keys, error=ExperimentError, remedy=remedy, sealed=False)
    try:
        return decode(value)
    except (TypeError, ValueError) as error:
        raise ExperimentError(
            f"Expected numbers that are not finite by name in {path}, got {error}; {remedy}."
        ) from error
