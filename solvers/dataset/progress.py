"""How far a data set is: the checksum of each finished batch, compared before a run goes on.

``progress.json`` lies beside the store's own metadata and is replaced after each batch, when the batch is on
the disk. A batch whose files are not those that were written is made again; metadata that were changed, and a
damaged ``progress.json``, are refused.
"""

import shutil
import warnings
from pathlib import Path
from typing import Any

import jax

from .._files import read_object, seal, write_json
from .checksums import RECORD, ROOT, changed, checksums, combined, read_root, root_checksum

PROGRESS = "progress.json"
_DAMAGED = "restore it from a copy, or start again with overwrite=True (--overwrite)"


class GenerationError(ValueError):
    """A store that holds something else or is damaged, or a sample whose solve failed."""


class Progress:
    """The finished batches of a store that is being written.

    Args:
        path: the store.
        recipe: what makes two data sets the same.
        batches: the checksum of each batch, None where it is to be made.
    """

    def __init__(self, path: Path, recipe: dict[str, Any], batches: list[str | None]):
        self.path, self._recipe, self._batches = path, recipe, batches

    @property
    def missing(self) -> list[int]:
        """Numbers of the batches that are to be made."""
        return [number for number, found in enumerate(self._batches) if found is None]

    @property
    def fresh(self) -> bool:
        """Whether nothing is there yet, arrays and coordinates included."""
        return not any(self._batches)

    def finish(self, number: int) -> None:
        """Note that a batch is on the disk."""
        self._batches[number] = combined(self.path, _files(self.path, number), sync=True)
        content = {"recipe": self._recipe, "rest": _rest(self.path), "batches": self._batches}
        write_json(self.path / PROGRESS, seal(content))


def resume(path: Path, recipe: dict[str, Any], *, overwrite: bool) -> Progress | None:
    """What is left to do in a folder; None where the data set is complete.

    Raises:
        GenerationError: for a folder that holds something else, or a damaged data set; with `overwrite` it
            is deleted instead.
    """
    new = Progress(path, recipe, [None] * -(-recipe["count"] // recipe["batch"]))
    if not path.exists():
        return new
    try:
        if (path / PROGRESS).exists():
            return _unfinished(path, recipe)
        if not (path / ROOT).exists():
            raise _other(path, "other files")
        attributes = read_root(path, error=GenerationError, remedy=_DAMAGED)["attributes"]
        _check_recipe(path, recipe, attributes.get("recipe"), attributes)
        if RECORD not in attributes:
            return new
        found = checksums(path, error=GenerationError, remedy=_DAMAGED)
        if names := changed(attributes[RECORD], found):
            raise GenerationError(
                f"generate expected the finished data set in {path} as it was written, got files of "
                f"{', '.join(names)} that are missing or changed; {_DAMAGED}."
            )
        return None
    except GenerationError:
        if not overwrite:
            raise
    shutil.rmtree(path)
    return new


def _unfinished(path: Path, recipe: dict[str, Any]) -> Progress:
    keys = ("recipe", "rest", "batches")
    held = read_object(path / PROGRESS, keys=keys, error=GenerationError, remedy=_DAMAGED)
    attributes = read_root(path, error=GenerationError, remedy=_DAMAGED)["attributes"]
    _check_recipe(path, recipe, held["recipe"], attributes)
    if held["rest"] != _rest(path):
        raise GenerationError(
            f"generate expected the metadata and coordinates in {path} as they were written, got others; "
            f"{_DAMAGED}."
        )
    batches = held["batches"]
    for number, recorded in enumerate(batches):
        files = _files(path, number)
        if recorded is not None and recorded != combined(path, files):
            warnings.warn(
                f"generate expected batch {number} of {len(batches)} in {path} as it was written, got files "
                "that are missing or changed; it is made again.",
                stacklevel=4,
            )
            # Zarr would read what is there to complete a chunk.
            for file in files:
                file.unlink()
            batches[number] = None
    return Progress(path, held["recipe"], batches)


def _files(path: Path, number: int) -> list[Path]:
    """The chunks of one batch, of all variables: ``name/c/number`` or what lies below."""
    return [
        file
        for entry in path.glob(f"*/c/{number}")
        for file in (entry, *entry.rglob("*"))
        if file.is_file()
    ]


def _rest(path: Path) -> str:
    """Checksum of all files but the chunks of variables: metadata and coordinates."""
    metadata = read_root(path, error=GenerationError, remedy=_DAMAGED)
    names = metadata["attributes"].get("recipe", {}).get("coordinates", {})
    files = {*path.glob("*/zarr.json"), *(f for name in names for f in (path / name).rglob("*"))}
    return f"{root_checksum(metadata)} {combined(path, files)}"


def _check_recipe(
    path: Path, recipe: dict[str, Any], held: Any, attributes: dict[str, Any]
) -> None:
    if not isinstance(held, dict):
        raise _other(path, "other files")
    asked, held = dict(recipe), dict(held)
    # The program that a solve is compiled to is the same in one version of JAX only.
    if attributes.get("versions", {}).get("jax") != jax.__version__ or "program" not in held:
        del asked["program"]
        held.pop("program", None)
    if asked != held:
        raise _other(path, _difference(asked, held))


def _other(path: Path, got: str) -> GenerationError:
    return GenerationError(
        f"generate expected {path} to be new or to hold the data set that is asked for, got {got}; choose "
        "another path, or replace it with overwrite=True (--overwrite)."
    )


def _difference(recipe: dict[str, Any], held: dict[str, Any]) -> str:
    """What a folder holds that is not asked for, by the entries that differ."""
    here, there = _entries(recipe), _entries(held)
    return ", ".join(
        f"{name} {there.get(name, 'missing')} and not {here.get(name, 'missing')}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    )


def _entries(recipe: dict[str, Any]) -> dict[str, Any]:
    """The entries of a recipe, those of its dictionaries one by one."""
    nested = {key: value for key, value in recipe.items() if isinstance(value, dict)}
    inner = {f"{key} {name}": v for key, value in nested.items() for name, v in value.items()}
    return {key: value for key, value in recipe.items() if key not in nested} | inner
