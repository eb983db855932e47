"""ETT: oil temperature and six loads of two electricity transformers, July 2016 to June 2018.

``ETTh1.csv`` and ``ETTh2.csv`` are hourly, ``ETTm1.csv`` and ``ETTm2.csv`` every 15 minutes. HUFL to LULL are
high, middle and low loads, useful and useless; OT is the temperature in °C.

Reference: H. Zhou et al., Informer, AAAI 2021, arXiv:2012.07436: 12, 4 and 4 months of 30 days for training,
validation and test; the days that are left are not used.
"""

from pathlib import Path

import pandas as pd

from ._series import check_numbers, long_frame, parse_dates, read_csv
from .checks import DatasetError

_NAMES = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
_DAYS = {"train": (0, 360), "validation": (360, 480), "test": (480, 600)}


def read_ett(path: str | Path) -> pd.DataFrame:
    """The seven series of one file as a long frame.

    Args:
        path: such as ``ETTh1.csv``.

    Returns:
        Columns `unique_id` (HUFL, HULL, MUFL, MULL, LUFL, LULL, OT), `ds` and `y`.

    Raises:
        DatasetError: a file that is missing or lacks columns, dates that are not equally spaced, or values
            that are no numbers.
    """
    table = read_csv("read_ett", path, ("date", *_NAMES), dtype=dict.fromkeys(_NAMES, "float64"))
    dates = parse_dates("read_ett", path, table["date"])
    values = table[list(_NAMES)].to_numpy()
    check_numbers("read_ett", f"the series of {path}", values)
    return long_frame(_NAMES, dates, values)


def split_ett(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The published parts: months 1 to 12, 13 to 16 and 17 to 20, each of 30 days.

    Forecasts in a part may look back into the one before it; only their targets are in the part.

    Args:
        frame: all of a file, as `read_ett` gives it.

    Returns:
        "train", "validation" and "test".

    Raises:
        DatasetError: a frame of less than 600 days.
    """
    first, last = frame["ds"].min(), frame["ds"].max()
    step = frame["ds"].iloc[1] - frame["ds"].iloc[0]
    edges = {
        part: tuple(first + pd.Timedelta(days=day) for day in days) for part, days in _DAYS.items()
    }
    if last + step < edges["test"][1]:
        raise DatasetError(
            f"split_ett expected dates up to {edges['test'][1]}, got {last}; pass all of a file."
        )
    return {
        part: frame.loc[(frame["ds"] >= start) & (frame["ds"] < stop)]
        for part, (start, stop) in edges.items()
    }
