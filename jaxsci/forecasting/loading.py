"""Saved forecasters again: built from their options, with their arrays filled in."""

import importlib
import inspect
from pathlib import Path
from typing import Any

from jaxsci.training import load_model
from solvers._files import no_folder, read_object

from .forecaster import Forecaster
from .saving import FILE, FORMAT, MODEL, PACKAGE
from .schema import Schema


def load(path: str | Path) -> Forecaster:
    """The forecaster that was saved in the folder `path`.

    Raises:
        FileNotFoundError: no such folder, or not one that `Forecaster.save` wrote.
        ValueError: one of another version, or damaged.
    """
    path = Path(path)
    if not (path / FILE).is_file():
        raise FileNotFoundError(
            f"load expected a folder written by Forecaster.save, with its {FILE}, at {path}, got "
            f"{no_folder(path)}."
        )
    content = read_object(
        path / FILE,
        keys=("forecaster", "options", "schema", "sizes", "arrays"),
        error=ValueError,
        remedy="fit the forecaster again with this version, and save it",
        format=FORMAT,
    )
    kind = getattr(importlib.import_module(PACKAGE), str(content["forecaster"]), None)
    if not (isinstance(kind, type) and issubclass(kind, Forecaster)) or inspect.isabstract(kind):
        raise ValueError(
            f"load expected a forecaster of {PACKAGE} in {path}, got {content['forecaster']!r}; fit it again "
            "with this version."
        )
    forecaster: Any = kind._built(path, content["options"])
    forecaster._set_schema(Schema.from_json(content["schema"]))
    if content["arrays"]:
        forecaster._restore(load_model(path / MODEL, forecaster._like(content["sizes"])))
    return forecaster
