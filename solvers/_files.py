"""Files that are whole or absent, and JSON of which damage is named.

A text is written beside its place, brought to the disk and moved there, so that a process that is killed, or a
machine that loses power, leaves the old file or the new one. What decides a result is sealed: the object
carries the CRC-32 of all that it holds besides, so that a flipped bit is named rather than believed.

    {"season": 7, ..., "checksum": "1c291ca3"}
"""

import difflib
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SEAL = "checksum"
"""Key of the checksum in a sealed object."""


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, all of it or nothing."""
    scratch = path.with_name(path.name + ".tmp")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: Path, value: Any, **options: Any) -> None:
    """Write `value` as JSON, all of it or nothing; `options` are those of `json.dumps`."""
    write_text(path, json.dumps(value, indent=2, **options) + "\n")


def read_json(path: Path, *, error: type[ValueError], remedy: str) -> Any:
    """The value in a JSON file.

    Args:
        path: the file.
        error: what to raise.
        remedy: what to do about a damaged file; ends the error's sentence.

    Raises:
        ValueError: of the class `error`, for a file that cannot be read, is no text, no JSON, or nested too
            deep to be parsed.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, MemoryError) as failure:
        raise error(
            f"Expected {path} to be a whole JSON file, got {_reason(failure)}; {remedy}."
        ) from failure


def read_object(
    path: Path,
    *,
    keys: Iterable[str],
    error: type[ValueError],
    remedy: str,
    format: int | None = None,
    sealed: bool = True,
) -> dict[str, Any]:
    """The object in a JSON file, without its seal, which is compared.

    Args:
        path: the file.
        keys: which it must have.
        error: what to raise.
        remedy: as for `read_json`.
        format: the version of the format that its "format" must name, where it has one.
        sealed: refuse an object without a seal, too.

    Raises:
        ValueError: of the class `error`, for a file that is damaged, of another version, or lacks a key.
    """
    value = read_json(path, error=error, remedy=remedy)
    if format is not None and isinstance(value, dict) and value.get("format") != format:
        raise error(
            f"Expected {path} in format {format}, got {value.get('format')!r:.40}; {remedy}."
        )
    expected = [*keys, SEAL] if sealed else [*keys]
    missing = sorted(set(expected) - set(value)) if isinstance(value, dict) else sorted(expected)
    if missing or not isinstance(value, dict):
        raise error(
            f"Expected {path} to be a JSON object with {', '.join(sorted(expected))}, got one without "
            f"{', '.join(missing)}; {remedy}."
        )
    # A flipped bit in the key of the seal must not make it a file without one.
    sealed = sealed or bool(difflib.get_close_matches(SEAL, value, cutoff=0.8))
    recorded = value.pop(SEAL, None)
    if recorded != checksum(value) and (sealed or recorded is not None):
        raise error(
            f"Expected {path} to have the checksum {recorded} that was written in it, got {checksum(value)}: "
            f"it was changed or damaged; {remedy}."
        )
    return value


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """The object with its checksum, behind all else."""
    return content | {SEAL: checksum(content)}


def checksum(value: Any) -> str:
    """CRC-32 of a value of JSON's types, as it is after it was written and read."""
    plain = json.loads(json.dumps(value))
    return f"{zlib.crc32(json.dumps(plain, sort_keys=True).encode()):08x}"


def digest(path: Path) -> str:
    """Size and CRC-32 of a file, or "no file"."""
    if not path.is_file():
        return "no file"
    size = crc = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return f"{size} bytes with crc32 {crc:08x}"


def no_folder(path: Path) -> str:
    """What to say of a path where no folder is: the nearest name beside it, if any."""
    if path.exists():
        return f"{'a file' if path.is_file() else 'another folder'}; check the path"
    try:
        names = [entry.name for entry in path.absolute().parent.iterdir() if entry.is_dir()]
    except OSError:
        names = []
    close = difflib.get_close_matches(path.name, names, n=1)
    hint = f"take {close[0]!r} if you meant that" if close else "check the path"
    return f"no such folder; {hint}"


def _reason(failure: BaseException) -> str:
    if isinstance(failure, OSError):
        return "no file" if isinstance(failure, FileNotFoundError) else f"{failure.strerror}"
    if isinstance(failure, RecursionError | MemoryError):
        return "one that is nested too deep"
    kind = "is no text in UTF-8" if isinstance(failure, UnicodeDecodeError) else "does not parse"
    return f"one that {kind} ({failure})"
