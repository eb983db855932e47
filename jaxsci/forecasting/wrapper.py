"""Forecasters around another one, whose forecasts they change."""

import copy
from pathlib import Path

from .forecaster import Forecaster

INNER = "inner"
_OPTIONS = ("horizon", "quantiles", "season", "past", "future", "static", "freq", "nonnegative")


class Wrapper(Forecaster):
    """One with the options of the forecaster inside.

    Args:
        forecaster: the one inside; it is fitted too.

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

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """See the base class; the forecaster inside has a folder of its own in it."""
        super().save(path, overwrite=overwrite)
        inner = copy.copy(self.forecaster)
        inner._learned = self.schema
        inner.save(Path(path) / INNER)
