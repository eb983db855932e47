"""What a column ``ds`` may be: timestamps, with a time zone or without, or whole numbers that count.

Periods, days and text in ISO form mean one moment each and become timestamps. Whole numbers that are written as
dates, 20240131, are refused: as numbers, the last of January is 70 before the first of February.
"""

from typing import Any

import numpy as np
import pandas as pd

_ISO = r"\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d+)?)?)?)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?"
# Whole numbers of years between these that read as dates are taken for dates.
_FIRST, _LAST = 1800, 2200


def as_dates(ds: Any) -> Any:
    """Timestamps or whole numbers, in NumPy's types, where the meaning is plain; else what came."""
    dtype = ds.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return as_dates(ds.astype(dtype.categories.dtype))
    if ds.isna().any():
        return ds
    if pd.api.types.is_integer_dtype(dtype):
        return ds.astype(np.int64)
    if isinstance(dtype, pd.PeriodDtype):
        return ds.dt.to_timestamp()
    if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtype.kind == "M":
        return ds
    kind = pd.api.types.infer_dtype(ds.astype(object), skipna=True)
    try:
        if kind == "period":
            return pd.Series(pd.PeriodIndex(ds).to_timestamp(), index=ds.index)
        if kind == "integer":
            return ds.astype(np.int64)
        if kind in ("date", "datetime", "datetime64"):
            return pd.to_datetime(ds.astype(object))
        if kind == "string" and ds.astype(str).str.fullmatch(_ISO).all():
            return pd.to_datetime(ds.astype(object), format="ISO8601")
    except (ValueError, TypeError):  # several time zones, or a month with 31 days too few
        pass
    return ds


def check_kind(dates: Any) -> None:
    """Refuse dates that are neither timestamps nor whole numbers.

    Raises:
        ValueError: with what converts them.
    """
    if pd.api.types.is_integer_dtype(dates.dtype) or pd.api.types.is_datetime64_any_dtype(
        dates.dtype
    ):
        return
    example = dates.dropna().iloc[0] if dates.notna().any() else None
    if isinstance(example, str):
        advice = "name the form, as in pandas.to_datetime(frame.ds, format='%d/%m/%Y')"
    elif getattr(example, "tzinfo", None) is not None:
        advice = "bring them to one zone, as in pandas.to_datetime(frame.ds, utc=True)"
    else:
        advice = "convert them with pandas.to_datetime"
    raise ValueError(
        "jaxsci.forecasting expected ds as timestamps of one time zone or of none, text in ISO form, periods, "
        f"or whole numbers that count, got {dates.dtype} such as {example!r}; {advice}."
    )


def check_counters(numbers: np.ndarray) -> None:
    """Refuse whole numbers that read as dates: days as 20240131, months as 202401, years as 2024.

    Raises:
        ValueError: naming the format to convert them with.
    """
    for form, digits in (("%Y%m%d", 8), ("%Y%m", 6), ("%Y", 4)):
        year = numbers // 10 ** (digits - 4)
        if not ((year >= _FIRST) & (year <= _LAST)).all():
            continue
        read = pd.to_datetime(pd.Series(numbers.astype(str)), format=form, errors="coerce")
        if read.notna().all():
            raise ValueError(
                f"jaxsci.forecasting expected whole numbers in ds that count dates, got {numbers[0]}, which "
                "reads as a date; convert them with "
                f'pandas.to_datetime(frame.ds.astype(str), format="{form}"), '
                "or, if they do count, name their spacing when the forecaster is built, as in freq=1."
            )


def zone_of(dates: Any) -> str | None:
    """The time zone of timestamps, by name; None without one, and for whole numbers."""
    zone = getattr(dates.dtype, "tz", None)
    return None if zone is None else str(zone)


def reads_by_wall(dates: Any) -> bool:
    """Whether timestamps share one time of day where they are: days and months are those of the wall clock."""
    local = dates.dt.tz_localize(None)
    return bool((local - local.dt.normalize()).nunique() == 1)


def without_zone(dates: Any, wall: bool) -> Any:
    """Timestamps by the wall clock, or by universal time, in which an hour of autumn is not there twice."""
    if zone_of(dates) is None:
        return dates
    return dates.dt.tz_localize(None) if wall else dates.dt.tz_convert("UTC").dt.tz_localize(None)


def with_zone(dates: np.ndarray, zone: str, wall: bool) -> Any:
    """What `without_zone` made, back in its time zone."""
    index = pd.DatetimeIndex(dates)
    if not wall:
        return index.tz_localize("UTC").tz_convert(zone)
    # Where the clock jumps over a midnight, the day begins after the jump.
    return index.tz_localize(zone, ambiguous=np.ones(index.size, bool), nonexistent="shift_forward")
