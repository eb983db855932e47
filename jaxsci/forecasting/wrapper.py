"""Forecasters around another one, whose forecasts they change."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from .forecaster import Forecaster
from .panel import Panel
from .schema import Schema

INNER = "inner"
_Kind = TypeVar("_Kind", bound="Wrapper")
_OPTIONS = tuple(field.name for field in dataclasses.fields(Forecaster))


class Wrapper(Forecaster):
    """One with the options of the forecaster inside.

    Args:
        forecaster: the one inside. It stays as it is; the attribute `forecaster` is a copy from `fit` on,
            fitted to the same frame.

    Raises:
        TypeError: no forecaster.
    """

    def __init__(self, forecaster: Forecaster):
        if not isinstance(forecaster, Forecaster):
            raise TypeError(
                f"{type(self).__name__} expected a forecaster, got {type(forecaster).__name__}; build one, as "
                "in SeasonalNaive(horizon=7, season=7)."
            )
        self.forecaster = forecaster
        super().__init__(**{name: getattr(forecaster, name) for name in _OPTIONS})

    def at(self: _Kind, quantiles: Sequence[float]) -> _Kind:
        """Return the same forecaster, asked for other levels, if the one inside has them."""
        other = super().at(quantiles)
        other.forecaster = self.forecaster.at(quantiles)
        return other

    def _fitted(self, panel: Panel) -> Forecaster:
        """A copy of the one inside that learned from a panel."""
        fitted = copy.copy(self.forecaster)
        fitted._fit(panel)
        return fitted

    def _check_targets(self, panel: Panel) -> None:
        self.forecaster._check_targets(panel)

    def _set_schema(self, schema: Schema) -> None:
        super()._set_schema(schema)
        self.forecaster._set_schema(schema)

    def _write(self, folder: Path) -> None:
        super()._write(folder)
        inner = folder / INNER
        inner.mkdir()
        self.forecaster._write(inner)
