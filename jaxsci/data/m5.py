"""M5: daily sales of 3,049 products in ten Walmart stores, with prices, events and SNAP days, 2011 to 2016.

    sales_train_evaluation.csv   id, item_id, dept_id, cat_id, store_id, state_id, d_1, …, d_1941
    sales_train_validation.csv   the same up to d_1913
    calendar.csv                 date, wm_yr_wk, d, event_name_1, event_type_1, …, snap_CA, snap_TX, snap_WI
    sell_prices.csv              store_id, item_id, wm_yr_wk, sell_price

The long frame of all 30,490 series has 59 million rows of 29 bytes, 1.7 GB, and takes half as much again to
read: strings are categories, numbers are of single precision. `stores` selects a part.

Reference: S. Makridakis, E. Spiliotis, V. Assimakopoulos, Int. J. Forecast. 38 (2022) 1346,
doi:10.1016/j.ijforecast.2021.11.013.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ._series import check_numbers, check_unique, parse_dates, read_csv
from .checks import DatasetError

_STATIC = ("item_id", "dept_id", "cat_id", "store_id", "state_id")
_EVENTS = ("event_name_1", "event_type_1", "event_name_2", "event_type_2")
_SERIES = 1000  # read in one go


def read_m5(
    folder: str | Path,
    *,
    part: Literal["evaluation", "validation"] = "evaluation",
    stores: Sequence[str] | None = None,
    future: bool = False,
) -> pd.DataFrame:
    """Sales and what is known with them as a long frame.

    Args:
        folder: where the three files are.
        part: "evaluation" has 28 days more than "validation".
        stores: such as ["CA_1"]; all by default.
        future: append the days of the calendar after the last sales, with `y` NaN: covariates that are known
            ahead.

    Returns:
        Columns `unique_id` (item and store), `ds` and `y`, units sold; `price`, NaN in weeks in which the store
        did not offer the item, where `y` is 0 for want of supply; `snap`, whether food stamps were accepted in
        the state; `event_name_1` and three more, missing on days without events; and, constant in each series,
        `item_id`, `dept_id`, `cat_id`, `store_id` and `state_id`.

    Raises:
        DatasetError: files that are missing, lack columns or rows, or hold what is none of these.
    """
    folder = Path(folder)
    if part not in ("evaluation", "validation"):
        raise DatasetError(
            f"read_m5 expected part to be 'evaluation' or 'validation', got {part!r}; choose one of them."
        )
    series, sales = _sales(folder / f"sales_train_{part}.csv", part, stores)
    static = {name: pd.Categorical(series[name]) for name in _STATIC}
    days = sales.shape[1]
    states = static["state_id"]
    calendar, dates = _calendar(folder / "calendar.csv", days, list(states.categories))
    if future:
        unknown = np.full((len(series), len(dates) - days), np.nan, np.float32)
        sales = np.concatenate([sales, unknown], axis=1)
    count, length = sales.shape
    calendar, dates = calendar[:length], dates[:length]
    weeks, week = np.unique(calendar["wm_yr_wk"], return_inverse=True)
    price = _prices(folder / "sell_prices.csv", static["item_id"], static["store_id"], weeks)
    snap = np.stack([calendar[f"snap_{state}"].to_numpy() == 1 for state in states.categories])
    names = pd.Categorical(_names(series), categories=_names(series))
    columns = {
        "unique_id": _spread(names, np.repeat, length),
        "ds": np.tile(dates.to_numpy(), count),
        "y": sales.ravel(),
        "price": price[:, week].ravel(),
        "snap": snap[states.codes].ravel(),
    }
    columns |= {name: _spread(pd.Categorical(calendar[name]), np.tile, count) for name in _EVENTS}
    columns |= {name: _spread(values, np.repeat, length) for name, values in static.items()}
    return pd.DataFrame(columns, copy=False)


def _names(series: pd.DataFrame) -> np.ndarray:
    return (series["item_id"] + "_" + series["store_id"]).to_numpy(object)


def _spread(values: pd.Categorical, how, times: int) -> pd.Categorical:
    """The categories of series or of days, for each row of the long frame."""
    return pd.Categorical.from_codes(how(values.codes, times), dtype=values.dtype)


def _sales(path: Path, part: str, stores: Sequence[str] | None) -> tuple[pd.DataFrame, np.ndarray]:
    """What names each series, and its sales, (series, days)."""
    header = list(read_csv("read_m5", path, ("id", *_STATIC, "d_1"), nrows=0).columns)
    days = [f"d_{i + 1}" for i in range(len(header) - 1 - len(_STATIC))]
    if header != ["id", *_STATIC, *days]:
        raise DatasetError(
            f"read_m5 expected {path} to have the columns id, {', '.join(_STATIC)}, d_1, d_2, … and no others, "
            f"got {header[:7]} … {header[-1]!r}; pass the published file as it is."
        )
    kinds = dict.fromkeys(("id", *_STATIC), "object") | dict.fromkeys(days, "float32")
    heads, blocks = [], []
    try:
        with read_csv("read_m5", path, header, dtype=kinds, chunksize=_SERIES) as pieces:
            for piece in pieces:
                chosen = piece if stores is None else piece[piece["store_id"].isin(list(stores))]
                heads.append(chosen[["id", *_STATIC]])
                blocks.append(_checked_units(path, chosen[days].to_numpy(), piece.index))
    except DatasetError:
        raise
    except ValueError as error:
        raise DatasetError(
            f"read_m5 expected numbers of units sold in {path}, got {error}; fetch the file again."
        ) from error
    series = pd.concat(heads, ignore_index=True) if heads else pd.DataFrame(columns=["store_id"])
    absent = sorted(set(stores or ()) - set(series["store_id"]))
    if series.empty or absent:
        raise DatasetError(
            f"read_m5 expected series of the stores {absent or 'of the competition'} in {path}, got none; "
            "stores are CA_1 to CA_4, TX_1 to TX_3 and WI_1 to WI_3."
        )
    wrong = np.flatnonzero(series["id"].to_numpy() != _names(series) + f"_{part}")
    if wrong.size:
        row = series.iloc[wrong[0]]
        raise DatasetError(
            f"read_m5 expected ids that are item, store and {part!r} in {path}, got {row['id']!r} of "
            f"{row['item_id']!r} and {row['store_id']!r}; pass the published file as it is."
        )
    check_unique("read_m5", str(path), list(series["id"]))
    return series, np.concatenate(blocks)


def _checked_units(path: Path, units: np.ndarray, rows: pd.Index) -> np.ndarray:
    check_numbers("read_m5", f"the sales of {path}", units)
    if (units < 0).any() or (units % 1 != 0).any():
        raise DatasetError(
            f"read_m5 expected whole numbers of units sold in {path}, got others in rows {rows[0]} to "
            f"{rows[-1]}; fetch the file again."
        )
    return units


def _calendar(
    path: Path, days: int, states: Sequence[str]
) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """The days, from the first on, and their dates."""
    snap = [f"snap_{state}" for state in states]
    kinds = dict.fromkeys(("date", "d", *_EVENTS), "object")
    columns = ("date", "wm_yr_wk", "d", *_EVENTS, *snap)
    calendar = read_csv("read_m5", path, columns, dtype=kinds)
    dates = parse_dates("read_m5", path, calendar["date"])
    daily = bool((np.diff(dates.to_numpy()) == np.timedelta64(1, "D")).all())
    numbered = list(calendar["d"]) == [f"d_{i + 1}" for i in range(len(dates))]
    if not daily or not numbered or len(dates) < days:
        raise DatasetError(
            f"read_m5 expected the days d_1, d_2, …, at least {days} of them, in {path}, got {len(dates)} "
            f"{'days' if daily else 'dates'} from {calendar['d'].iloc[0]!r} to {calendar['d'].iloc[-1]!r}; "
            "pass the published file as it is."
        )
    if not (calendar[snap].isin([0, 1]).all().all() and calendar["wm_yr_wk"].notna().all()):
        raise DatasetError(
            f"read_m5 expected a week in each row of {path} and 0 or 1 in {snap}, got others; fetch the file "
            "again."
        )
    return calendar, dates


def _prices(
    path: Path, items: pd.Categorical, stores: pd.Categorical, weeks: np.ndarray
) -> np.ndarray:
    """The price of each series in each week, NaN where there is none, (series, weeks)."""
    kinds = {"store_id": "category", "item_id": "category", "sell_price": "float32"}
    table = read_csv("read_m5", path, (*kinds, "wm_yr_wk"), dtype=kinds)

    def codes(name: str, known: pd.Categorical) -> np.ndarray:
        values = table[name].cat
        found = known.categories.get_indexer(values.categories)
        return np.append(found, -1)[values.codes.to_numpy()]

    series = np.full((len(items.categories) + 1, len(stores.categories) + 1), -1)
    series[items.codes, stores.codes] = np.arange(len(items))
    row = series[codes("item_id", items), codes("store_id", stores)]
    week = pd.Index(weeks).get_indexer(table["wm_yr_wk"])
    ours = (row >= 0) & (week >= 0)  # other stores, and weeks after the last that is asked for
    value = table["sell_price"].to_numpy()[ours]
    check_numbers("read_m5", f"the prices of {path}", value)
    place = row[ours] * len(weeks) + week[ours]
    if (value <= 0).any() or (np.bincount(place, minlength=1) > 1).any():
        raise DatasetError(
            f"read_m5 expected one price above 0 for each store, item and week in {path}, got others or two; "
            "fetch the file again."
        )
    price = np.full(len(items) * len(weeks), np.nan, np.float32)
    price[place] = value
    return price.reshape(len(items), len(weeks))
