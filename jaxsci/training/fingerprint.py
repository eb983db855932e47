"""What decides a run besides model and key, in words that a checkpoint keeps: data, optimiser, loss.

Equal fingerprints mean equal steps, as far as can be seen from outside: arrays count by shape, dtype and
checksum, functions by name and by the values that they close over, which is where optax keeps learning
rates. What the code of a function does cannot be compared; its source can. A difference there, or in what
the loss closes over, is a warning.
"""

import dataclasses
import functools
import inspect
import types
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsci.training.store import CheckpointError

Fingerprint = dict[str, list[str]]

# Larger arrays are compared by as many bytes, spread evenly.
_BYTES = 2**26
_DEPTH = 12
# Of a variable in a closure that has no value yet.
_EMPTY = types.CellType()


def fingerprint(
    source: Any, optimizer: optax.GradientTransformation, loss_fn: Callable, **options: Any
) -> Fingerprint:
    """Describe what decides a run, part by part.

    Args:
        source: the batches.
        optimizer: the optax transformation.
        loss_fn: the loss.
        options: further numbers that decide the steps.
    """
    inside = getattr(source, "__dict__", {}).values()
    functions = [loss_fn, *(value for value in inside if inspect.isroutine(value))]
    return {
        "data": list(_lines(source, "source")),
        "optimizer": list(_lines(optimizer, "optimizer")),
        "options": list(_lines(options, "options")),
        "code": [_code(function) for function in functions],
        "loss": list(_lines(loss_fn, "loss")),
    }


def compare(stored: Fingerprint, given: Fingerprint, folder: Path, *, refuse: bool) -> None:
    """Refuse a run that another one's checkpoint would answer for, and warn of other code.

    Raises:
        CheckpointError: for other data, another optimiser or other options, where `refuse` is on.
    """
    for part in ("data", "optimizer", "options"):
        for old, new in zip_longest(stored.get(part, []), given[part], fillvalue="nothing further"):
            if old != new and refuse:
                raise CheckpointError(
                    f"Checkpoint {folder} belongs to a run with other {part}: expected {old}, as stored, "
                    f"got {new}; use another folder, or pass on_change='continue' to go on with it."
                )
    # A folder of an older version says nothing of values. The first difference says enough.
    pairs = [
        pair
        for part in ("code", "loss")
        for pair in zip_longest(stored.get(part, given[part]), given[part], fillvalue="nothing")
    ]
    changed = next((pair for pair in pairs if pair[0] != pair[1]), None)
    if changed and refuse:
        old, new = changed
        warnings.warn(
            f"fit goes on from {folder}, which was written with {old}, and now got {new}; use another "
            "folder if that changes what is trained.",
            stacklevel=5,
        )


def digest(array: Any) -> str:
    """Name dtype and shape of an array, and a checksum of its values or of a sample of them."""
    if isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    array = np.asarray(array)
    flat = array.reshape(-1)
    every = max(1, array.nbytes // _BYTES)
    data = (
        repr(flat[::every].tolist()).encode() if array.dtype.hasobject else flat[::every].tobytes()
    )
    return f"{array.dtype}{list(array.shape)} with crc32 {zlib.crc32(data):08x}"


def _code(function: Callable) -> str:
    """Name a function with a checksum of its source, or of its bytecode where there is no source."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    try:
        text = inspect.getsource(code if code is not None else function).encode()
    except (OSError, TypeError):
        text = b"" if code is None else code.co_code
    return f"{_name(function)} of source {zlib.crc32(text):08x}"


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)


def _lines(value: Any, name: str, depth: int = 0) -> Iterator[str]:
    """Describe a value, a line for each thing in it that has no parts."""
    if isinstance(value, jax.Array | np.ndarray):
        yield f"{name} = {digest(value)}"
        return
    if isinstance(value, int | float | complex | str | bytes | None | np.generic | np.dtype):
        yield f"{name} = {value!r}"
        return
    yield f"{name} of {_name(value)}"
    if depth < _DEPTH:
        for key, part in _parts(value).items():
            yield from _lines(part, f"{name}.{key}", depth + 1)


def _parts(value: Any) -> dict[str, Any]:
    """List what a value is made of: items, fields, or what a function closes over."""
    if described := getattr(value, "_decides", None):
        return described()
    if isinstance(value, dict):
        return {str(key): value[key] for key in sorted(value, key=str)}
    if isinstance(value, tuple | list):
        return {str(i): item for i, item in enumerate(value)}
    if isinstance(value, functools.partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    if isinstance(value, types.MethodType):
        return {"func": value.__func__, "self": value.__self__}
    if isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        return {key: cell.cell_contents for key, cell in cells if cell != _EMPTY} | {
            "defaults": value.__defaults__ or ()
        }
    if callable(inner := getattr(value, "__wrapped__", None)):
        return {"wrapped": inner}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
    # Of other objects only the arrays: a counter or a handle says nothing of the data.
    inside = vars(value) if hasattr(value, "__dict__") and not isinstance(value, type) else {}
    return {key: x for key, x in inside.items() if isinstance(x, jax.Array | np.ndarray)}
