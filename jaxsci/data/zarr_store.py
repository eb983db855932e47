"""Datasets in zarr stores: written atomically, checked when read, with the values and types that they had.

Zarr reads a chunk that is missing as its fill value, so a store that lost half of its files looks
like a field with zeros in it. `write_zarr` therefore records a checksum of the files of each
variable and of the attributes, last of all, and `read_zarr` compares. A store without that record was
not finished.

A variable that was read from another file brings the way in which it was packed there, such as whole
numbers with a scale. New values do not fit into it, so values are stored as they are.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.coders import CFDatetimeCoder, CFTimedeltaCoder
from zarr.abc.codec import BytesBytesCodec

from solvers._files import no_folder
from solvers.dataset.checksums import RECORD, ROOT, changed, checksums, read_root, write_record

from .._folders import complete
from ._links import check_links
from .checks import DatasetError, check_dataset

_TIMES = "jaxsci_times"  # attribute: the unit of each variable of dates or spans of time
_REMEDY = "restore it from a copy, or write it again with write_zarr"


class StoreError(ValueError):
    """A zarr store that is missing, unfinished, truncated or changed."""


def write_zarr(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a dataset as a zarr store, a folder that appears only when it is complete.

    Args:
        dataset: the dataset; its variables may be lazy, so that it need not fit into memory. Of the
            encodings that they were read with, chunks and compression are kept; packing is not.
        path: the folder to create on a local disk.
        overwrite: replace what is there, once the new store is complete.

    Returns:
        The path.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is off.
        DatasetError: if a value is not finite, or of a type that zarr has no equal for.
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
        try:
            _plain(dataset).to_zarr(partial, mode="w", consolidated=False, zarr_format=3)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"write_zarr expected variables and attributes that zarr can store, got {error}; convert or "
                "drop that variable or attribute."
            ) from error
        write_record(partial, error=StoreError, remedy="write it again")
        _check_types(dataset, _open(partial))
    return path


def read_zarr(
    path: str | Path,
    variables: Mapping[str, Sequence[str]] | Sequence[str] = (),
    *,
    coordinates: Sequence[str] = (),
    verify: bool = True,
    follow_links: bool = False,
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
        follow_links: read links in the folder that lead out of it, too; a store from somebody else could
            name any file of this machine.

    Raises:
        StoreError: if the store is missing, unfinished or damaged.
        DatasetError: if it does not hold what is needed.
    """
    path = Path(path)
    if not path.is_dir():
        raise StoreError(
            f"read_zarr expected a zarr store at {path}, got {no_folder(path)}, or write "
            "it with write_zarr."
        )
    check_links("read_zarr", path, follow=follow_links)
    recorded = _recorded(path)
    if verify:
        _compare(path, recorded, checksums(path, error=StoreError, remedy=_REMEDY))
    dataset = _open(path)
    del dataset.attrs[RECORD]
    check_dataset(dataset, variables, coordinates=coordinates, finite=verify)
    return dataset


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """The same values, to be stored as they are, with a note of which are dates."""
    plain = dataset.copy()
    plain.attrs[_TIMES] = {
        str(name): np.datetime_data(variable.dtype)[0]
        for name, variable in plain.variables.items()
        if variable.dtype.kind in "mM"
    }
    for variable in plain.variables.values():
        kept: dict[Hashable, Any] = {
            name: sizes
            for name in ("chunks", "shards")
            if len(sizes := variable.encoding.get(name) or ()) == variable.ndim > 0
        }
        compressors = variable.encoding.get("compressors") or ()
        if compressors and all(isinstance(codec, BytesBytesCodec) for codec in compressors):
            kept["compressors"] = compressors
        # Xarray marks missing values by itself, but here there are none.
        variable.encoding = kept | ({"_FillValue": None} if variable.dtype.kind in "fc" else {})
    return plain


def _open(path: Path) -> xr.Dataset:
    """The store as xarray reads it: numbers are numbers, and dates are what was stored as dates."""
    attributes = read_root(path, error=StoreError, remedy=_REMEDY)["attributes"]
    times = attributes.get(_TIMES)
    names = [entry.name for entry in path.iterdir() if entry.is_dir()]
    dataset = xr.open_zarr(
        path,
        consolidated=False,
        zarr_format=3,
        chunks=None,
        # Stores of earlier versions may be packed, and have dates as numbers.
        mask_and_scale=times is None,
        # A dictionary is accepted too, which the signature does not say.
        decode_times=_coders(names, times, CFDatetimeCoder),  # pyright: ignore[reportArgumentType]
        decode_timedelta=_coders(names, times, CFTimedeltaCoder),
    )
    dataset.attrs.pop(_TIMES, None)
    return dataset


def _coders(names: Sequence[str], times: Mapping[str, str] | None, coder: Any) -> dict[str, Any]:
    units = times or {}
    return {name: coder(time_unit=units[name]) if name in units else False for name in names}


def _check_types(given: xr.Dataset, stored: xr.Dataset) -> None:
    for name, variable in given.variables.items():
        expected, received = variable.dtype, stored[name].dtype
        numeric = {expected.kind, received.kind} & set("biufcmM")
        if numeric and expected.newbyteorder("=") != received.newbyteorder("="):
            raise DatasetError(
                f"write_zarr expected a type of numbers or dates in {name!r} that zarr can store, got "
                f"{expected}, which comes back as {received}; convert it."
            )


def _recorded(path: Path) -> dict[str, str]:
    attributes = read_root(path, error=StoreError, remedy=_REMEDY)["attributes"]
    record = attributes.get(RECORD)
    if not isinstance(record, dict):
        raise StoreError(
            f"read_zarr expected {path} to hold the record of a finished write, got none; write it "
            "again with write_zarr, or open stores of other programs with xarray.open_zarr."
        )
    return record


def _compare(path: Path, recorded: dict[str, str], found: dict[str, str]) -> None:
    for name in changed(recorded, found):
        if name not in found:
            raise StoreError(
                f"read_zarr expected {path} to hold {name!r}, got no such folder; restore it from "
                "a copy, or write it again."
            )
        what = "the attributes" if name == ROOT else repr(name)
        raise StoreError(
            f"read_zarr expected checksum {recorded.get(name, 'none')} for {what} in {path}, "
            f"got {found[name]}: files are missing, cut short or changed; restore them from a "
            "copy, or write the store again."
        )
