"""Long frames: a row for each series and date, with ``unique_id, ds, y`` and columns of covariates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data._extras import extra
from .columns import LARGEST, category_name, too_large
from .dates import as_dates, check_kind, zone_of

ID, DATE, TARGET = "unique_id", "ds", "y"


def as_frame(frame: Any) -> pd.DataFrame:
    """A pandas frame in NumPy's types from one of pandas, polars or Arrow, or from the path of a parquet file.

    Dates that mean one moment each become timestamps (see `as_dates`).

    Raises:
        TypeError: for anything else.
    """
    table: Any = _table(frame)
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise ValueError(
            f"jaxsci.forecasting expected columns of different names, got {repeated[0]!r} more than once; "
            "rename or drop one."
        )
    changed = {name: plain for name in table.columns if (plain := _plain(table[name])) is not None}
    if DATE in table.columns:
        dates = as_dates(changed.get(DATE, table[DATE]))
        if dates is not table[DATE]:
            changed[DATE] = dates
    return (
        table.assign(**{str(name): column for name, column in changed.items()})
        if changed
        else table
    )


def _plain(column: Any) -> Any:
    """A column of Arrow's types as one of pandas' own; None where nothing is to be done."""
    dtype = column.dtype
    if not isinstance(dtype, pd.ArrowDtype):
        return None
    if dtype.kind == "b":
        return column.astype("boolean")
    if pd.api.types.is_numeric_dtype(dtype):
        whole = dtype.kind in "iu" and not column.isna().any()
        return pd.Series(
            column.to_numpy(np.int64 if whole else np.float64, na_value=0 if whole else np.nan),
            index=column.index,
        )
    return column.astype(object)


def _table(frame: Any) -> pd.DataFrame:
    module = type(frame).__module__.partition(".")[0]
    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, str | Path):
        return _read(frame)
    if module == "polars" and hasattr(frame, "lazy"):
        frame = frame.collect() if hasattr(frame, "collect") else frame
        return pd.DataFrame(frame.to_dict(as_series=False))
    if module == "pyarrow" and hasattr(frame, "to_pandas"):
        return frame.to_pandas()
    raise TypeError(
        f"jaxsci.forecasting expected a pandas or polars frame, a table of Arrow, or the path of a parquet "
        f"file, got {type(frame).__name__}; make a frame with columns unique_id, ds, y."
    )


def _read(path: str | Path) -> pd.DataFrame:
    arrow = extra(
        "jaxsci.forecasting", "pyarrow", "pyarrow", "pass a pandas frame", name="forecast"
    )
    try:
        return pd.read_parquet(path)
    except arrow.ArrowInvalid as error:
        raise ValueError(
            f"jaxsci.forecasting expected a parquet file or a folder of such at {path}, got something "
            f"else ({str(error).splitlines()[0]}); open a store with SeriesStore, and read other files "
            "with pandas."
        ) from error


def check_frame(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame without these columns, without rows, or with rows that are no series.

    Raises:
        ValueError: so, with dates that repeat or are none, or with targets that are no numbers or too large.
    """
    missing = [name for name in (ID, DATE, *columns) if name not in frame.columns]
    if missing:
        raise ValueError(
            f"jaxsci.forecasting expected columns {[ID, DATE, *columns]}, got a frame without "
            f"{missing}; add or rename them, or fit with fewer covariates."
        )
    if frame.empty:
        raise ValueError(
            "jaxsci.forecasting expected a frame with rows, got an empty one; check the selection."
        )
    for name in (ID, DATE):
        absent = int(np.sum(pd.isna(frame[name].to_numpy())))
        if absent:
            raise ValueError(
                f"jaxsci.forecasting expected {name} in every row, got {absent} missing; drop those rows."
            )
    dates: Any = frame[DATE]
    check_kind(dates)
    repeated = frame.duplicated([ID, DATE])
    if repeated.any():
        name, date = (frame[column][repeated].tolist()[0] for column in (ID, DATE))
        raise ValueError(
            f"jaxsci.forecasting expected one row for each series and date, got several for series "
            f"{name!r} at {date}; add them up, or drop the repeated ones."
        )
    if TARGET in columns:
        if not pd.api.types.is_numeric_dtype(frame[TARGET].dtype):
            raise ValueError(
                f"jaxsci.forecasting expected numbers in y, got {frame[TARGET].dtype}; convert it with "
                "pandas.to_numeric."
            )
        large = too_large(frame[TARGET].to_numpy(np.float64, na_value=np.nan))
        if large.any():
            value, name, date = (frame[column][large].tolist()[0] for column in (TARGET, ID, DATE))
            raise ValueError(
                f"jaxsci.forecasting expected targets of at most {LARGEST:g}, got {value} in series "
                f"{name!r} at {date}; set it to NaN if it is unknown."
            )


def joined(frame: Any, future: Any, names: list[str]) -> pd.DataFrame:
    """The frame and the rows that follow it."""
    check_frame(future, names)
    strangers = set(future[ID]) - set(frame[ID])
    if strangers:
        raise ValueError(
            "predict expected future rows of the frame's series, got "
            f"{sorted(map(str, strangers))[:3]} too; give a new series one row in the frame, with y missing."
        )
    if zone_of(future[DATE]) != zone_of(frame[DATE]):
        raise ValueError(
            f"predict expected future rows in the frame's time zone, {zone_of(frame[DATE])}, got "
            f"{zone_of(future[DATE])}; bring them to it with dt.tz_convert or dt.tz_localize."
        )
    ahead = future.loc[:, [ID, DATE, *names]].set_index([ID, DATE])
    rows = frame.set_index([ID, DATE])
    both = rows.index.intersection(ahead.index)
    for name in names if len(both) else ():
        one, other = rows.loc[both, name], ahead.loc[both, name]
        apart = _apart(one, other)
        if apart.any():
            series, date = both[apart][0]
            first, second = (x.astype(object)[apart].iloc[0] for x in (one, other))
            raise ValueError(
                f"predict expected future rows that agree with the frame's, got {first} and {second} in column "
                f"{name!r} of series {series!r} at {date}; pass the dates after the last known target only, or "
                "correct one of them."
            )
    # A date in both frames gets from the other what the frame has not.
    return rows.combine_first(ahead).reset_index()


def _apart(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Where both are known and differ, by more than single precision where they are numbers."""
    known = np.asarray(one.notna() & other.notna(), bool)
    if all(pd.api.types.is_numeric_dtype(x.dtype) for x in (one, other)):
        a, b = (x.to_numpy(np.float64, na_value=np.nan) for x in (one, other))
        return known & ~np.isclose(a, b, rtol=1e-6, atol=0.0)
    names = (x.astype(object).map(category_name) for x in (one, other))
    return known & np.not_equal(*(np.asarray(x, object) for x in names))
