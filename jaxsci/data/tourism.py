"""Australian domestic tourism: visitor nights by quarter, reason of travel, state, and city or not.

``australian_tourism.csv`` has 96 columns of 36 quarters, in thousands of nights, and no dates: they are those
from 1998 Q1 to 2006 Q4. 56 bottom series, "NSW - hol - city", add up to those of reason and state,
"NSW - hol", these to reasons, "Hol", and to states, "NSW", and both to the "Total". Reasons are holiday,
visiting friends and relatives, business and other.

Reference: G. Athanasopoulos, R. Ahmed, R. Hyndman, Int. J. Forecast. 25 (2009) 146,
doi:10.1016/j.ijforecast.2008.07.004.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ._series import check_numbers, long_frame, read_csv
from .checks import DatasetError

_REASONS = ("hol", "vfr", "bus", "oth")
_TITLES = {"hol": "Hol", "vfr": "VFR", "bus": "Bus", "oth": "Oth"}
_STATES = ("NSW", "VIC", "QLD", "SA", "WA", "TAS", "NT")
_PLACES = ("city", "noncity")
_QUARTERS = 36
_LEVELS = ("total", "reason", "state", "reason and state", "bottom")


class Tourism(NamedTuple):
    """Series that add up, and how.

    Attributes:
        frame: columns `unique_id`, `ds`, the first day of each quarter, and `y`, in thousands of nights.
        levels: names of the series of each level, "total", "reason", "state", "reason and state", "bottom".
        parts: names of the bottom series that add up to each series; to a bottom series, itself.
    """

    frame: pd.DataFrame
    levels: dict[str, tuple[str, ...]]
    parts: dict[str, tuple[str, ...]]


def read_tourism(path: str | Path) -> Tourism:
    """The series as a long frame, level by level, and their hierarchy.

    Args:
        path: ``australian_tourism.csv``.

    Raises:
        DatasetError: a file that is missing, lacks columns or has others, has another number of quarters,
            values that are no numbers, or series that do not add up.
    """
    levels, parts = _hierarchy()
    names = list(parts)
    table = read_csv("read_tourism", path, names, dtype="float64")
    if table.shape != (_QUARTERS, len(names)):
        raise DatasetError(
            f"read_tourism expected {_QUARTERS} quarters of {len(names)} series in {path}, got "
            f"{table.shape}; pass the published file as it is, since it has no dates."
        )
    values = table[names].to_numpy()
    check_numbers("read_tourism", f"the series of {path}", values)
    for name, bottom in parts.items():
        gap = (table[name] - table[list(bottom)].sum(axis=1)).abs().max()
        if gap > 0.5:  # whole thousands
            raise DatasetError(
                f"read_tourism expected the parts of {name!r} in {path} to add up to it, got a gap of {gap:g}; "
                "fetch the file again."
            )
    quarters = np.arange("1998-01", "2007-01", 3, dtype="datetime64[M]").astype("datetime64[s]")
    return Tourism(long_frame(names, quarters, values), levels, parts)


def _hierarchy() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """The names of each level, and the bottom series of each name."""
    levels: dict[str, dict[str, list[str]]] = {level: {} for level in _LEVELS}
    for reason in _REASONS:
        for state in _STATES:
            for place in _PLACES:
                pair = f"{state} - {reason}"
                bottom = f"{pair} - {place}"
                names = ("Total", _TITLES[reason], state, pair, bottom)
                for level, name in zip(_LEVELS, names, strict=True):
                    levels[level].setdefault(name, []).append(bottom)
    parts = {name: tuple(bottom) for members in levels.values() for name, bottom in members.items()}
    return {level: tuple(members) for level, members in levels.items()}, parts
