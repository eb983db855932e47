"""JSON files that are whole or absent, and numbers that survive them.

A file is written beside its place and moved there, so a killed process leaves the old one or the
new one. JSON has no infinity and no NaN: both are written as ``{"non_finite": "nan"}``, so a run
that diverged keeps saying so.
"""

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxsci.experiment.errors import ExperimentError

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
    """Write `value` to `path`, all of it or nothing."""
    text = json.dumps(encode(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, all of it or nothing."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)


def read_json(path: Path, *, keys: Iterable[str], remedy: str) -> dict[str, Any]:
    """The JSON object at `path`, which must have `keys`.

    Raises:
        ExperimentError: for a file that is cut short, no JSON, or lacks a key; it ends in `remedy`.
    """
    try:
        value = decode(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ExperimentError(
            f"Expected {path} to be a whole JSON file, got one that does not parse ({error}); "
            f"{remedy}."
        ) from error
    missing = sorted(set(keys) - set(value)) if isinstance(value, dict) else sorted(keys)
    if missing:
        raise ExperimentError(
            f"Expected {path} to be a JSON object with {', '.join(sorted(keys))}, got one without "
            f"{', '.join(missing)}; {remedy}."
        )
    return value
