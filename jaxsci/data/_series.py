"""What the readers of series share: CSV files with certain columns, dates equally spaced, numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .checks import DatasetError


def read_csv(who: str, path: str | Path, columns: Sequence[str], **options: Any) -> Any:
    """A file that has these columns, as a frame, or as pieces with `chunksize`."""
    try:
        header = list(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{who} expected a CSV file at {path}, got {error}; check the path, or fetch the file again."
        ) from error
    missing = [name for name in columns if name not in header]
    if missing:
        raise DatasetError(
            f"{who} expected {path} to have columns {missing}, got {header[:12]}; pass the published file "
            "as it is."
        )
    try:
        return pd.read_csv(path, **options)
    except ValueError as error:
        raise DatasetError(
            f"{who} expected values of the published types in {path}, got {error}; fetch the file again."
        ) from error


def check_numbers(who: str, where: str, values: np.ndarray) -> None:
    """Refuse what is missing or infinite: none of the published files has a gap."""
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        at = tuple(int(i) for i in bad[0])
        raise DatasetError(
            f"{who} expected a number in every field of {where}, got {values[at]} in row and column {at} of "
            "them, counted from 0; fetch the file again."
        )


def check_unique(who: str, where: str, names: Sequence[str]) -> None:
    """Refuse two series of one name."""
    index = pd.Index(names)
    if index.has_duplicates:
        raise DatasetError(
            f"{who} expected each series of {where} once, got {index[index.duplicated()][0]!r} again; remove "
            "one of them."
        )


def parse_dates(who: str, path: str | Path, values: pd.Series) -> pd.DatetimeIndex:
    """Dates that are equally spaced, so that none is missing and none is there twice."""
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(values, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"{who} expected dates such as 2016-07-01 00:00:00 in {path}, got {error}; fetch the file again."
        ) from error
    steps = np.diff(dates.to_numpy())
    # Comparisons with NaT are false, so a date that is missing is refused too.
    wrong = np.flatnonzero(~((steps == steps[:1]) & (steps > np.timedelta64(0))))
    if len(dates) < 2 or wrong.size:
        got = (
            f"{dates[wrong[0]]} before {dates[wrong[0] + 1]}"
            if wrong.size
            else f"{len(dates)} of them"
        )
        raise DatasetError(
            f"{who} expected at least 2 dates in {path}, increasing and equally spaced, got {got}; sort the "
            "rows, and fill the gaps with rows or remove what is there twice."
        )
    return dates


def long_frame(names: Sequence[str], ds: Any, values: np.ndarray) -> pd.DataFrame:
    """Series side by side, (dates, series), as one under the other."""
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.asarray(names, object), len(ds)),
            "ds": np.tile(np.asarray(ds), len(names)),
            "y": values.T.ravel(),
        }
    )
