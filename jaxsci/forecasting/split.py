"""A frame of series cut at a date: what a forecaster may learn from, and what it is judged by."""

import datetime
from typing import Any

import numpy as np
import pandas as pd

from .dates import check_kind, zone_of
from .frame import DATE, ID, as_frame


def split_by_date(frame: Any, last: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows up to a date, and those after it.

    The second frame serves as `future=` of `predict`, which reads its covariates and not its targets, and holds
    the targets that forecasts are compared with. Series that begin later are left to a frame of their own: one
    that is not in the first frame is not in the second either.

    Args:
        frame: as for `Forecaster.fit`.
        last: the last date of the first frame: a timestamp, text, or a whole number. Text stands for all that
            it names: a day for its hours, a month for its days.

    Raises:
        TypeError: a date of another kind than those of the frame.
        ValueError: a frame without the columns, text that is no date, or a date before or after all rows.
    """
    table = as_frame(frame)
    missing = [name for name in (ID, DATE) if name not in table.columns]
    if missing:
        raise ValueError(
            f"split_by_date expected columns {[ID, DATE]}, got a frame without {missing}; rename columns."
        )
    dates: Any = table[DATE]
    check_kind(dates)
    counted = pd.api.types.is_integer_dtype(dates.dtype)
    kinds = int | np.integer if counted else str | datetime.date | np.datetime64
    if not isinstance(last, kinds):
        kind, example = ("a whole number", 120) if counted else ("a date", "2024-06-30")
        raise TypeError(
            f"split_by_date expected {kind} like those of the frame, got {last!r}; write {example!r}, for "
            "instance."
        )
    before: Any = dates <= (last if counted else _moment(last, zone_of(dates)))
    if before.all() or not before.any():
        raise ValueError(
            f"split_by_date expected a date with rows up to it and after it, got {last}, and rows from "
            f"{dates.min()} to {dates.max()}; choose one between."
        )
    first, second = table.loc[before], table.loc[~before]
    second = second.loc[second[ID].isin(first[ID].unique())]
    return first.reset_index(drop=True), second.reset_index(drop=True)


def _moment(last: Any, zone: str | None) -> Any:
    """The last moment that a date stands for; text names a minute, an hour, a day or a month."""
    if not isinstance(last, str):
        moment: Any = pd.Timestamp(last)
        return moment.tz_localize(zone) if moment.tzinfo is None else moment
    try:
        period: Any = pd.Period(last)
        return period.end_time.tz_localize(zone)
    except ValueError as error:
        raise ValueError(
            f"split_by_date expected a date, got {last!r}; write '2024-06-30', for instance."
        ) from error
