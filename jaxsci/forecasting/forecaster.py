"""The interface of all forecasters: a long frame in, quantiles out.

A forecaster is built with its options, learns from a frame with `fit`, and keeps what it learned. Behind the
interface there is one function, from a panel and a few of its columns to a grid of forecasts: `predict` asks
for the last column, `cross_validate` and `backtest` for earlier ones.
"""

import abc
import copy
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Int

from jaxsci._checks import whole

from .calendar import check_spacing
from .frame import DATE, ID, TARGET, as_frame
from .grid import ForecastGrid, check_levels
from .learning.cross_validation import Windows, forecasts_of_the_past
from .panel import Panel
from .saving import Saved
from .schema import Schema, check_roles
from .store import SeriesStore, write_store

_ROLES = ("past", "future", "static")
_Kind = TypeVar("_Kind", bound="Forecaster")
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(kw_only=True, eq=False)
class Forecaster(Saved):
    """A model of many series that forecasts quantiles of each, at horizons 1 to H.

    Attributes:
        horizon: number H of dates ahead.
        quantiles: increasing levels between 0 and 1.
        season: dates in a season, or several such periods; 1 for none.
        past: columns known up to the forecast date.
        future: columns known ahead of it.
        static: columns that belong to the series.
        freq: spacing of the dates, a pandas frequency or a whole number; inferred from the frame by default.
        nonnegative: whether targets are never negative; quantiles below zero are then zero, and networks read
            where zero lies.
    """

    horizon: int
    quantiles: Sequence[float] = DECILES
    season: int | Sequence[int] = 1
    past: Sequence[str] = ()
    future: Sequence[str] = ()
    static: Sequence[str] = ()
    freq: str | int | None = None
    nonnegative: bool = False

    def __post_init__(self):
        who = type(self).__name__
        self.horizon = whole(who, "horizon", self.horizon)
        for name in ("season", "quantiles", "past", "future", "static"):
            if getattr(self, name) is None or (name == "season" and np.size(self.season) == 0):
                raise TypeError(
                    f"{who} expected {name} to be given or left out, got {getattr(self, name)!r}; leave it out."
                )
        self.quantiles = check_levels(who, self.quantiles)
        self.freq = check_spacing(who, self.freq)
        several = isinstance(self.season, Iterable) and not isinstance(self.season, str)
        seasons = tuple(self.season) if several else (self.season,)  # pyright: ignore[reportArgumentType]
        seasons = tuple(sorted({whole(who, "season", s) for s in seasons}))
        self.season = seasons[0] if len(seasons) == 1 else seasons
        for role in ("past", "future", "static"):
            names = getattr(self, role)
            if isinstance(names, str):
                raise TypeError(
                    f"{who} expected {role} as a list of column names, got {names!r}; write [{names!r}]."
                )
            setattr(self, role, tuple(names))
        check_roles(who, (*self.past, *self.future, *self.static))

    @property
    def seasons(self) -> tuple[int, ...]:
        """The periods, increasing."""
        return (self.season,) if isinstance(self.season, int) else tuple(self.season)

    def fit(self: _Kind, frame: Any) -> _Kind:
        """Learn from a long frame, and return the forecaster itself.

        Args:
            frame: a pandas or polars frame, or the path of a parquet file: a row for each series and date, with
                ``unique_id``, ``ds``, ``y`` (NaN where it is missing) and the covariates declared. Rows after
                the last known target of a series, if any, tell what is known ahead. Or series on disk, as
                `write_store` returns them, with what it learned of the columns.

        Raises:
            ValueError: a frame that does not have these columns, repeats dates, is not equally spaced, or is
                not finite; a store of another forecaster's columns.
            TypeError: a store, for a forecaster that learns from all series at once but by no batches.
        """
        if isinstance(frame, SeriesStore):
            self._fit_store(frame)
            self._set_schema(frame.schema)
            return self
        frame = as_frame(frame)
        schema = self._learn_schema(frame)
        panel = schema.panel(frame)
        self._check_targets(panel)
        self._fit(panel)
        self._set_schema(schema)
        return self

    def write_store(
        self, source: str | Path, path: str | Path, *, rows: int = 2_000_000
    ) -> SeriesStore:
        """Write more series than fit into memory from parquet files into a folder, for `fit` and `predict`.

        No more than a part of them is in memory at a time. What the columns mean is learned from all of
        them, unless the forecaster was fitted before.

        Args:
            source: a parquet file, or a folder with files ``*.parquet`` of the same columns, as `fit` asks for,
                and rows in any order.
            path: of the new folder.
            rows: of the files that a part holds, more or less; more where there would be more than 512 parts.
                In memory, a part has all its series at the length of the longest.

        Raises:
            FileExistsError: if `path` exists.
            FileNotFoundError: no such source.
            ValueError: as `fit`, ids that are neither strings nor whole numbers, or files of other columns.
        """
        learned = self._learned
        return write_store(
            source,
            path,
            columns=(ID, DATE, TARGET, *self.past, *self.future, *self.static),
            learn=self._learn_schema if learned is None else lambda parts: learned,
            rows=whole("write_store", "rows", rows),
        )

    def predict(self, frame: Any, future: Any = None) -> pd.DataFrame:
        """Forecast the H dates after the last known target of each series.

        Args:
            frame: series as for `fit`, the same or others, with their history. Of a store, all forecasts are in
                memory, but one part of the series only.
            future: rows ``unique_id, ds`` and the covariates known ahead, unless `frame` has them.

        Returns:
            A row for each series and date: ``unique_id``, ``ds``, and a column for each quantile, named by its
            level, as in "0.1".

        Raises:
            RuntimeError: before `fit`.
            ValueError: as `fit`, or covariates that are not known for all H dates.
        """
        if isinstance(frame, SeriesStore):
            return self._predict_store(frame, future)
        panel = self.schema.panel(frame, future, ahead=True)
        return self._last(panel).to_frame()

    def cross_validate(
        self,
        frame: Any,
        *,
        windows: int = 1,
        step: int | None = None,
        refit: bool = False,
        same_dates: bool = False,
    ) -> pd.DataFrame:
        """Forecast from several dates of the past, learning only from what came before.

        Args:
            frame: series as for `fit`.
            windows: number of creation dates; the last is H dates before the end of each series.
            step: dates from one to the next; H by default.
            refit: learn again before each creation date, instead of once before the first.
            same_dates: the creation dates are the same for all series, counted from the last end of all: no
                forecast is made by a model that has seen later dates of other series. Series that ended before
                one have no forecast from it. By default they are counted from the end of each.

        Returns:
            A row for each series, creation date and horizon whose target is known: ``unique_id``, ``ds``,
            ``cutoff`` (the creation date), ``y``, and the quantiles. A series that had not begun has no rows,
            if the forecaster learns from no others. The forecaster itself stays as it was.

        Raises:
            ValueError: series that are too short for so many windows.
        """
        if isinstance(frame, SeriesStore):
            raise TypeError(
                f"cross_validate expected a frame, got {frame}; write a store of the rows until an earlier "
                "date, and forecast from that."
            )
        frame = as_frame(frame)
        schema = self._learn_schema(frame)
        self._check_targets(schema.panel(frame))
        step = self.horizon if step is None else whole("cross_validate", "step", step)
        count = whole("cross_validate", "windows", windows)

        def learn(panel: Panel):
            fresh = copy.copy(self)
            fresh._fit(panel)
            return fresh.forecast

        asked = Windows(count, step, bool(refit), bool(same_dates))
        return forecasts_of_the_past(learn, frame, schema, asked)

    def backtest(self, frame: Any, dates: int) -> ForecastGrid:
        """Forecasts made at each of the last `dates` dates of every series, as one grid.

        The forecaster is used as it is: targets before its own training's end were seen by it. What is to be
        known ahead is at its mean beyond the frame, which the last dates' forecasts reach; append rows without
        `y` to give it.
        """
        if isinstance(frame, SeriesStore):
            raise TypeError(
                f"backtest expected a frame, got {frame}; call forecast(panel, columns) with each of its parts."
            )
        panel = self.schema.panel(frame)
        self._check_targets(panel)
        dates = whole("backtest", "dates", dates)
        if dates > panel.length:
            raise ValueError(
                f"backtest expected at most {panel.length} dates, as the longest series has, got "
                f"{dates}; ask for fewer."
            )
        return self.forecast(panel, np.arange(panel.length - dates, panel.length))

    def at(self: _Kind, quantiles: Sequence[float]) -> _Kind:
        """Return the same forecaster, asked for other levels without fitting again.

        Raises:
            ValueError: one that knows no levels but those that it learned.
        """
        other = copy.copy(self)
        other.quantiles = check_levels(type(self).__name__, quantiles)
        return other

    def forecast(self, panel: Panel, columns: Int[np.ndarray, " dates"]) -> ForecastGrid:
        """Forecasts made at these columns of a panel; each sees what lies before it, and no more.

        A series without a known target by then has NaN from a forecaster that learns from no others.

        Args:
            panel: series, as the schema makes them of a frame.
            columns: increasing, from 0 to the panel's last.

        Raises:
            ValueError: other columns.
        """
        columns = _increasing(columns, panel.length)
        values = np.asarray(self._forecast(panel, columns), np.float64)
        if self.nonnegative:
            values = np.maximum(values, 0.0)
        return ForecastGrid(panel, columns, tuple(self.quantiles), values)

    def _check_targets(self, panel: Panel) -> None:
        """Refuse targets that contradict the options."""
        negative = panel.observed & (panel.y < 0)
        if self.nonnegative and negative.any():
            row, column = np.argwhere(negative)[0]
            raise ValueError(
                f"{type(self).__name__} expected targets of zero or more with nonnegative=True, got "
                f"{panel.y[row, column]:g} in series {panel.ids[row]!r} at "
                f"{panel.date_name(row, column)} and {negative.sum()} such values; set them to zero or NaN, "
                "or leave nonnegative out."
            )

    @abc.abstractmethod
    def _fit(self, panel: Panel) -> None:
        """Learn from a panel."""

    def _fit_store(self, store: SeriesStore) -> None:
        """Learn from series on disk, after `_check_store`."""
        raise TypeError(
            f"{type(self).__name__}.fit expected a frame, got {store}; of those that learn from all series, "
            "only networks take series on disk."
        )

    @abc.abstractmethod
    def _forecast(self, panel: Panel, columns: np.ndarray) -> np.ndarray:
        """Quantiles ``(series, columns, horizon, quantiles)``, each from what lies up to its column."""

    def _options(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def _learn_schema(self, frame: Any) -> Schema:
        return Schema.of(
            frame,
            horizon=self.horizon,
            seasons=self.seasons,
            past=self.past,
            future=self.future,
            static=self.static,
            freq=self.freq,
        )

    def _last(self, panel: Panel) -> ForecastGrid:
        """Forecasts after the last known target, of every series."""
        self._check_targets(panel)
        return self.forecast(panel, np.array([panel.length - 1]))

    def _predict_store(self, store: SeriesStore, future: Any) -> pd.DataFrame:
        if future is not None:
            raise ValueError(
                "predict expected a store alone, got future rows too; write a store of files that have them."
            )
        if store.schema != self.schema:
            raise ValueError(
                f"predict expected a store of the columns that were learned, got another one at {store.path}; "
                "write it with the fitted forecaster."
            )
        store.check_ahead()
        parts = [self._last(panel).to_frame() for panel in store]
        return pd.concat(parts).sort_values([ID, DATE], ignore_index=True)

    def _check_store(self, store: SeriesStore) -> None:
        """Refuse a store that was written for other options."""
        schema = store.schema
        roles = {role: tuple(c.name for c in getattr(schema, role)) for role in _ROLES}
        theirs = {"horizon": schema.horizon, "seasons": schema.seasons, **roles}
        ours = {name: getattr(self, name) for name in theirs}
        if not schema.calendar.has_spacing(self.freq):
            ours, theirs = ours | {"freq": self.freq}, theirs | {"freq": schema.calendar.spacing}
        apart = [name for name in ours if ours[name] != theirs[name]]
        if apart:
            words = [", ".join(f"{name}={x[name]!r}" for name in apart) for x in (ours, theirs)]
            raise ValueError(
                f"{type(self).__name__}.fit expected a store of {words[0]}, got one of {words[1]}; write one "
                "with this forecaster."
            )


def _increasing(columns: Any, length: int) -> np.ndarray:
    """Columns of a panel of this length that forecasts can be made at."""
    given = np.asarray(columns)
    counted = given.ndim == 1 and given.size > 0 and np.issubdtype(given.dtype, np.integer)
    kept = given.astype(np.int64) if counted else np.array([-1])
    if kept[0] < 0 or kept[-1] >= length or (np.diff(kept) <= 0).any():
        raise ValueError(
            f"forecast expected columns as increasing whole numbers from 0 to {length - 1}, got "
            f"{np.array2string(given, threshold=8)}; sort them, and leave out what lies beyond the panel."
        )
    return kept
