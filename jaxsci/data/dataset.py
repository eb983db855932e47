"""Solver output as an xarray Dataset: named dimensions, coordinates, units, provenance; and back.

One variable a channel, since channels have different units, with dimensions (sample, time, x, y,
z); a single solution has no `sample`. Cells are described as the CF conventions do: centres as
coordinates, faces as their bounds.

Reference: CF Metadata Conventions 1.11, sections 3.1 (units) and 7.1 (cell boundaries).
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import ArrayLike, Float

from solvers import Grid, Solution

from .checks import DatasetError, check_dataset

_AXES = ("x", "y", "z")


class Fields(NamedTuple):
    """The arrays of a dataset.

    Attributes:
        times: save times, (time,).
        states: cell averages, (time, channels, *space), behind a sample axis where there is
            one.
        grid: the grid.
    """

    times: Float[np.ndarray, " time"]
    states: Float[np.ndarray, "..."]
    grid: Grid


def to_xarray(
    solution: Solution | tuple[ArrayLike, ArrayLike],
    grid: Grid,
    *,
    names: str | Sequence[str] = ("u",),
    units: Mapping[str, str] | None = None,
    parameters: Mapping[str, ArrayLike] | None = None,
    law: Any = None,
    attributes: Mapping[str, str | float | int] | None = None,
) -> xr.Dataset:
    """Label the states of one solution, or of a batch made under `jax.vmap`.

    Args:
        solution: what `solvers.solve` returned, or a pair (times, states). The states have shape
            (time, channels, *space) or (sample, time, channels, *space).
        grid: where the states live, at most three-dimensional.
        names: one name a channel; a string is one name.
        units: unit of each variable, coordinate ("time", "x", "y", "z") and parameter by name;
            those not named are dimensionless, "1".
        parameters: what varied between the samples, one value each (or one for all), kept as
            coordinates.
        law: the law or vector field that was solved; its values are written down in an attribute.
        attributes: further attributes, such as a title.

    Returns:
        The dataset, with the versions of the packages that made it among its attributes.

    Raises:
        DatasetError: arrays that do not fit the grid or the names, names that clash, units of
            nothing, a solution that failed, or values that are not finite.
    """
    names = _as_sequence(names)
    times, states = _arrays(solution)
    batched = _check_layout(times, states, grid, names)
    space = _AXES[: grid.ndim]
    dims = (*(("sample",) if batched else ()), "time", *space)
    channel_axis = 2 if batched else 1
    variables = {
        name: (dims, np.take(states, channel, axis=channel_axis))
        for channel, name in enumerate(names)
    }
    coordinates: dict[str, Any] = {"time": ("time", times)}
    for axis, centers, faces in zip(space, grid.centers, grid.faces, strict=True):
        bounds = np.stack([faces[:-1], faces[1:]], axis=-1)
        coordinates[axis] = (axis, centers, {"bounds": f"{axis}_bounds"})
        coordinates[f"{axis}_bounds"] = ((axis, "bounds"), bounds)
    for name, values in (parameters or {}).items():
        coordinates[name] = _parameter(name, np.asarray(values), states.shape[0], batched)
    clashes = set(names) & set(coordinates)
    if clashes or len(set(names)) < len(names):
        raise DatasetError(
            f"to_xarray expected names other than {sorted(coordinates)}, each once, got "
            f"{list(names)}; rename the channels."
        )
    dataset = xr.Dataset(variables, coordinates, _provenance(law) | dict(attributes or {}))
    _set_units(dataset, units or {})
    check_dataset(dataset)
    return dataset


def from_xarray(dataset: xr.Dataset, *, names: str | Sequence[str] = ("u",)) -> Fields:
    """The arrays of a dataset that `to_xarray` made.

    Args:
        dataset: the dataset.
        names: variables to take as channels, in this order, or the only one: a dataset has none of its own, and
            one that was stored and read may list its variables in another.

    Raises:
        DatasetError: variables or coordinates that are missing, laid out differently, or not
            finite.
    """
    names = _as_sequence(names)
    space = [axis for axis in _AXES if axis in dataset.dims]
    dims = (*(("sample",) if "sample" in dataset.dims else ()), "time", *space)
    bounds = [f"{axis}_bounds" for axis in space]
    check_dataset(dataset, dict.fromkeys(names, dims), coordinates=["time", *space, *bounds])
    if not names or not space:
        raise DatasetError(
            "from_xarray expected at least one name and one space dimension, got names "
            f"{list(names)} and dimensions {list(dataset.dims)}; pass a dataset made by to_xarray."
        )
    faces = []
    for name in bounds:
        cells = dataset[name].values
        # Bounds that are centres plus and minus half a width meet up to rounding.
        rounding = 4.0 * float(np.finfo(np.float32).eps) * np.abs(cells).max()
        apart = np.abs(cells[1:, 0] - cells[:-1, 1])
        if not (apart <= min(rounding, 0.01 * np.abs(np.diff(cells)).min())).all():
            raise DatasetError(
                f"from_xarray expected adjoining cells in {name!r}, got gaps or overlaps; keep "
                "every cell of an axis, or interpolate to a grid."
            )
        faces.append(np.append(cells[:, 0], cells[-1, 1]))
    states = np.stack([dataset[name].values for name in names], axis=-1 - len(space))
    return Fields(dataset["time"].values, states, Grid.from_faces(*faces))


def _arrays(solution: Solution | tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(solution, Solution):
        times, states = solution
        return np.asarray(times), np.asarray(states)
    if not bool(jnp.all(solution.status.ok)):
        raise DatasetError(
            "to_xarray expected a solution that succeeded, got one that failed; its status says "
            "when and why: mend it, or drop the samples that failed."
        )
    times, states = np.asarray(solution.times), np.asarray(solution.states)
    if times.ndim == 2 and len(times) and (times == times[0]).all():
        times = times[0]  # under vmap every sample carries the same save times
    return times, states


def _as_sequence(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _check_layout(times: np.ndarray, states: np.ndarray, grid: Grid, names: Sequence[str]) -> bool:
    """Whether the states have a sample axis."""
    if not isinstance(grid, Grid):
        raise DatasetError(
            f"to_xarray expected a solvers.Grid, got {type(grid).__name__}; pass the grid of the solve."
        )
    if grid.ndim > len(_AXES):
        raise DatasetError(
            f"to_xarray expected a grid of at most 3 dimensions, got {grid.ndim}; pass one of one to three."
        )
    if times.ndim != 1:
        raise DatasetError(
            f"to_xarray expected save times of shape (time,), shared by all samples, got "
            f"{times.shape}; solve every sample at the same times."
        )
    if not (np.diff(times) > 0).all():
        raise DatasetError(
            f"to_xarray expected increasing save times, got {times}; sort them, and the states alike."
        )
    one = (len(times), len(names), *grid.shape)
    if states.shape == one:
        return False
    if states.shape[1:] != one:
        raise DatasetError(
            f"to_xarray expected states of shape {one}, or that behind a sample axis, for "
            f"{len(times)} times, {len(names)} names and a grid of shape {grid.shape}, got "
            f"{states.shape}; name every channel and pass the grid of the solve."
        )
    return True


def _parameter(name: str, values: np.ndarray, samples: int, batched: bool) -> tuple:
    if values.ndim == 0:
        return (), values
    if not batched or values.shape != (samples,):
        expected = f"({samples},) or ()" if batched else "()"
        raise DatasetError(
            f"to_xarray expected parameter {name!r} of shape {expected}, got {values.shape}; give "
            "one value a sample."
        )
    return "sample", values


def _provenance(law: Any) -> dict[str, str]:
    packages = ("jaxsci", "jax", "numpy", "xarray")
    made = ", ".join(f"{package} {version(package)}" for package in packages)
    attributes = {"Conventions": "CF-1.11", "source": made}
    if law is not None:
        # With the values of the arrays, not only their shapes: they are the provenance.
        attributes["law"] = eqx.tree_pformat(law, short_arrays=False, width=10_000)
    return attributes


def _set_units(dataset: xr.Dataset, units: Mapping[str, str]) -> None:
    labelled = [str(name) for name in dataset.variables if not str(name).endswith("_bounds")]
    unknown = sorted(set(units) - set(labelled))
    if unknown:
        raise DatasetError(
            f"to_xarray expected units of {labelled}, got units of {unknown}; check the spelling."
        )
    for name in labelled:
        dataset[name].attrs["units"] = units.get(name, "1")
