"""M4: 100,000 series of the competition, by frequency: yearly, quarterly, monthly, weekly, daily, hourly.

``Hourly-train.csv`` has one series a row, the name first and values until the row ends or is empty;
``Hourly-test.csv`` the 48 values that follow each. There are no dates here: time is counted from 1.

    frequency   yearly  quarterly  monthly  weekly  daily  hourly
    horizon     6       8          18       13      14     48

Reference: S. Makridakis, E. Spiliotis, V. Assimakopoulos, Int. J. Forecast. 36 (2020) 54,
doi:10.1016/j.ijforecast.2019.04.014.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from ._series import check_unique
from .checks import DatasetError


def read_m4(train_csv: str | Path, test_csv: str | Path | None = None) -> pd.DataFrame:
    """The series of one frequency as a long frame.

    Args:
        train_csv: such as ``Hourly-train.csv``.
        test_csv: such as ``Hourly-test.csv``, whose values continue those of `train_csv`.

    Returns:
        Columns `unique_id`, `ds`, which counts from 1 in each series, and `y`, in the order of `train_csv`.

    Raises:
        DatasetError: files that are missing or of another format, series that are there twice, have no value
            or a gap, or are in one of the files only.
    """
    series = _rows(train_csv)
    if test_csv is not None:
        test = _rows(test_csv)
        lonely = sorted(series.keys() ^ test.keys())
        if lonely:
            raise DatasetError(
                f"read_m4 expected the same series in {train_csv} and {test_csv}, got {lonely[:5]} in one of "
                "them only; pass files of one frequency."
            )
        series = {name: np.concatenate([y, test[name]]) for name, y in series.items()}
    lengths = [len(y) for y in series.values()]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.asarray(list(series), object), lengths),
            "ds": np.concatenate([np.arange(1, n + 1) for n in lengths]),
            "y": np.concatenate(list(series.values())),
        }
    )


def _rows(path: str | Path) -> dict[str, np.ndarray]:
    """The values of each series. Rows are read one by one: as a table they would be padded to the longest."""
    names, values = [], []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header[:2] != ["V1", "V2"]:
                raise DatasetError(
                    f"read_m4 expected {path} to begin with the columns V1, V2, …, got {header[:2]}; pass the "
                    "published file as it is."
                )
            for row in rows:
                names.append(row[0] if row else "")
                values.append(_values(path, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"read_m4 expected a CSV file at {path}, got {error}; check the path, or fetch the file again."
        ) from error
    if not names:
        raise DatasetError(f"read_m4 expected series in {path}, got none; fetch the file again.")
    check_unique("read_m4", str(path), names)
    return dict(zip(names, values, strict=True))


def _values(path: str | Path, row: list[str]) -> np.ndarray:
    end = len(row)
    while end and row[end - 1] in ("", "NA"):
        end -= 1
    try:
        values = np.array(row[1:end], float)
    except ValueError:
        values = np.array([np.nan])
    if not (end > 1 and row[0] and np.isfinite(values).all()):
        raise DatasetError(
            f"read_m4 expected a name and numbers without a gap in each row of {path}, got {row[:4]}…; fetch "
            "the file again."
        )
    return values
