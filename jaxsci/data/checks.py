"""Checks of a labelled dataset: what must be there, in which dimensions, and finite."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

_BLOCK = 1 << 22  # values looked at in one go, so that a large field is never read whole


class DatasetError(ValueError):
    """A dataset that lacks something, is laid out differently, or is not finite."""


def check_dataset(
    dataset: xr.Dataset,
    variables: Mapping[str, Sequence[str]] | Sequence[str] = (),
    *,
    coordinates: Sequence[str] = (),
    finite: bool = True,
) -> None:
    """Refuse a dataset that does not have what is needed.

    Args:
        dataset: the dataset.
        variables: names that must be there, or a mapping from names to their dimensions, in order.
        coordinates: coordinates that must be there.
        finite: whether to look at every value, block by block, and refuse NaN and infinity.

    Raises:
        DatasetError: with the first thing that is wrong.
    """
    if not isinstance(dataset, xr.Dataset):
        raise DatasetError(
            f"Dataset expected an xarray.Dataset, got {type(dataset).__name__}; label arrays with "
            "to_xarray."
        )
    expected = variables if isinstance(variables, Mapping) else dict.fromkeys(variables)
    for name, dims in expected.items():
        if name not in dataset.data_vars:
            raise DatasetError(
                f"Dataset expected a variable {name!r}, got {_listed(dataset.data_vars)}; rename "
                "one of them, or write the missing one."
            )
        if dims is not None and dataset[name].dims != tuple(dims):
            raise DatasetError(
                f"Dataset expected variable {name!r} with dimensions {tuple(dims)}, got "
                f"{dataset[name].dims}; transpose or rename them."
            )
    for name in coordinates:
        if name not in dataset.coords:
            raise DatasetError(
                f"Dataset expected a coordinate {name!r}, got {_listed(dataset.coords)}; add it "
                "with assign_coords."
            )
    for name, variable in dataset.variables.items() if finite else ():
        _check_finite(str(name), variable)


def _check_finite(name: str, variable: xr.Variable) -> None:
    if variable.dtype.kind not in "fcmM":  # dates may be missing too
        return
    for index in _blocks(variable.shape):
        values = np.asarray(variable[index].values)
        if np.isfinite(values).all():
            continue
        offset = np.argwhere(~np.isfinite(np.atleast_1d(values)))[0]
        starts = [part.start for part in index] or [0]
        where = tuple(int(a + b) for a, b in zip(starts, offset, strict=True))
        bad = np.atleast_1d(values)[tuple(offset)]
        raise DatasetError(
            f"Dataset expected finite values in {name!r}, got {bad} at index {where}; repair or "
            "drop that sample."
        )


def _blocks(shape: tuple[int, ...]):
    """Slices of the leading axis that hold about `_BLOCK` values each."""
    if not shape:
        yield ()
        return
    row = max(1, int(np.prod(shape[1:])))
    step = max(1, _BLOCK // row)
    for start in range(0, shape[0], step):
        yield (slice(start, min(start + step, shape[0])), *(slice(0, n) for n in shape[1:]))


def _listed(names) -> str:
    return ", ".join(repr(str(name)) for name in names) or "none"
