"""Long frames: a row for each series and date, with ``unique_id, ds, y`` and columns of covariates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data._extras import extra
from .calendar import check_kind
from .columns import category_name

ID, DATE, TARGET = "unique_id", "ds", "y"


def as_frame(frame: Any) -> pd.DataFrame:
    """A pandas frame from one, from a polars frame, or from the path of a parquet file.

    Days in ``ds`` that are objects, as parquet and polars give them to pandas, become timestamps.

    Raises:
        TypeError: for anything else.
    """
    table = _table(frame)
    ds = table.get(DATE)
    if isinstance(ds, pd.Series) and pd.api.types.infer_dtype(ds, skipna=True) == "date":
        return table.assign(**{DATE: pd.to_datetime(ds)})
    return table


def _table(frame: Any) -> pd.DataFrame:
    if isinstance(frame, pd.DataFrame):
        return frame
    if isinstance(frame, str | Path):
        arrow = extra(
            "jaxsci.forecasting", "pyarrow", "pyarrow", "pass a pandas frame", name="forecast"
        )
        try:
            return pd.read_parquet(frame)
        except arrow.ArrowInvalid as error:
            raise ValueError(
                f"jaxsci.forecasting expected a parquet file or a folder of such at {frame}, got something "
                f"else ({str(error).splitlines()[0]}); open a store with SeriesStore, and read other files "
                "with pandas."
            ) from error
    if hasattr(frame, "to_dict") and type(frame).__module__.startswith("polars"):
        return pd.DataFrame(frame.to_dict(as_series=False))
    raise TypeError(
        f"jaxsci.forecasting expected a pandas or polars frame, or the path of a parquet file, got "
        f"{type(frame).__name__}; make a frame with columns unique_id, ds, y."
    )


def check_frame(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame without these columns, without rows, or with rows that are no series.

    Raises:
        ValueError: so, or with dates that repeat or are none, or targets that are no numbers or infinite.
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
        row = frame[repeated].iloc[0]
        raise ValueError(
            f"jaxsci.forecasting expected one row for each series and date, got several for series "
            f"{row[ID]!r} at {row[DATE]}; add them up, or drop the repeated ones."
        )
    if TARGET in columns:
        if not pd.api.types.is_numeric_dtype(frame[TARGET].dtype):
            raise ValueError(
                f"jaxsci.forecasting expected numbers in y, got {frame[TARGET].dtype}; convert it with "
                "pandas.to_numeric."
            )
        infinite = np.isinf(frame[TARGET].to_numpy(np.float64, na_value=np.nan))
        if infinite.any():
            row = frame[infinite].iloc[0]
            raise ValueError(
                f"jaxsci.forecasting expected finite or missing targets, got {row[TARGET]} in series "
                f"{row[ID]!r} at {row[DATE]}; set it to NaN if it is unknown."
            )


def joined(frame: pd.DataFrame, future: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The frame and the rows that follow it."""
    check_frame(future, names)
    strangers = set(future[ID]) - set(frame[ID])
    if strangers:
        raise ValueError(
            "predict expected future rows of the frame's series, got "
            f"{sorted(map(str, strangers))[:3]} too; give a new series one row in the frame, with y missing."
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
