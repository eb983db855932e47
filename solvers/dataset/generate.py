"""Draw, solve in batches on the device, stream to a zarr store; what was interrupted goes on.

Sample i of a seed is drawn from ``fold_in(key(seed), i)``, so the data set does not depend on the
batch size or on where a run was interrupted. A batch is one chunk, written once; what is finished is noted
with its checksum after each.
"""

import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import zarr

from .._lock import alone
from .._stop import Stop, asking
from .checksums import write_record
from .problem import Problem
from .progress import PROGRESS, GenerationError, resume

_UNREADABLE = "start again with overwrite=True (--overwrite)"


def generate(
    problem: Problem,
    path: str | Path,
    *,
    count: int,
    seed: int = 0,
    batch: int = 64,
    overwrite: bool = False,
) -> Path:
    """Write `count` samples of a problem to a zarr store that xarray and `read_zarr` open.

    Args:
        problem: what to draw and solve.
        path: folder of the store. An unfinished one of the same problem, seed, count and batch goes
            on where it stopped, and makes damaged batches again, with a warning; a finished one is left as
            it is.
        count: number of samples.
        seed: of all random numbers.
        batch: samples solved at a time, and kept in a chunk.
        overwrite: start again where the folder holds another data set.

    Returns:
        The path.

    Raises:
        GenerationError: when the folder holds something else, or a damaged data set, or a solve fails;
            the message names the sample.
        ValueError: for counts below one, or a seed that single precision does not tell from others.
        BlockingIOError: for a folder that another process writes.
        KeyboardInterrupt: after Ctrl-C; after SIGTERM, the process exits with 143.
    """
    if min(count, batch) < 1:
        raise ValueError(
            f"generate expected count and batch of at least 1, got {count} and {batch}; ask for at "
            "least one sample."
        )
    if not 0 <= seed < 2**32:
        raise ValueError(
            f"generate expected a seed >= 0 and below 2**32, got {seed}; give another one: those repeat "
            "what smaller seeds draw."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.absolute().with_name(f".{path.absolute().name}.lock")
    with alone(lock, who="generate", path=path), asking() as stop:
        return _generate(problem, path, count, seed, min(batch, count), overwrite, stop)


def _generate(
    problem: Problem, path: Path, count: int, seed: int, batch: int, overwrite: bool, stop: Stop
) -> Path:
    recipe = _recipe(problem, count, seed, batch)
    progress = resume(path, recipe, overwrite=overwrite)
    if progress is None:
        return path
    arrays = _open(path, problem, recipe, fresh=progress.fresh)
    key = jax.random.key(seed)
    solve = jax.jit(jax.vmap(lambda i: problem.sample(jax.random.fold_in(key, i))))
    for number in progress.missing:
        if stop.signal is not None:
            stop.leave(
                f"generate was interrupted before batch {number + 1} of {-(-count // batch)}; the same "
                f"call, without overwrite, goes on from what is in {path}."
            )
        start, end = number * batch, min((number + 1) * batch, count)
        # The last batch is padded, so that one program serves all.
        index = jnp.minimum(jnp.arange(start, start + batch), count - 1)
        samples = jax.device_get(solve(index))
        _check(problem, samples, start, end)
        for name, array in arrays.items():
            array[start:end] = samples[name][: end - start]
        progress.finish(number)
    write_record(path, error=GenerationError, remedy=_UNREADABLE)
    (path / PROGRESS).unlink()
    return path


def _recipe(problem: Problem, count: int, seed: int, batch: int) -> dict[str, Any]:
    """What makes two data sets the same."""
    return {
        "problem": problem.name,
        "inputs": {name: _describe(law) for name, law in sorted(problem.inputs.items())},
        "variables": {name: list(v.dims) for name, v in sorted(problem.variables.items())},
        "coordinates": {
            name: [len(values), float(values[0]), float(values[-1]), units]
            for name, (values, units) in sorted(problem.coordinates.items())
        },
        "count": count,
        "seed": seed,
        "batch": batch,
        "precision": str(jnp.result_type(float)),
        "program": _program(problem),
    }


def _program(problem: Problem) -> str:
    """Checksum of what a sample is compiled from: the operations of its solve, and the numbers in them."""
    lowered = jax.jit(problem.sample).lower(jax.random.key(0))
    return f"{zlib.crc32(lowered.as_text().encode()):08x}"


def _describe(law: Any) -> str:
    """A distribution by its class and its numbers, without addresses."""
    names = getattr(type(law), "arg_constraints", None)
    values = {name: getattr(law, name) for name in names} if names else vars(law)
    numbers = ", ".join(f"{name}={_text(value)}" for name, value in sorted(values.items()))
    return f"{type(law).__name__}({numbers})"


def _text(value: Any) -> str:
    return str(np.asarray(value).tolist()) if hasattr(value, "dtype") else str(value)


def _open(
    path: Path, problem: Problem, recipe: dict[str, Any], *, fresh: bool
) -> dict[str, zarr.Array]:
    """The arrays of the variables, made with their coordinates and attributes where the store is new."""
    if not fresh:
        group = zarr.open_group(path, mode="r+")
        return {name: _array(group, name) for name in problem.variables}
    shapes = {name: len(values) for name, (values, _) in problem.coordinates.items()}
    if clashes := sorted(set(shapes) & set(problem.variables)):
        raise GenerationError(
            f"generate expected other names for variables than for dimensions, got {clashes} for "
            "both; rename the variables."
        )
    attributes = {
        "title": problem.title or problem.name,
        "recipe": recipe,
        "versions": {name: version(name) for name in ("jaxsci", "jax", "equinox", "zarr")},
        "device": str(jax.devices()[0].device_kind),
    }
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=attributes)
    for name, (values, units) in problem.coordinates.items():
        array = group.create_array(
            name, data=np.asarray(values), dimension_names=(name,), attributes={"units": units}
        )
        del array
    example = jax.eval_shape(problem.sample, jax.random.key(0))
    for name, (dims, units, long_name) in problem.variables.items():
        shape = tuple(shapes[dim] for dim in dims)
        group.create_array(
            name,
            shape=(recipe["count"], *shape),
            chunks=(recipe["batch"], *shape),
            dtype=np.dtype(example[name].dtype),
            dimension_names=("sample", *dims),
            attributes={"units": units, "long_name": long_name or name},
        )
    return {name: _array(group, name) for name in problem.variables}


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _check(problem: Problem, samples: dict[str, np.ndarray], start: int, stop: int) -> None:
    good = np.asarray(samples.get("ok", np.ones(stop - start, bool)))[: stop - start].copy()
    for name in problem.variables:
        values = samples[name][: stop - start].reshape(stop - start, -1)
        good &= np.isfinite(values).all(axis=1)
    if not good.all():
        first = start + int(np.argmin(good))
        raise GenerationError(
            f"generate expected every solve of {problem.name!r} to succeed, got a failure at sample "
            f"{first}; change the distributions or the time steps (samples up to {start} are kept)."
        )
