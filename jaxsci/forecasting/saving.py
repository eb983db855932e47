"""Forecasters in folders: JSON of the options and columns, arrays as `jaxsci.training.save_model` stores them.

Nothing is pickled, so that a folder from somebody else runs no code: `load` builds one of the classes of
`jaxsci.forecasting` from its options and fills in the arrays.
"""

import abc
import importlib
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from jaxsci._folders import complete
from jaxsci.training import save_model
from solvers._files import seal, write_json

from .schema import Schema

FORMAT = 7
FILE, MODEL = "forecaster.json", "model"
PACKAGE = "jaxsci.forecasting"


class Saved(abc.ABC):
    """What is built with options, learns a schema and perhaps arrays, and can be saved."""

    _learned: Schema | None = None

    @property
    def schema(self) -> Schema:
        """What `fit` learned of the frame's columns; it turns frames into panels.

        Raises:
            RuntimeError: before `fit`.
        """
        if self._learned is None:
            raise RuntimeError(
                f"{type(self).__name__} expected to be fitted first; call fit(frame), or load one that was."
            )
        return self._learned

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write options, as JSON, and what was learned, as `save_model` does, into the folder `path`.

        The folder appears when it is complete; one that is overwritten stays until then.

        Raises:
            FileExistsError: if it exists and `overwrite` is off, or if it is no saved forecaster.
            RuntimeError: before `fit`.
            TypeError: a class that is not of `jaxsci.forecasting`, which `load` would not find.
        """
        path = Path(path)
        if path.exists():
            if not overwrite:
                raise FileExistsError(
                    f"save expected a new folder, got {path}, which exists; choose another path or pass "
                    "overwrite=True."
                )
            if not (path / FILE).is_file():
                raise FileExistsError(
                    f"save expected to overwrite a saved forecaster, got {path}, which is none; choose another "
                    "path."
                )
        with complete(path) as folder:
            self._write(folder)

    def _write(self, folder: Path) -> None:
        """Write everything into an empty folder."""
        name, schema = type(self).__name__, self.schema
        if getattr(importlib.import_module(PACKAGE), name, None) is not type(self):
            raise TypeError(
                f"save expected a forecaster of {PACKAGE}, the only ones that load finds, got {name} of "
                f"{type(self).__module__}; keep the frame and the options, and fit it again."
            )
        arrays, sizes = self._arrays()
        content = {
            "format": FORMAT,
            "forecaster": name,
            "options": self._options(),
            "schema": schema.to_json(),
            "sizes": sizes,
            "arrays": arrays is not None,
        }
        if arrays is not None:
            save_model(folder / MODEL, arrays)
        write_json(folder / FILE, seal(content))

    def _set_schema(self, schema: Schema) -> None:
        """Take over what was learned of the columns."""
        self._learned = schema

    def _arrays(self) -> tuple[PyTree | None, dict[str, Any]]:
        """What was learned, as a pytree of arrays, and the sizes that make one of the same structure."""
        return None, {}

    def _like(self, sizes: dict[str, Any]) -> PyTree:
        """A pytree of the structure of `_arrays`, for a forecaster that was not fitted."""
        raise NotImplementedError(
            f"{type(self).__name__} expected no arrays to load; its class has to say their structure."
        )

    def _restore(self, arrays: PyTree) -> None:
        """Take over what was learned."""
        raise NotImplementedError(
            f"{type(self).__name__} expected no arrays to restore; its class has to keep them."
        )

    @abc.abstractmethod
    def _options(self) -> dict[str, Any]:
        """The options, for JSON."""

    @classmethod
    def _built(cls, path: Path, options: dict[str, Any]) -> "Saved":
        """One with these options, from its folder."""
        return cls(**options)
