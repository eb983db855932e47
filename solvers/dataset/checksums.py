"""Checksums of a zarr store, by which a reader tells a whole store from a damaged one.

Zarr reads a chunk that is missing as its fill value, so a store that lost half of its files looks
like a field with zeros in it. The record is written last: a store without one was not finished.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._files import checksum, read_json, write_json

RECORD = "jaxsci_checksums"
"""Attribute of the group that holds the checksums."""

ROOT = "zarr.json"
"""The group's own metadata, whose checksum leaves the record out."""


def checksums(store: Path, *, error: type[ValueError], remedy: str) -> dict[str, str]:
    """CRC-32 over the names and the contents of the files of every variable, and of the group's metadata.

    Raises:
        ValueError: of the class `error`, for metadata that cannot be read; it ends in `remedy`.
    """
    root = root_checksum(read_root(store, error=error, remedy=remedy))
    folders = sorted(entry for entry in store.iterdir() if entry.is_dir())
    return {ROOT: root} | {folder.name: combined(folder, folder.rglob("*")) for folder in folders}


def root_checksum(metadata: dict[str, Any]) -> str:
    """CRC-32 of the group's metadata without the record."""
    kept = {name: value for name, value in metadata["attributes"].items() if name != RECORD}
    return checksum(metadata | {"attributes": kept})


def changed(recorded: dict[str, str], found: dict[str, str]) -> list[str]:
    """Names of the parts that are missing, new or other than recorded.

    Records of earlier versions say nothing of the group's metadata.
    """
    names = sorted((recorded.keys() | found.keys()) - ({ROOT} - recorded.keys()))
    return [name for name in names if recorded.get(name) != found.get(name)]


def combined(folder: Path, entries: Iterable[Path], *, sync: bool = False) -> str:
    """CRC-32 over the names in `folder` and the contents of the files among `entries`.

    With `sync` they are on the disk when this returns.
    """
    crc = 0
    for file in sorted(entry for entry in entries if entry.is_file()):
        crc = zlib.crc32(file.relative_to(folder).as_posix().encode(), crc)
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                crc = zlib.crc32(block, crc)
            if sync:
                os.fsync(stream.fileno())
    return f"{crc:08x}"


def read_root(store: Path, *, error: type[ValueError], remedy: str) -> dict[str, Any]:
    """The metadata of the group, with its attributes.

    Raises:
        ValueError: of the class `error`, for metadata that cannot be read or are no group's.
    """
    metadata = read_json(store / ROOT, error=error, remedy=remedy)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("attributes"), dict):
        raise error(
            f"Expected {store / ROOT} to be the metadata of a zarr group with attributes, got something else; "
            f"{remedy}."
        )
    return metadata


def write_record(store: Path, *, error: type[ValueError], remedy: str) -> None:
    """Write the record of the checksums, which says that the store is finished."""
    metadata = read_root(store, error=error, remedy=remedy)
    metadata["attributes"][RECORD] = checksums(store, error=error, remedy=remedy)
    write_json(store / ROOT, metadata)
