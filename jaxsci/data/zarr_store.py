"""Datasets in zarr stores: written atomically, checked when read.

Zarr reads a chunk that is missing as its fill value, so a store that lost half of its files looks
like a field with zeros in it. `write_zarr` therefore records a checksum of the files of each
variable, last of all, and `read_zarr` compares. A store without that record was not finished.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from solvers.dataset.checksums import RECORD, checksums

from .._folders import complete
from .checks import check_dataset


class StoreError(ValueError):
    """A zarr store that is missing, unfinished, truncated or changed."""


def write_zarr(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a dataset as a zarr store, a folder that appears only when it is complete.

    Args:
        dataset: the dataset; its variables may be lazy, so that it need not fit into memory.
        path: the folder to create on a local disk.
        overwrite: replace what is there, once the new store is complete.

    Returns:
        The path.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is off.
        DatasetError: if a value is not finite.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"write_zarr expected a new folder, got {path}, which exists; choose another path or "
            "pass overwrite=True."
        )
    check_dataset(dataset)
    with complete(path) as partial:
        # Consolidated metadata is no part of the zarr 3 format, and these stores are small trees.
        dataset.to_zarr(partial, mode="w", consolidated=False, zarr_format=3)
        metadata = json.loads((partial / "zarr.json").read_text(encoding="utf-8"))
        metadata["attributes"][RECORD] = checksums(partial)
        (partial / "zarr.json").write_text(json.dumps(metadata, indent=2), encoding="utf-8")
    return path


def read_zarr(
    path: str | Path,
    variables: Mapping[str, Sequence[str]] | Sequence[str] = (),
    *,
    coordinates: Sequence[str] = (),
    verify: bool = True,
) -> xr.Dataset:
    """Open a store that `write_zarr` made; values are read when they are used.

    Args:
        path: the folder.
        variables: names that must be there, or a mapping from names to their dimensions, in order.
        coordinates: coordinates that must be there.
        verify: compare the checksums of all files and look for values that are not finite, which
            reads everything. Without it only the record that the store was finished is looked for: a
            file that is cut short then fails with zarr's own error when it is read, and one that is
            missing reads as zeros.

    Raises:
        StoreError: if the store is missing, unfinished or damaged.
        DatasetError: if it does not hold what is needed.
    """
    path = Path(path)
    recorded = _recorded(path)
    if verify:
        _compare(path, recorded, checksums(path))
    # Times are plain numbers with a unit here, not dates.
    dataset = xr.open_zarr(
        path, consolidated=False, chunks=None, decode_times=False, decode_timedelta=False
    )
    del dataset.attrs[RECORD]
    check_dataset(dataset, variables, coordinates=coordinates, finite=verify)
    return dataset


def _recorded(path: Path) -> dict[str, str]:
    try:
        text = (path / "zarr.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(
            f"read_zarr expected a zarr store at {path}, got none; check the path, or write it "
            "with write_zarr."
        ) from error
    try:
        record = dict(json.loads(text)["attributes"][RECORD])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"read_zarr expected {path} to hold the record of a finished write, got none; write it "
            "again with write_zarr, or open stores of other programs with xarray.open_zarr."
        ) from error
    return record


def _compare(path: Path, recorded: dict[str, str], found: dict[str, str]) -> None:
    for name in sorted(recorded | found):
        if name not in found:
            raise StoreError(
                f"read_zarr expected {path} to hold {name!r}, got no such folder; restore it from "
                "a copy, or write it again."
            )
        if recorded.get(name) != found[name]:
            raise StoreError(
                f"read_zarr expected checksum {recorded.get(name, 'none')} for {name!r} in {path}, "
                f"got {found[name]}: files are missing, cut short or changed; restore them from a "
                "copy, or write the store again."
            )
