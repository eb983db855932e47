"""Checksums of a zarr store, by which a reader tells a whole store from a damaged one.

Zarr reads a chunk that is missing as its fill value, so a store that lost half of its files looks
like a field with zeros in it. The record is written last: a store without one was not finished.
"""

import zlib
from pathlib import Path

RECORD = "jaxsci_checksums"
"""Attribute of the group that holds the checksums."""


def checksums(store: Path) -> dict[str, str]:
    """CRC-32 over the names and the contents of the files of every variable, in sorted order."""
    return {
        folder.name: f"{_checksum(folder):08x}"
        for folder in sorted(entry for entry in store.iterdir() if entry.is_dir())
    }


def _checksum(folder: Path) -> int:
    checksum = 0
    for file in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
        checksum = zlib.crc32(file.relative_to(folder).as_posix().encode(), checksum)
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                checksum = zlib.crc32(block, checksum)
    return checksum
