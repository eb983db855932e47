"""Names in files that others made: followed where they stay in the folder, or in the file, that the user named.

A catalogue may name ``../../secret.h5``, a folder may hold links, and HDF5 knows links to other files, virtual
data sets made of them, and storage in any file of the disk. Whoever reads such data would read, and perhaps
publish, files that nobody meant; so the readers refuse them unless they are asked to follow.
"""

from pathlib import Path
from typing import Any

from .checks import DatasetError

# What h5py raises of files that are damaged.
UNREADABLE = (OSError, KeyError, RuntimeError, TypeError, MemoryError, UnicodeDecodeError)
_REMEDY = "pass follow_links=True if you know where it came from and trust it"


def inside(who: str, folder: Path, name: str, *, follow: bool) -> Path:
    """The path of `name`, which a file names, in `folder`.

    Raises:
        DatasetError: a name that is empty or absolute, or that leads out of the folder, by ``..`` or a link,
            unless `follow` is on.
    """
    path = folder / name
    try:
        path.is_file()  # which refuses names that no file can have
        leaves = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(
            f"{who} expected the name of a file in {folder}, got {name[:80]!r} ({error}); fetch it again."
        ) from error
    if leaves and not follow:
        raise DatasetError(
            f"{who} expected names of files in {folder}, got {name!r}, which is {path.resolve()}; {_REMEDY}."
        )
    return path


def check_links(who: str, folder: Path, *, follow: bool) -> None:
    """Refuse links in a folder that lead out of it.

    Raises:
        DatasetError: for the first of them, unless `follow` is on.
    """
    for entry in () if follow else sorted(folder.rglob("*")):
        if entry.is_symlink():
            inside(who, folder, entry.relative_to(folder).as_posix(), follow=False)


def member(hdf5: Any, who: str, file: Any, name: str, *, follow: bool) -> Any:
    """The data set `name` of an open HDF5 file; None where there is none.

    Args:
        hdf5: the module h5py.
        who: reads.
        file: the open file.
        name: with slashes between groups.
        follow: links, virtual data sets and storage outside the file too.

    Raises:
        DatasetError: what is no data set, or one whose values lie outside the file, unless `follow` is on.
    """
    node, outside = file, None
    for part in filter(None, name.split("/")):
        link = node.get(part, getlink=True) if isinstance(node, hdf5.Group) else None
        if link is None:
            return None
        if not isinstance(link, hdf5.HardLink):
            outside = f"a link to {getattr(link, 'filename', '')}{link.path}"
        if outside and not follow:
            break
        node = node[part]
    if not outside and isinstance(node, hdf5.Dataset):
        layout = node.id.get_create_plist()
        if layout.get_layout() == hdf5.h5d.VIRTUAL:
            outside = "a virtual data set, made of those of other files"
        elif layout.get_external_count():
            outside = f"values in the file {layout.get_external(0)[0].decode(errors='replace')}"
    if outside and not follow:
        raise DatasetError(
            f"{who} expected {name!r} in {file.filename} itself, got {outside}; {_REMEDY}."
        )
    if not isinstance(node, hdf5.Dataset):
        raise DatasetError(
            f"{who} expected {name!r} in {file.filename} to be a data set, got a "
            f"{type(node).__name__.lower()}; fetch the file again."
        )
    return node
