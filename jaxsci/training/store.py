"""A pytree of arrays in a folder: written atomically, verified when read.

The arrays go through orbax, as a plain dictionary numbered in the order of the leaves. A JSON
manifest beside them names every leaf with its shape and dtype, and every option that is no array, so
that a folder written for another model is refused with the first of them that differs, and every
file with its size and checksum, so that damage is found before anything is read. Nothing is pickled.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import Array, PyTree

from solvers._files import checksum, digest, no_folder, read_json

UNFINISHED = ".unfinished"
DELETED = ".deleted"

_FORMAT = 3
_ARRAYS = "arrays"
_MANIFEST = "manifest.json"


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete, or belongs to another run or model."""


def save_model(path: str | Path, model: PyTree, *, overwrite: bool = False) -> None:
    """Write the arrays of `model` into the folder `path`.

    Args:
        path: the folder to create.
        model: any pytree; leaves that are not arrays (functions, sizes) are not stored, but
            described, so that `load_model` refuses a model that has others.
        overwrite: replace what is there.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is off, or if it is no saved model.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"save_model expected a new folder, got {path}, which exists; choose another path or "
            "pass overwrite=True."
        )
    if path.exists() and not (path / _MANIFEST).is_file():
        raise FileExistsError(
            f"save_model expected to overwrite a saved model, got {path}, which is none; choose another path."
        )
    write_tree(path, model, {}, overwrite=overwrite)


def load_model(path: str | Path, like: PyTree) -> PyTree:
    """Return `like` with the arrays stored in the folder `path`.

    Args:
        path: a folder written by `save_model`.
        like: a model of the same structure, for instance freshly initialised.

    Raises:
        CheckpointError: if the folder is missing or damaged, or holds another model: other shapes, or
            other options, such as the number of heads.
    """
    return read_tree(Path(path), like, remedy="write it again with save_model")[0]


def write_tree(
    folder: Path, tree: PyTree, record: dict[str, Any], *, overwrite: bool = False
) -> None:
    """Write the arrays of `tree` and a JSON `record`; the folder appears only when complete."""
    folder = folder.resolve()
    scratch, old = (
        folder.with_name(folder.name + UNFINISHED),
        folder.with_name(folder.name + DELETED),
    )
    for left_over in (scratch, old):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        _write(scratch, tree, record)
        if overwrite and folder.exists():
            folder.rename(old)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(scratch: Path, tree: PyTree, record: dict[str, Any]) -> None:
    arrays = _numbered([_raw(leaf) for leaf in _leaves(tree)])
    try:
        scratch.mkdir(parents=True)
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            checkpointer.save(scratch / _ARRAYS, args=ocp.args.StandardSave(arrays))  # pyright: ignore[reportCallIssue]
        _write_manifest(scratch, tree, record)
    except Exception as error:
        # What orbax and its threads say of a full disk is a hundred lines; the first is the reason.
        reason = (str(error).splitlines() or [repr(error)])[0][:300]
        raise OSError(
            f"A checkpoint expected room and permission to be written as {scratch.with_suffix('')}, got "
            f"{type(error).__name__} ({reason}); free some space or open files, or choose another folder."
        ) from None


def _write_manifest(scratch: Path, tree: PyTree, record: dict[str, Any]) -> None:
    content = {
        "format": _FORMAT,
        "leaves": _describe(tree),
        "static": _describe_static(tree),
        "files": {name: digest(scratch / name) for name in _files(scratch)},
        "record": record,
    }
    with (scratch / _MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"checksum": checksum(content), "content": content}, file)
        file.flush()
        os.fsync(file.fileno())


def read_tree(folder: Path, like: PyTree, *, remedy: str) -> tuple[PyTree, dict[str, Any]]:
    """Read what `write_tree` wrote, in the structure and on the devices of `like`.

    Args:
        folder: the folder.
        like: a pytree whose arrays have the shapes and dtypes of those stored.
        remedy: what to do about a damaged folder; ends the error's sentence.

    Returns:
        The tree, and the record stored with it.

    Raises:
        CheckpointError: see `load_model`.
    """
    folder = folder.resolve()
    content = _read_manifest(folder, remedy)
    for name, expected in content["files"].items():
        received = digest(folder / name)
        if received != expected:
            raise CheckpointError(
                f"Checkpoint {folder} is damaged: expected {name} to have {expected}, got "
                f"{received}; {remedy}."
            )
    _check_structure(folder, content["leaves"], _describe(like))
    _check_static(folder, content["static"], _describe_static(like))
    targets = [_raw(leaf) for leaf in _leaves(like)]
    abstract = [
        jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
        if isinstance(x, jax.Array)
        else x
        for x in targets
    ]
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
        stored = checkpointer.restore(
            folder / _ARRAYS,
            args=ocp.args.StandardRestore(_numbered(abstract)),  # pyright: ignore[reportCallIssue]
        )
    return _rebuild(like, [stored.get(str(i), x) for i, x in enumerate(targets)]), content["record"]


def _read_manifest(folder: Path, remedy: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise CheckpointError(
            f"Expected a checkpoint or saved model at {folder}, got {no_folder(folder)}."
        )
    manifest = read_json(
        folder / _MANIFEST,
        error=CheckpointError,
        remedy=f"this checkpoint is damaged or incomplete: {remedy}",
    )
    recorded, content = (
        (manifest.get(key) for key in ("checksum", "content"))
        if isinstance(manifest, dict)
        else (None, None)
    )
    if not isinstance(content, dict) or checksum(content) != recorded:
        raise CheckpointError(
            f"Checkpoint {folder} is damaged: expected {_MANIFEST} to have the checksum {recorded} that was "
            f"written in it, got {checksum(content)}; {remedy}."
        )
    if content["format"] != _FORMAT:
        raise CheckpointError(
            f"Checkpoint {folder} expected format {_FORMAT}, got {content['format']}; read it with "
            "the version of the library that wrote it."
        )
    return content


def _check_structure(folder: Path, stored: list[dict], given: list[dict]) -> None:
    for old, new in zip_longest(stored, given):
        expected, received = _sketch(old), _sketch(new)
        if old and new and old | {"dtype": new["dtype"]} == new != old:
            raise CheckpointError(
                f"Checkpoint {folder} is of another precision: expected {expected}, as stored, got {received}; "
                "build the model in that precision, with jax_enable_x64 as it was when it was written."
            )
        if expected != received:
            raise CheckpointError(
                f"Checkpoint {folder} belongs to another model or optimiser: expected {expected}, "
                f"as stored, got {received}; build the model with the configuration it was trained "
                "with, or use another folder."
            )


def _check_static(folder: Path, stored: list[str], given: list[str]) -> None:
    for old, new in zip_longest(stored, given, fillvalue="nothing further"):
        if old != new:
            raise CheckpointError(
                f"Checkpoint {folder} belongs to another model: expected {old}, as stored, got {new}; "
                "build the model with the options it was trained with, or use another folder."
            )


def _sketch(entry: dict | None) -> str:
    if entry is None:
        return "no further leaf"
    return f"leaf {entry['name']} of {entry['dtype']}{list(entry['shape'])}"


def _leaves(tree: PyTree) -> list[Any]:
    return jax.tree.leaves(eqx.filter(tree, eqx.is_array))


def _describe(tree: PyTree) -> list[dict[str, Any]]:
    return [
        {
            "name": jax.tree_util.keystr(path, simple=True, separator="."),
            "shape": list(leaf.shape),
            "dtype": str(leaf.dtype),
        }
        for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    ]


def _describe_static(tree: PyTree) -> list[str]:
    """What is no array, a line each: two models of equal shapes may differ in it."""
    return list(_static_lines(eqx.filter(tree, eqx.is_array, inverse=True), ""))


def _static_lines(node: Any, name: str) -> Iterator[str]:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        # Two classes may have the same fields, or none.
        yield f"{name or 'a tree'} of class {type(node).__qualname__}"
        children = {x.name: getattr(node, x.name, None) for x in dataclasses.fields(node)}
    elif isinstance(node, partial):
        children = {"func": node.func, "args": node.args, "keywords": node.keywords}
    elif isinstance(node, dict):
        children = {key: node[key] for key in sorted(node, key=str)}
    elif isinstance(node, tuple | list):
        children = dict(enumerate(node))
    else:
        yield f"{name} = {_written(node)}"
        return
    for key, child in children.items():
        yield from _static_lines(child, f"{name}.{key}" if name else str(key))


def _written(value: Any) -> str:
    """A value in words that are the same in every process: functions by name, never by address."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(_written(item) for item in value))}}}"
    name = getattr(value, "__qualname__", None)
    return name if callable(value) and name else re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _raw(leaf: Any) -> Array | np.ndarray:
    """Random keys are stored as their data, numbers of NumPy as arrays."""
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    return leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)


def _numbered(arrays: list[Any]) -> dict[str, Any]:
    # Orbax refuses arrays without elements, and a dictionary without arrays; their shapes, in the
    # manifest, say all there is to say.
    kept = {str(i): array for i, array in enumerate(arrays) if np.prod(array.shape) > 0}
    return kept or {"empty": jnp.zeros((1,), jnp.float32)}


def _rebuild(like: PyTree, arrays: list[Any]) -> PyTree:
    dynamic, static = eqx.partition(like, eqx.is_array)
    old, structure = jax.tree.flatten(dynamic)
    new = [
        jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else data
        for leaf, data in zip(old, arrays, strict=True)
    ]
    return eqx.combine(jax.tree.unflatten(structure, new), static)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
